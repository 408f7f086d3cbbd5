//! What `/proc` says about a victim, seen from outside of it.

use std::{fs, path::PathBuf};

/// `/proc/PID/what`, or `None` when it cannot be read.
pub fn read(pid: u32, what: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/{what}")).ok()
}

/// The field `name` of `/proc/PID/status`.
pub fn status(pid: u32, name: &str) -> Option<String> {
    status_of(pid, pid, name)
}

/// The field `name` of `/proc/PID/task/TID/status`.
pub fn status_of(pid: u32, tid: u32, name: &str) -> Option<String> {
    let status = read(pid, &format!("task/{tid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

/// Resident memory in KiB.
///
/// # Panics
/// When the process is gone.
#[track_caller]
pub fn rss_kib(pid: u32) -> u64 {
    let line = status(pid, "VmRSS").expect("the process lives");
    line.split(' ')
        .next()
        .and_then(|kib| kib.parse().ok())
        .expect("a number of KiB")
}

/// Whether the process exists and is no zombie.
pub fn lives(pid: u32) -> bool {
    status(pid, "State").is_some_and(|state| !state.starts_with('Z'))
}

/// The threads of a process: their ids and names.
pub fn threads(pid: u32) -> Vec<(u32, String)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let tids = tasks.filter_map(|task| task.file_name().to_str()?.parse().ok());
    let named = tids.filter_map(|tid: u32| Some((tid, read(pid, &format!("task/{tid}/comm"))?)));
    named
        .map(|(tid, name)| (tid, name.trim_end().to_owned()))
        .collect()
}

/// Its threads that belong to the console.
pub fn console_threads(pid: u32) -> Vec<(u32, String)> {
    let mut threads = threads(pid);
    threads.retain(|(_, name)| name.starts_with("manhole"));
    threads
}

/// What the descriptors of a thread refer to. All threads of a process share one table, unless one
/// has unshared it.
pub fn fds(pid: u32, tid: u32) -> Vec<PathBuf> {
    let dir = fs::read_dir(format!("/proc/{pid}/task/{tid}/fd"))
        .into_iter()
        .flatten()
        .flatten();
    dir.filter_map(|fd| fs::read_link(fd.path()).ok()).collect()
}

/// The Unix sockets that a process has bound, as their paths stand in the kernel's table.
pub fn bound_sockets(pid: u32) -> Vec<String> {
    let Some(table) = read(pid, "net/unix") else {
        return Vec::new();
    };
    let inodes: Vec<String> = threads(pid)
        .iter()
        .flat_map(|(tid, _)| fds(pid, *tid))
        .filter_map(|fd| {
            Some(
                fd.to_str()?
                    .strip_prefix("socket:[")?
                    .strip_suffix(']')?
                    .to_owned(),
            )
        })
        .collect();
    let mut paths: Vec<String> = table
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (inode, path) = (fields.get(6)?, fields.get(7)?);
            inodes
                .iter()
                .any(|own| own == inode)
                .then(|| (*path).to_owned())
        })
        .collect();
    paths.sort();
    paths.dedup();
    paths
}
