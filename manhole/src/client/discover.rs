//! Finding every console on this host, in containers too.
//!
//! A process with a console has a thread called `manhole`, which everybody may see. Its sockets are
//! found by the surest way that is open to us: the descriptors of that thread, matched with the
//! listening sockets of its network namespace; else the names in there that bear its pid; else a
//! look into the directories where sockets are by default. What any of these yields is only a
//! candidate: [`super::connect`] decides.

use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use super::{
    connect::Place,
    container::{self, Container},
    proc::{self, Pinned, Status},
    rooted::Root,
    unix_table::{self, pid_of_name},
};

/// A process that has a console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its pid, as we number it.
    pub pid: i32,
    /// Its pid, as it numbers itself.
    pub inner_pid: i32,
    /// What the kernel calls it; a service may call itself otherwise.
    pub comm: String,
    /// Its effective user id.
    pub uid: u32,
    /// Candidates for its socket, the likeliest first; empty when none could be found.
    pub paths: Vec<PathBuf>,
    /// Where it runs, if not where we do.
    pub container: Option<Container>,
}

impl Found {
    /// The candidates as places to connect to.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        self.paths.iter().map(|path| Place {
            pid: self.pid,
            path: path.clone(),
        })
    }

    /// The first candidate's path as we reach it: through `/proc/PID/root` where it lies in another
    /// mount namespace.
    pub fn path_from_here(&self) -> Option<PathBuf> {
        let path = self.paths.first()?;
        let theirs = proc::namespace(self.pid, "mnt");
        let elsewhere = theirs.is_some() && theirs != proc::namespace("self", "mnt");
        Some(match elsewhere {
            true => Path::new(&format!("/proc/{}/root", self.pid))
                .join(path.strip_prefix("/").unwrap_or(path)),
            false => path.clone(),
        })
    }
}

/// What a look around found, and how far it could see.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Survey {
    /// The consoles, by pid.
    pub found: Vec<Found>,
    /// How many processes there are.
    pub processes: usize,
    /// How many of them belong to others and could not be looked into.
    pub hidden: usize,
    /// How many other mount namespaces were looked into.
    pub containers: usize,
}

/// Looks at every process. Costs some ten microseconds a thread of the host.
pub fn survey() -> Survey {
    let mut survey = Survey::default();
    let ours = proc::namespace("self", "mnt");
    let mut elsewhere = std::collections::BTreeSet::new();
    for pid in proc::pids() {
        let Ok(status) = proc::status(pid) else {
            continue;
        };
        if !status.has_memory {
            continue;
        }
        survey.processes += 1;
        match proc::namespace(pid, "mnt") {
            Some(namespace) if Some(&namespace) != ours.as_ref() => {
                elsewhere.insert(namespace);
            }
            Some(_) => {}
            None if status.uid != geteuid().as_raw() => survey.hidden += 1,
            None => {}
        }
        survey.found.extend(inspect(pid, &status));
    }
    survey.containers = elsewhere.len();
    survey
}

/// Looks at one process; `None` when it has no console.
pub fn look_at(pid: i32) -> Option<Found> {
    inspect(pid, &proc::status(pid).ok()?)
}

fn inspect(pid: i32, status: &Status) -> Option<Found> {
    let threads = proc::console_threads(pid);
    if threads.is_empty() {
        return None;
    }
    let mut paths = bound_paths(pid, status, &threads);
    if paths.is_empty() {
        paths = paths_in_directories(pid, status);
    }
    Some(Found {
        pid,
        inner_pid: status.inner_pid(),
        comm: status.comm.clone(),
        uid: status.uid,
        paths,
        container: container::of(pid),
    })
}

/// From the kernel's list of listening sockets.
fn bound_paths(pid: i32, status: &Status, threads: &[i32]) -> Vec<PathBuf> {
    let own = threads
        .iter()
        .flat_map(|tid| proc::socket_inodes(pid, *tid))
        .collect();
    let alone = proc::socket_inodes(pid, pid) != own;
    let table = proc::read(pid, "net/unix").unwrap_or_default();
    let listeners = unix_table::parse(&table);
    unix_table::console_paths(&listeners, &own, alone, status.inner_pid())
}

