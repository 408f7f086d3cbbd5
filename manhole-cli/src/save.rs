//! Writing what a target sent into files, in directories where others may write too: a new file
//! beside the wanted one, for us alone, and renamed only when it is complete.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use manhole::client::{Kind, Trouble};
use nix::libc::{O_CLOEXEC, O_NOFOLLOW};

/// A file under way; it vanishes when it is dropped before it was kept.
pub(crate) struct NewFile {
    file: File,
    /// Where it is and where it is to be; `None` for a device, which is written at once.
    names: Option<(PathBuf, PathBuf)>,
}

impl NewFile {
    /// Begins a file that will be called `path`.
    ///
    /// # Errors
    /// `Failed` when the directory does not let us, or when `path` is there and no plain file.
    pub(crate) fn create(path: &Path) -> Result<Self, Trouble> {
        let failed = |why: &io::Error| {
            Trouble::io(
                Kind::Failed,
                format!("failed to write {}", path.display()),
                why,
            )
        };
        match fs::symlink_metadata(path).map(|meta| meta.file_type()) {
            Ok(kind) if kind.is_char_device() || kind.is_fifo() => {
                let file = OpenOptions::new()
                    .write(true)
                    .custom_flags(O_NOFOLLOW | O_CLOEXEC)
                    .open(path);
                let file = file.map_err(|error| failed(&error))?;
                return Ok(Self { file, names: None });
            }
            Ok(kind) if !kind.is_file() => {
                let what = match (kind.is_dir(), kind.is_symlink()) {
                    (true, _) => "it is a directory",
                    (_, true) => "it is a symbolic link, which is not followed",
                    _ => "it is no plain file",
                };
                return Err(failed(&io::Error::other(what)));
            }
            _ => {}
        }
        let temporary =
            temporary_name(path).ok_or_else(|| failed(&io::Error::other("it has no file name")))?;
        let file = create_new(&temporary).map_err(|error| failed(&error))?;
        Ok(Self {
            file,
            names: Some((temporary, path.to_owned())),
        })
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// `Failed` when it cannot be renamed.
    pub(crate) fn keep(mut self) -> Result<(), Trouble> {
        let Some((temporary, path)) = self.names.take() else {
            return Ok(());
        };
        let kept = self
            .file
            .flush()
            .and_then(|()| fs::rename(&temporary, &path));
        kept.map_err(|error| {
            let _ = fs::remove_file(&temporary);
            Trouble::io(
                Kind::Failed,
                format!("failed to write {}", path.display()),
                &error,
            )
        })
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some((temporary, _)) = &self.names {
            let _ = fs::remove_file(temporary);
        }
    }
}

/// Creates a file that was not there, for us alone.
///
/// # Errors
/// As `open` says.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(O_NOFOLLOW | O_CLOEXEC)
        .open(path)
}

/// `.NAME.<random>` in the same directory.
fn temporary_name(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_string_lossy();
    Some(path.with_file_name(format!(".{name}.{:08x}", random())))
}

/// A number that nobody guesses.
pub(crate) fn random() -> u32 {
    let mut bytes = [0; 4];
    let read =
        File::open("/dev/urandom").and_then(|mut file| io::Read::read_exact(&mut file, &mut bytes));
    match read {
        Ok(()) => u32::from_ne_bytes(bytes),
        Err(_) => std::process::id(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("manhole-save-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap().flatten();
        entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_file_appears_complete_and_private() {
        let dir = scratch("keep");
        let path = dir.join("out");
        fs::write(&path, "old").unwrap();
        let mut file = NewFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        file.keep().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(names(&dir), ["out"]);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_breaks_off_leaves_nothing() {
        let dir = scratch("drop");
        drop(NewFile::create(&dir.join("out")).unwrap());
        assert_eq!(names(&dir), [""; 0]);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn links_and_directories_are_not_written_through() {
        let dir = scratch("links");
        fs::write(dir.join("victim"), "precious").unwrap();
        symlink("victim", dir.join("link")).unwrap();
        let refused = |name: &str| NewFile::create(&dir.join(name)).err().unwrap().text;
        assert!(refused("link").contains("symbolic link"));
        assert!(refused(".").contains("is a directory"));
        assert!(refused("no/such/dir").contains("no such file"));
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn devices_are_written_and_stay() {
        let mut null = NewFile::create(Path::new("/dev/null")).unwrap();
        null.write_all(b"x").unwrap();
        null.keep().unwrap();
        assert!(
            fs::metadata("/dev/null")
                .unwrap()
                .file_type()
                .is_char_device()
        );
    }
}
