//! What /proc says about other processes: ids in and outside of their namespaces, the threads that
//! give a console away, and where a process believes its directories are.
//!
//! Only reading and parsing; who may be talked to is decided in [`super::connect`]. Every file is
//! read up to a bound, because a process writes part of what stands in its own files.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs, io,
    io::Read,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{OFlag, open, openat},
    sys::stat::Mode,
};

/// The name of the console's threads, which every user may read.
const THREAD: &str = "manhole";

/// No file of /proc that is read here is longer in earnest.
const BOUND: u64 = 4 << 20;

/// The parts of `/proc/PID/status` that matter to a client.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Status {
    /// The command name, at most 15 bytes, chosen by the process itself.
    pub comm: String,
    /// Effective user id, in our user namespace.
    pub uid: u32,
    /// Effective group id, in our user namespace.
    pub gid: u32,
    /// Its pids, ours first, the one it sees itself last.
    pub pids: Vec<i32>,
    /// Whether it has memory of its own: kernel threads and zombies have none.
    pub has_memory: bool,
}

impl Status {
    /// The pid that the process sees itself, by which its socket is named.
    pub fn inner_pid(&self) -> i32 {
        self.pids.last().copied().unwrap_or(0)
    }
}

/// Reads `/proc/PID/<file>`.
///
/// # Errors
/// As the kernel says; a process that is gone is `NotFound` or ESRCH.
pub fn read(pid: i32, file: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(format!("/proc/{pid}/{file}"))?
        .take(BOUND)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A process that stays itself: once it has gone, what is read through here fails, even when its
/// pid has been given to another one. An open directory of /proc does what a pidfd does, and files
/// can be opened below it.
#[derive(Debug)]
pub struct Pinned {
    dir: OwnedFd,
}

impl Pinned {
    /// Pins the process that has this pid now.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub fn new(pid: i32) -> io::Result<Self> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let dir = open(format!("/proc/{pid}").as_str(), flags, Mode::empty())?;
        Ok(Self { dir })
    }

    /// Its directory below /proc.
    pub fn dir(&self) -> &OwnedFd {
        &self.dir
    }

    /// Its status; fails when it has gone.
    ///
    /// # Errors
    /// ESRCH when it has gone.
    pub fn status(&self) -> io::Result<Status> {
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let file = openat(&self.dir, "status", flags, Mode::empty())?;
        let mut bytes = Vec::new();
        fs::File::from(file).take(BOUND).read_to_end(&mut bytes)?;
        Ok(parse_status(&bytes))
    }
}

/// The pids of all processes that can be seen from here, in order.
pub fn pids() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids: Vec<i32> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    pids
}

/// Reads and parses the status of a process.
///
/// # Errors
/// As `read`.
pub fn status(pid: i32) -> io::Result<Status> {
    Ok(parse_status(&read(pid, "status")?))
}

/// Parses `/proc/PID/status`; what is missing stays at its default.
pub fn parse_status(bytes: &[u8]) -> Status {
    let text = String::from_utf8_lossy(bytes);
    let mut status = Status::default();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let numbers = || value.split_ascii_whitespace();
        match key {
            "Name" => status.comm = value.trim().to_owned(),
            "Uid" => status.uid = second(numbers()),
            "Gid" => status.gid = second(numbers()),
            "Pid" if status.pids.is_empty() => {
                status.pids = numbers().filter_map(|pid| pid.parse().ok()).collect();
            }
            "NSpid" => status.pids = numbers().filter_map(|pid| pid.parse().ok()).collect(),
            "VmSize" => status.has_memory = true,
            _ => {}
        }
    }
    status
}

/// The second of "real effective saved filesystem"; the overflow id when it is missing.
fn second<'a>(mut numbers: impl Iterator<Item = &'a str>) -> u32 {
    numbers
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(u32::MAX)
}

/// The threads of `pid` that belong to a console. They alone hold its descriptors: the console has
/// a descriptor table of its own, so `/proc/PID/fd` does not show them.
pub fn console_threads(pid: i32) -> Vec<i32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let tasks = tasks.into_iter().flatten().flatten();
    tasks
        .filter_map(|task| task.file_name().to_str()?.parse().ok())
        .filter(|tid| read(pid, &format!("task/{tid}/comm")).is_ok_and(|comm| is_console(&comm)))
        .collect()
}

fn is_console(comm: &[u8]) -> bool {
    comm.trim_ascii() == THREAD.as_bytes()
}

/// The inodes of the sockets that thread `tid` of `pid` has open; empty when that may not be seen.
pub fn socket_inodes(pid: i32, tid: i32) -> BTreeSet<u64> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/task/{tid}/fd"));
    let descriptors = descriptors.into_iter().flatten().flatten();
    descriptors
        .filter_map(|fd| fs::read_link(fd.path()).ok())
        .filter_map(|link| parse_socket_link(&link))
        .collect()
}

fn parse_socket_link(link: &Path) -> Option<u64> {
    let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
    inode.parse().ok()
}

/// The value of an environment variable at the start of `pid`: a hint where to look, no more, for
/// the process may have written over it.
pub fn environment(pid: i32, name: &str) -> Option<PathBuf> {
    find_variable(&read(pid, "environ").ok()?, name)
}

