//! Opening files as another process sees them, without being led astray.
//!
//! Whoever owns a container owns every path in it. So each look-up starts at a descriptor of the
//! process's root, cannot leave it, and follows no symbolic link.

use std::{
    ffi::OsString,
    fs, io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::{Component, Path},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, OpenHow, ResolveFlag, open, openat, openat2},
    sys::stat::{Mode, SFlag, fstat},
};

/// The root directory of a process.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
    /// Whether it is ours in place of one that may not be seen.
    pub borrowed: bool,
}

impl Root {
    /// Our own root.
    ///
    /// # Errors
    /// As `open` says.
    pub fn ours() -> io::Result<Self> {
        Self::at(Path::new("/"))
    }

    /// The root of `pid` below its pinned directory of /proc. Where that may not be seen, as for a
    /// daemon that dropped root, it is ours: what is found there is checked by its credentials.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn of(proc_dir: impl AsFd) -> io::Result<Self> {
        // This one link is the kernel's own and must be followed.
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        match openat(proc_dir, "root", flags, Mode::empty()) {
            Ok(fd) => Ok(Self {
                fd,
                borrowed: false,
            }),
            Err(Errno::EACCES | Errno::EPERM) => Ok(Self {
                borrowed: true,
                ..Self::ours()?
            }),
            Err(error) => Err(error.into()),
        }
    }

    fn at(path: &Path) -> io::Result<Self> {
        let fd = open(path, directory_flags(), Mode::empty())?;
        Ok(Self {
            fd,
            borrowed: false,
        })
    }

    /// Opens `path`, absolute or not, below this root.
    ///
    /// # Errors
    /// ELOOP where a symbolic link is in the way; else as `open` says.
    pub fn open(&self, path: &Path, flags: OFlag) -> io::Result<OwnedFd> {
        let flags = flags | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        match self.open_at_once(path, flags) {
            Err(Errno::ELOOP) => match canonical(path) {
                Some(other) => Ok(self.open_at_once(&other, flags)?),
                None => Err(Errno::ELOOP.into()),
            },
            // Kernels before 5.6 and some seccomp filters have no openat2.
            Err(Errno::ENOSYS | Errno::EPERM) => self.open_step_by_step(path, flags),
            other => Ok(other?),
        }
    }

    fn open_at_once(&self, path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
        let how = OpenHow::new()
            .flags(flags)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_SYMLINKS);
        openat2(&self.fd, path, how)
    }

    fn open_step_by_step(&self, path: &Path, flags: OFlag) -> io::Result<OwnedFd> {
        let mut at = self.fd.try_clone()?;
        let mut names = path.components().peekable();
        while let Some(component) = names.next() {
            let flags = match names.peek() {
                Some(_) => directory_flags(),
                None => flags,
            };
            match component {
                Component::RootDir | Component::CurDir => {}
                Component::Normal(name) => at = openat(&at, name, flags, Mode::empty())?,
                Component::ParentDir | Component::Prefix(_) => return Err(Errno::EINVAL.into()),
            }
        }
        Ok(at)
    }

    /// The names in the directory `path`, without those that start with a dot.
    ///
    /// # Errors
    /// As [`Root::open`].
    pub fn names(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let fd = self.open(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
        names_of(&fd)
    }

    /// The text of a small regular file, at most 4 KiB of it.
    pub fn small_file(&self, path: &Path) -> Option<String> {
        let fd = self.open(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK).ok()?;
        if !is_kind(&fd, SFlag::S_IFREG) {
            return None;
        }
        let mut text = String::new();
        let mut file = io::Read::take(fs::File::from(fd), 4096);
        io::Read::read_to_string(&mut file, &mut text).ok()?;
        Some(text)
    }
}

/// The names in an open directory, without those that start with a dot.
///
/// # Errors
/// As `readdir` says.
pub fn names_of(directory: &OwnedFd) -> io::Result<Vec<OsString>> {
    let entries = fs::read_dir(format!("/proc/self/fd/{}", directory.as_raw_fd()))?;
    let names = entries.flatten().map(|entry| entry.file_name());
    Ok(names
        .filter(|name| !name.as_encoded_bytes().starts_with(b"."))
        .collect())
}

/// Whether an open descriptor is of this kind.
pub fn is_kind(fd: impl AsFd, kind: SFlag) -> bool {
    fstat(fd).is_ok_and(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == kind)
}

fn directory_flags() -> OFlag {
    OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW
}

/// `/var/run` is a link to `/run` nearly everywhere, and services write it into their settings:
/// the one link that is taken for granted.
fn canonical(path: &Path) -> Option<std::path::PathBuf> {
    let rest = path.strip_prefix("/var/run").ok()?;
    Some(Path::new("/run").join(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn scratch(name: &str) -> std::path::PathBuf {
        let dir =
            std::env::temp_dir().join(format!("manhole-rooted-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn symbolic_links_are_refused_wherever_they_stand() {
        let dir = scratch("links");
        fs::create_dir_all(dir.join("real")).unwrap();
        fs::write(dir.join("real/file"), "text").unwrap();
        symlink("real", dir.join("link")).unwrap();
        symlink("/etc/passwd", dir.join("real/other")).unwrap();
        let root = Root::at(&dir).unwrap();
        assert_eq!(
            root.small_file(Path::new("/real/file")).as_deref(),
            Some("text")
        );
        for path in ["/link/file", "/real/other"] {
            let at_once = root.open(Path::new(path), OFlag::O_RDONLY).unwrap_err();
            assert_eq!(at_once.raw_os_error(), Some(Errno::ELOOP as i32), "{path}");
            assert!(
                root.open_step_by_step(Path::new(path), OFlag::O_RDONLY | OFlag::O_NOFOLLOW)
                    .is_err()
            );
        }
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn nobody_climbs_out_of_the_root() {
        let dir = scratch("climb");
        fs::create_dir_all(dir.join("inner")).unwrap();
        fs::write(dir.join("outside"), "secret").unwrap();
        let root = Root::at(&dir.join("inner")).unwrap();
        let path = Path::new("/../outside");
        assert!(root.open(path, OFlag::O_RDONLY).is_err());
        assert!(root.open_step_by_step(path, OFlag::O_RDONLY).is_err());
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_fifo_is_no_file_to_read_and_does_not_block() {
        let dir = scratch("fifo");
        let path = dir.join("hostname");
        nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        let root = Root::at(&dir).unwrap();
        assert_eq!(root.small_file(Path::new("hostname")), None);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn var_run_is_run() {
        let other = canonical(Path::new("/var/run/x/1.sock"));
        assert_eq!(other.as_deref(), Some(Path::new("/run/x/1.sock")));
        assert_eq!(canonical(Path::new("/srv/1.sock")), None);
    }
}