/// From the directories where sockets are by default, as the process sees them.
fn paths_in_directories(pid: i32, status: &Status) -> Vec<PathBuf> {
    let Some(root) = Pinned::new(pid)
        .and_then(|pinned| Root::of(pinned.dir()))
        .ok()
    else {
        return Vec::new();
    };
    let mut paths = Vec::new();
    for directory in directories(&root, Some(pid)) {
        for name in root.names(&directory).unwrap_or_default() {
            let path = directory.join(name);
            if pid_of_name(&path) == Some(status.inner_pid()) {
                paths.push(path);
            }
        }
    }
    paths
}

/// The directories below `root` in which sockets are by default: `/run/manhole`,
/// `/run/*/manhole` (systemd's RUNTIME_DIRECTORY), `/tmp/manhole-*`, `/dev/shm/manhole-*`, and what
/// the environment of `pid` hints at.
pub fn directories(root: &Root, pid: Option<i32>) -> Vec<PathBuf> {
    let mut directories = vec![PathBuf::from("/run/manhole")];
    for parent in ["/tmp", "/dev/shm"] {
        let names = root.names(Path::new(parent)).unwrap_or_default();
        let ours = names
            .iter()
            .filter(|name| name.as_encoded_bytes().starts_with(b"manhole-"));
        directories.extend(ours.map(|name| Path::new(parent).join(name)));
    }
    let services = root.names(Path::new("/run")).unwrap_or_default();
    let services = services.iter().filter(|name| *name != "manhole");
    directories.extend(services.map(|name| Path::new("/run").join(name).join("manhole")));
    let hints = pid.map(|pid| {
        let runtime = proc::environment(pid, "RUNTIME_DIRECTORY").map(|list| first_of(&list));
        [runtime, proc::environment(pid, "MANHOLE_DIR")]
    });
    directories.extend(hints.into_iter().flatten().flatten());
    directories.retain(|directory| root.names(directory).is_ok());
    directories.sort();
    directories.dedup();
    directories
}

/// RUNTIME_DIRECTORY is a list with colons between; the console goes into the first.
fn first_of(list: &Path) -> PathBuf {
    let text = list.to_string_lossy();
    Path::new(text.split(':').next().unwrap_or_default()).join("manhole")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{os::unix::net::UnixListener, sync::mpsc, thread};

    /// A console in all that discovery looks at: a thread of that name and a listening socket.
    fn with_console(path: &Path, check: impl FnOnce(&Found)) {
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).unwrap();
        let (stop, stopped) = mpsc::channel::<()>();
        let thread = thread::Builder::new().name("manhole".into());
        let thread = thread.spawn(move || {
            let _listener = listener;
            let _ = stopped.recv();
        });
        let me = std::process::id() as i32;
        // The name is set by the thread itself, a moment after it was spawned.
        let found = (0..200)
            .find_map(|_| {
                look_at(me).or_else(|| {
                    thread::sleep(std::time::Duration::from_millis(5));
                    None
                })
            })
            .unwrap();
        check(&found);
        drop(stop);
        thread.unwrap().join().unwrap();
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_console_is_found_by_its_thread_and_its_name() {
        let me = std::process::id() as i32;
        let dir = std::env::temp_dir().join(format!("manhole-discover-{me}"));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join(format!("{me}.sock"));
        with_console(&path, |found| {
            assert_eq!((found.pid, found.inner_pid), (me, me));
            assert_eq!(found.paths, std::slice::from_ref(&path));
            assert_eq!(found.path_from_here().as_ref(), Some(&path));
            let survey = survey();
            assert!(survey.found.contains(found) && survey.processes > 1);
        });
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn default_directories_are_listed_as_the_process_sees_them() {
        let dir = PathBuf::from(format!("/tmp/manhole-{}-test", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let root = Root::ours().unwrap();
        assert!(directories(&root, None).contains(&dir));
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn the_first_runtime_directory_counts() {
        assert_eq!(
            first_of(Path::new("/run/a:/run/b")),
            Path::new("/run/a/manhole")
        );
    }
}