fn find_variable(environ: &[u8], name: &str) -> Option<PathBuf> {
    let entries = environ.split(|byte| *byte == 0);
    let mut values = entries.filter_map(|entry| {
        entry
            .strip_prefix(name.as_bytes())?
            .strip_prefix(b"=")
            .filter(|value| value.starts_with(b"/"))
    });
    Some(PathBuf::from(OsStr::from_bytes(values.next()?)))
}

/// The inode number of a namespace of `pid` (`mnt`, `user`, `pid`); `None` when it may not be seen.
pub fn namespace(pid: impl std::fmt::Display, kind: &str) -> Option<String> {
    let link = fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok()?;
    Some(link.to_str()?.to_owned())
}

/// Seconds since `pid` was started.
pub fn uptime(pid: i32) -> Option<f64> {
    let stat = read(pid, "stat").ok()?;
    let host = fs::read_to_string("/proc/uptime").ok()?;
    let host: f64 = host.split_whitespace().next()?.parse().ok()?;
    let ticks = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok()??;
    let started = parse_start(&stat)? as f64 / ticks as f64;
    Some((host - started).max(0.0))
}

/// Field 22 of `/proc/PID/stat`. The name before it may hold spaces and parentheses, so counting
/// starts behind the last one.
fn parse_start(stat: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(stat);
    let (_, rest) = text.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Whether our `uid` means anything inside the user namespace of `pid`. One that is not mapped is
/// seen there as the overflow id, which no console lets in. Unreadable counts as mapped.
pub fn is_mapped(pid: i32, uid: u32) -> bool {
    read(pid, "uid_map").map_or(true, |map| maps(&map, uid))
}

fn maps(uid_map: &[u8], uid: u32) -> bool {
    let text = String::from_utf8_lossy(uid_map);
    text.lines().any(|line| {
        let mut numbers = line.split_ascii_whitespace().skip(1);
        let outside = numbers.next().and_then(|n| n.parse::<u64>().ok());
        let length = numbers.next().and_then(|n| n.parse::<u64>().ok());
        matches!((outside, length), (Some(outside), Some(length))
            if (outside..outside.saturating_add(length)).contains(&u64::from(uid)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &[u8] = b"Name:\tcheck out\nUmask:\t0022\nTgid:\t4890\nPid:\t4890\n\
        Uid:\t1000\t1003\t1000\t1000\nGid:\t1\t4\t1\t1\nNSpid:\t4890\t17\t1\nVmSize:\t 3 kB\n";

    #[test]
    fn a_status_gives_effective_ids_and_the_pids_in_all_namespaces() {
        let status = parse_status(STATUS);
        assert_eq!((status.uid, status.gid), (1003, 4));
        assert_eq!(status.pids, [4890, 17, 1]);
        assert_eq!((status.inner_pid(), status.has_memory), (1, true));
        assert_eq!(status.comm, "check out");
    }

    #[test]
    fn a_status_without_ids_never_looks_like_root() {
        let status = parse_status(b"Name:\tx\nUid:\t0\n");
        assert_eq!(status.uid, u32::MAX);
        assert!(!status.has_memory);
    }

    #[test]
    fn only_threads_of_exactly_that_name_are_ours() {
        assert!(is_console(b"manhole\n"));
        assert!(!is_console(b"manhole-worker\n"));
        assert!(!is_console(b"xmanhole\n"));
    }

    #[test]
    fn socket_links_give_inodes() {
        assert_eq!(parse_socket_link(Path::new("socket:[4026]")), Some(4026));
        assert_eq!(parse_socket_link(Path::new("pipe:[4026]")), None);
        assert_eq!(parse_socket_link(Path::new("/socket:[1]")), None);
    }

    #[test]
    fn environment_hints_are_absolute_paths() {
        let check = |environ: &[u8], expected: Option<&str>| {
            let found = find_variable(environ, "RUNTIME_DIRECTORY");
            assert_eq!(found.as_deref(), expected.map(Path::new));
        };
        check(b"A=1\0RUNTIME_DIRECTORY=/run/x\0B=2\0", Some("/run/x"));
        check(b"XRUNTIME_DIRECTORY=/run/x\0", None);
        check(b"RUNTIME_DIRECTORY=run/x\0", None);
    }

    #[test]
    fn the_start_is_found_behind_any_name() {
        let stat = b"7 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 424242 20";
        assert_eq!(parse_start(stat), Some(424_242));
        assert_eq!(parse_start(b"7 (x) S 1"), None);
    }

    #[test]
    fn a_uid_outside_the_map_is_not_mapped() {
        let map = b"         0       1000          1\n         1     100000      65536\n";
        assert!(maps(map, 1000) && maps(map, 100_000) && maps(map, 165_535));
        assert!(!maps(map, 0) && !maps(map, 1001) && !maps(map, 165_536));
        assert!(maps(b"0 0 4294967295", 0));
    }

    #[test]
    fn our_own_process_can_be_read() {
        let me = std::process::id() as i32;
        assert!(pids().contains(&me));
        assert!(status(me).unwrap().has_memory);
        assert!(uptime(me).unwrap() < 86_400.0);
        assert!(namespace(me, "mnt").is_some());
    }

    #[test]
    fn a_pinned_process_that_has_gone_stays_gone() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pinned = Pinned::new(child.id() as i32).unwrap();
        assert!(pinned.status().unwrap().has_memory);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(pinned.status().is_err());
    }
}
