//! What a descriptor is, from the text of its link in `/proc/self/fd`.

use crate::probe::procfs::lossless;

/// The kind of thing that a descriptor leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// A socket; which one is found by its inode.
    Socket,
    /// A file or directory: the name does not tell them apart.
    File,
    /// Something below `/dev`, or a terminal.
    Device,
    /// A pipe without a name.
    Pipe,
    /// eventfd: wakes somebody up.
    EventFd,
    /// epoll: waits for many descriptors.
    Epoll,
    /// timerfd.
    TimerFd,
    /// signalfd.
    SignalFd,
    /// inotify or fanotify: watches files.
    Watch,
    /// memfd: memory with a descriptor.
    MemFd,
    /// io_uring.
    IoUring,
    /// pidfd: a process.
    PidFd,
    /// A file of /proc or /sys.
    Kernel,
    /// A namespace.
    Namespace,
    /// Another kind without a name in the file system, named in [`Link::path`].
    Other,
}

impl Kind {
    /// The word in answers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Kind::Socket => "socket",
            Kind::File => "file",
            Kind::Device => "device",
            Kind::Pipe => "pipe",
            Kind::EventFd => "eventfd",
            Kind::Epoll => "epoll",
            Kind::TimerFd => "timer",
            Kind::SignalFd => "signalfd",
            Kind::Watch => "file watch",
            Kind::MemFd => "memfd",
            Kind::IoUring => "io_uring",
            Kind::PidFd => "pidfd",
            Kind::Kernel => "kernel file",
            Kind::Namespace => "namespace",
            Kind::Other => "other",
        }
    }
}

/// Where a descriptor leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// What it is.
    pub kind: Kind,
    /// The path of a file, the name of a memfd, the kernel's word for [`Kind::Other`].
    pub path: Option<String>,
    /// The inode of a socket or pipe.
    pub inode: Option<u64>,
    /// The file has no name any more.
    pub deleted: bool,
}

impl Link {
    /// The inode of a socket; of nothing else, for the tables of sockets cost milliseconds.
    pub(crate) fn socket(&self) -> Option<u64> {
        self.inode.filter(|_| self.kind == Kind::Socket)
    }

    /// Parses `socket:[123]`, `anon_inode:[eventpoll]`, `/var/log/x (deleted)` and their like.
    pub(crate) fn parse(target: &[u8]) -> Self {
        let text = lossless(target);
        if text.starts_with('/') {
            return Self::path(&text);
        }
        let (class, rest) = text.split_once(':').unwrap_or((text.as_str(), ""));
        let name = rest.trim_start_matches('[').trim_end_matches(']');
        let kind = match class {
            "socket" => Kind::Socket,
            "pipe" => Kind::Pipe,
            "pidfd" => Kind::PidFd,
            "anon_inode" => anonymous(name),
            "net" | "mnt" | "pid" | "user" | "uts" | "ipc" | "cgroup" | "time" => Kind::Namespace,
            _ => Kind::Other,
        };
        let named = matches!(kind, Kind::Other | Kind::Namespace);
        let word = if class == "anon_inode" { name } else { class };
        Self {
            kind,
            path: named.then(|| word.to_owned()),
            inode: name.parse().ok(),
            deleted: false,
        }
    }

    fn path(text: &str) -> Self {
        let (path, deleted) = match text.strip_suffix(" (deleted)") {
            Some(path) => (path, true),
            None => (text, false),
        };
        let (kind, path, deleted) = match path.strip_prefix("/memfd:") {
            // A memfd never had a name: that it is "deleted" says nothing.
            Some(name) => (Kind::MemFd, name, false),
            None => (kind_of_path(path), path, deleted),
        };
        Self {
            kind,
            path: Some(path.to_owned()),
            inode: None,
            deleted,
        }
    }
}

fn anonymous(name: &str) -> Kind {
    match name {
        "eventfd" => Kind::EventFd,
        "eventpoll" => Kind::Epoll,
        "timerfd" => Kind::TimerFd,
        "signalfd" => Kind::SignalFd,
        "inotify" | "fanotify" => Kind::Watch,
        "io_uring" => Kind::IoUring,
        "pidfd" => Kind::PidFd,
        _ => Kind::Other,
    }
}

fn kind_of_path(path: &str) -> Kind {
    let below = |root: &str| {
        path.strip_prefix(root)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    match path {
        // Shared memory and message queues have their place under /dev, and are files.
        _ if below("/dev/shm") || below("/dev/mqueue") => Kind::File,
        _ if below("/dev") => Kind::Device,
        _ if below("/proc") || below("/sys") => Kind::Kernel,
        _ => Kind::File,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(target: &str, kind: Kind, path: Option<&str>, inode: Option<u64>, deleted: bool) {
        let expected = Link {
            kind,
            path: path.map(str::to_owned),
            inode,
            deleted,
        };
        assert_eq!(Link::parse(target.as_bytes()), expected, "{target}");
    }

    #[test]
    fn links_tell_what_they_lead_to() {
        check("socket:[12445]", Kind::Socket, None, Some(12445), false);
        check("pipe:[7]", Kind::Pipe, None, Some(7), false);
        check("anon_inode:[eventpoll]", Kind::Epoll, None, None, false);
        check("anon_inode:inotify", Kind::Watch, None, None, false);
        check("anon_inode:[pidfd]", Kind::PidFd, None, None, false);
        check("pidfd:[9]", Kind::PidFd, None, Some(9), false);
        check(
            "anon_inode:bpf-map",
            Kind::Other,
            Some("bpf-map"),
            None,
            false,
        );
        check(
            "net:[4026531840]",
            Kind::Namespace,
            Some("net"),
            Some(4_026_531_840),
            false,
        );
    }

    #[test]
    fn only_sockets_are_looked_up_among_sockets() {
        let check = |target: &str, expected: Option<u64>| {
            assert_eq!(
                Link::parse(target.as_bytes()).socket(),
                expected,
                "{target}"
            );
        };
        check("socket:[12445]", Some(12445));
        check("pipe:[7]", None);
        check("net:[4026531840]", None);
        check("/dev/null", None);
    }

    #[test]
    fn paths_are_files_devices_or_memory() {
        check(
            "/var/log/x.log",
            Kind::File,
            Some("/var/log/x.log"),
            None,
            false,
        );
        check(
            "/var/log/x.log (deleted)",
            Kind::File,
            Some("/var/log/x.log"),
            None,
            true,
        );
        check(
            "/memfd:ring (deleted)",
            Kind::MemFd,
            Some("ring"),
            None,
            false,
        );
        check("/dev/null", Kind::Device, Some("/dev/null"), None, false);
        check(
            "/dev/shm/sem.x",
            Kind::File,
            Some("/dev/shm/sem.x"),
            None,
            false,
        );
        check("/device", Kind::File, Some("/device"), None, false);
        check(
            "/proc/7/stat",
            Kind::Kernel,
            Some("/proc/7/stat"),
            None,
            false,
        );
    }

    #[test]
    fn odd_links_are_other() {
        check("", Kind::Other, Some(""), None, false);
        check("dmabuf:x", Kind::Other, Some("dmabuf"), None, false);
        assert_eq!(Link::parse(b"/\xff").path.as_deref(), Some("/\\xff"));
    }
}
