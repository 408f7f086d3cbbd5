//! The open descriptors of the host, without touching one of them.
//!
//! `/proc/self/fd` on the console's threads is the leader's table: the host's. Each descriptor costs a
//! readlink, files an lstat of that link as well: what it is, and whether it is open for reading or
//! writing. Nothing is opened, duplicated or asked over the network; `stat` on the file behind it is
//! done for deleted files only, where it cannot reach a dead server. Descriptors that vanish meanwhile
//! are left out. Sockets are then looked up by inode in `/proc/self/net`; see [`net`].

mod link;
pub(crate) mod name;
pub(crate) mod net;

pub(crate) use link::{Kind, Link};
#[cfg(test)]
pub(crate) use net::Protocol;
pub(crate) use net::{Address, Socket, Sockets, State};

use super::procfs::{self, push};
use crate::model::order;
use std::{
    fs,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

/// Descriptors that are looked at: beyond that only counted. It bounds time (half a second) and
/// memory (some 20 MB).
const MOST: usize = 65_536;

/// How a descriptor may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Access {
    /// Only to name a place (O_PATH).
    Path,
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Both.
    Both,
}

/// One open descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    /// Its number in the host's table.
    pub fd: u32,
    /// What it leads to.
    pub link: Link,
    /// How it may be used, of files and devices; `None` when it vanished while we looked.
    pub access: Option<Access>,
    /// Bytes that a deleted file keeps of the disk until this descriptor is closed.
    pub deleted_bytes: Option<u64>,
}

/// The descriptors that were looked at.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Descriptors {
    /// By number.
    pub list: Vec<Descriptor>,
    /// There are more: 65,536 are looked at, or fewer when memory cannot be had.
    pub truncated: bool,
}

/// The directory with the host's descriptors: the leader's, or that of another thread of the host
/// when `main` has ended with `pthread_exit` (a dead leader has no table).
pub(crate) fn table() -> PathBuf {
    let leader = Path::new("/proc/self/fd");
    // A descriptor table without entries is as good as none: 0, 1, 2 are nearly always there.
    let alive = fs::read_dir(leader).is_ok_and(|mut entries| entries.next().is_some());
    match alive {
        true => leader.to_owned(),
        false => other_table().unwrap_or_else(|| leader.to_owned()),
    }
}

fn other_table() -> Option<PathBuf> {
    let tasks = fs::read_dir("/proc/self/task").ok()?.filter_map(Result::ok);
    tasks.map(|task| task.path()).find_map(|task| {
        let name = procfs::line(task.join("comm"))?;
        let fds = task.join("fd");
        let usable = || fs::read_dir(&fds).is_ok_and(|mut entries| entries.next().is_some());
        (!super::is_own_thread(&name) && usable()).then_some(fds)
    })
}

/// How many descriptors are open: the directory's size from Linux 6.2 on (2 us), before that its
/// entries (5 us each).
///
/// The size counts numbers that are only reserved as well: one for each thread that waits in accept.
pub(crate) fn count() -> Option<u64> {
    let table = table();
    match fs::metadata(&table).ok()?.size() {
        0 => u64::try_from(fs::read_dir(&table).ok()?.count()).ok(),
        size => Some(size),
    }
}

/// The open descriptors, at most 65,536 of them; 5 us each. `None` when `keep_going` says no or there is no /proc.
pub(crate) fn list(keep_going: &dyn Fn() -> bool) -> Option<Descriptors> {
    let table = table();
    let mut found = Descriptors::default();
    for entry in fs::read_dir(&table).ok()? {
        // getdents sees the table a page at a time; an error means that the process is going away.
        let Ok(entry) = entry else { break };
        if !keep_going() {
            return None;
        }
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let Some(descriptor) = number.and_then(|fd| look(&table, fd)) else {
            continue;
        };
        if found.list.len() >= MOST || !push(&mut found.list, descriptor) {
            found.truncated = true;
            break;
        }
    }
    order::sort_by_key(&mut found.list, |descriptor| descriptor.fd);
    Some(found)
}

/// What one descriptor leads to; `None` when it is not open.
pub(crate) fn look(table: &Path, fd: u32) -> Option<Descriptor> {
    let path = table.join(fd.to_string());
    let target = fs::read_link(&path).ok()?;
    let link = Link::parse(target.as_os_str().as_bytes());
    // Sockets, pipes and the like are open both ways, or it does not matter.
    let matters = matches!(link.kind, Kind::File | Kind::Device);
    let access = matters.then(|| fs::symlink_metadata(&path).ok()).flatten();
    let access = access.map(|meta| access_of(meta.mode()));
    // Behind the link is the open file itself, so this is no look-up of a path.
    let deleted = link.deleted && link.kind == Kind::File;
    let deleted_bytes = match deleted {
        true => fs::metadata(&path).ok().map(|meta| meta.blocks() * 512),
        false => None,
    };
    Some(Descriptor {
        fd,
        link,
        access,
        deleted_bytes,
    })
}

/// The kernel writes the mode of the descriptor into the permission bits of its link.
fn access_of(mode: u32) -> Access {
    match (mode & 0o400 != 0, mode & 0o200 != 0) {
        (true, true) => Access::Both,
        (true, false) => Access::Read,
        (false, true) => Access::Write,
        (false, false) => Access::Path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_of_the_link_is_the_mode_of_the_descriptor() {
        let check = |mode, expected| assert_eq!(access_of(mode), expected);
        check(0o120_700, Access::Both);
        check(0o120_500, Access::Read);
        check(0o120_300, Access::Write);
        check(0o120_000, Access::Path);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn own_descriptors_are_seen_as_they_are() {
        let path = std::env::temp_dir().join(format!("manhole-fds-{}", std::process::id()));
        fs::write(&path, [1; 5000]).unwrap();
        let file = fs::File::options().append(true).open(&path).unwrap();
        file.sync_all().unwrap();
        fs::remove_file(&path).unwrap();
        let (left, _right) = std::os::unix::net::UnixStream::pair().unwrap();
        use std::os::fd::AsRawFd;
        let all = list(&|| true).unwrap();
        let find = |fd: i32| all.list.iter().find(|d| d.fd == fd as u32).unwrap();
        let deleted = find(file.as_raw_fd());
        assert_eq!(
            (deleted.link.kind, deleted.access),
            (Kind::File, Some(Access::Write))
        );
        assert!(deleted.deleted_bytes.unwrap() >= 4096, "{deleted:?}");
        assert_eq!(find(left.as_raw_fd()).link.kind, Kind::Socket);
        assert!(count().unwrap() >= 5);
        assert!(all.list.is_sorted_by_key(|d| d.fd));
    }

    #[test]
    fn a_cancelled_look_gives_nothing() {
        assert_eq!(list(&|| false), None);
    }
}
