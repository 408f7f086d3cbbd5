//! Who this process is: program, command line, age, user, container; and whether the console's
//! threads are still what the process is.
//!
//! About ten small files, 0.1 ms.

use super::{
    clock,
    procfs::{bytes, field, field_number, line, lossless, text},
    threads::Stat,
};
use std::{fs, sync::OnceLock};

/// Facts about the process that hardly change.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Identity {
    /// The program's file; " (deleted)" behind it when it was replaced since the start.
    pub executable: Option<String>,
    /// Words of the command line, unmasked.
    pub command_line: Vec<String>,
    /// How long the process has been running, in nanoseconds.
    pub age_ns: Option<u64>,
    /// Its pids, from the outermost namespace that can be seen to its own.
    pub pids: Vec<u32>,
    /// What it runs in, as far as that shows.
    pub container: Option<Container>,
    /// The application's thread `main`.
    pub leader: Credentials,
    /// The thread that asks: one of the console's.
    pub own: Credentials,
}

/// A hint at a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Container {
    /// Who made it: "docker", "podman", "kubernetes", "systemd-nspawn".
    pub maker: &'static str,
    /// Its id, as far as it is known.
    pub id: Option<String>,
}

/// What a thread may do: fixed for each thread apart, though programs think of the process.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Credentials {
    /// Effective user id.
    pub uid: Option<u32>,
    /// Effective group id.
    pub gid: Option<u32>,
    /// Effective capabilities, a bit each.
    pub capabilities: Option<u64>,
    /// Seccomp: 0 off, 1 strict, 2 filtered.
    pub seccomp: Option<u32>,
    /// Number of its seccomp filters; since Linux 5.9.
    pub seccomp_filters: Option<u32>,
    /// It can gain no privileges by exec.
    pub no_new_privileges: Option<bool>,
}

impl Identity {
    /// Reads everything; 0.1 ms.
    pub(crate) fn read() -> Self {
        let leader = text("/proc/self/status").unwrap_or_default();
        let own = text("/proc/thread-self/status").unwrap_or_default();
        Self {
            executable: fs::read_link("/proc/thread-self/exe")
                .ok()
                .map(|path| path.to_string_lossy().into_owned()),
            command_line: command_line(),
            age_ns: age_ns(),
            pids: field(&leader, "NSpid").map(parse_pids).unwrap_or_default(),
            container: Container::find(),
            leader: Credentials::parse(&leader),
            own: Credentials::parse(&own),
        }
    }
}

/// How long the process has been running, in nanoseconds: 10 us.
pub(crate) fn age_ns() -> Option<u64> {
    clock::age_ns(Stat::parse(&bytes("/proc/self/stat")?)?.start_ticks)
}

/// The words of the command line, unmasked, as they were at the first look; empty when they cannot be
/// read.
///
/// Read once: the kernel takes the lock of the memory map for it, which a thread of the host may be stuck
/// with when somebody asks.
pub(crate) fn command_line() -> Vec<String> {
    static WORDS: OnceLock<Vec<String>> = OnceLock::new();
    WORDS.get_or_init(read_command_line).clone()
}

fn read_command_line() -> Vec<String> {
    let content = bytes("/proc/thread-self/cmdline").unwrap_or_default();
    let content = content.strip_suffix(b"\0").unwrap_or(&content);
    match content.is_empty() {
        true => Vec::new(),
        false => content.split(|byte| *byte == 0).map(lossless).collect(),
    }
}

fn parse_pids(text: &str) -> Vec<u32> {
    text.split_ascii_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

impl Credentials {
    /// Of the application's thread `main`; 10 us.
    pub(crate) fn of_leader() -> Self {
        Self::parse(&text("/proc/self/status").unwrap_or_default())
    }

    /// Of a thread of this process; 10 us.
    pub(crate) fn of_thread(tid: u32) -> Self {
        Self::parse(&text(format!("/proc/self/task/{tid}/status")).unwrap_or_default())
    }

    /// Parses a `status` file. Its ids are real, effective, saved, file system.
    pub(crate) fn parse(status: &str) -> Self {
        let effective = |name| {
            field(status, name)?
                .split_ascii_whitespace()
                .nth(1)?
                .parse()
                .ok()
        };
        let capabilities = field(status, "CapEff");
        Self {
            uid: effective("Uid"),
            gid: effective("Gid"),
            capabilities: capabilities.and_then(|mask| u64::from_str_radix(mask, 16).ok()),
            seccomp: field_number(status, "Seccomp"),
            seccomp_filters: field_number(status, "Seccomp_filters"),
            no_new_privileges: field_number::<u8>(status, "NoNewPrivs").map(|set| set != 0),
        }
    }

    /// What differs from `other`, a word each: "uid", "capabilities", "seccomp". What is not known on
    /// one side does not differ.
    pub(crate) fn differences(&self, other: &Self) -> Vec<&'static str> {
        fn differ<T: PartialEq>(a: &Option<T>, b: &Option<T>) -> bool {
            a.is_some() && b.is_some() && a != b
        }
        let seccomp = differ(&self.seccomp, &other.seccomp)
            || differ(&self.seccomp_filters, &other.seccomp_filters);
        let found = [
            (differ(&self.uid, &other.uid), "uid"),
            (differ(&self.gid, &other.gid), "gid"),
            (
                differ(&self.capabilities, &other.capabilities),
                "capabilities",
            ),
            (seccomp, "seccomp"),
        ];
        let differing = found.into_iter().filter(|(differs, _)| *differs);
        differing.map(|(_, name)| name).collect()
    }
}

impl Container {
    fn find() -> Option<Self> {
        let groups = text("/proc/thread-self/cgroup").unwrap_or_default();
        let marker = |path: &str| fs::symlink_metadata(path).is_ok();
        let maker = match () {
            _ if marker("/run/secrets/kubernetes.io") => Some("kubernetes"),
            _ if marker("/run/.containerenv") => Some("podman"),
            _ if marker("/.dockerenv") => Some("docker"),
            _ => line("/run/systemd/container").map(|_| "systemd-nspawn"),
        };
        Self::parse(&groups, maker)
    }

    /// From the names of the cgroups, and the maker as files betray it.
    fn parse(groups: &str, maker: Option<&'static str>) -> Option<Self> {
        let makers = [
            ("kubepods", "kubernetes"),
            ("libpod", "podman"),
            ("docker", "docker"),
            ("containerd", "containerd"),
            ("lxc", "lxc"),
        ];
        let by_name = || {
            makers
                .iter()
                .find(|(word, _)| groups.contains(word))
                .map(|(_, maker)| *maker)
        };
        let id = groups
            .split(['/', '-', '.', ':', '\n'])
            .find(|part| part.len() == 64 && part.chars().all(|c| c.is_ascii_hexdigit()));
        Some(Self {
            maker: maker.or_else(by_name)?,
            id: id.map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tx\nUid:\t0\t1003\t0\t0\nGid:\t0\t4\t0\t0\nNSpid:\t4711\t12\t1\n\
        CapEff:\t000001fffeffffff\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\n";

    #[test]
    fn effective_ids_and_sandbox_are_read() {
        let credentials = Credentials::parse(STATUS);
        assert_eq!((credentials.uid, credentials.gid), (Some(1003), Some(4)));
        assert_eq!(credentials.capabilities, Some(0x1ff_feff_ffff));
        assert_eq!(
            (credentials.seccomp, credentials.seccomp_filters),
            (Some(2), Some(3))
        );
        assert_eq!(credentials.no_new_privileges, Some(true));
        assert_eq!(parse_pids("4711\t12\t1"), [4711, 12, 1]);
    }

    #[test]
    fn only_what_is_known_on_both_sides_differs() {
        let full = Credentials::parse(STATUS);
        assert_eq!(full.differences(&full), Vec::<&str>::new());
        assert_eq!(
            full.differences(&Credentials::default()),
            Vec::<&str>::new()
        );
        let other = Credentials {
            uid: Some(0),
            seccomp_filters: Some(1),
            ..full.clone()
        };
        assert_eq!(full.differences(&other), ["uid", "seccomp"]);
    }

    #[test]
    fn containers_show_in_their_cgroups() {
        let id = "9f3a1c".repeat(11)[..64].to_owned();
        let check =
            |groups: String, maker: Option<&'static str>, expected: Option<(&str, bool)>| {
                let found = Container::parse(&groups, maker);
                let found = found.as_ref().map(|c| (c.maker, c.id.is_some()));
                assert_eq!(found, expected, "{groups}");
            };
        check(
            format!("0::/system.slice/docker-{id}.scope\n"),
            None,
            Some(("docker", true)),
        );
        check(
            format!("0::/kubepods.slice/x/cri-containerd-{id}.scope\n"),
            None,
            Some(("kubernetes", true)),
        );
        check("0::/\n".into(), Some("docker"), Some(("docker", false)));
        check("0::/user.slice\n".into(), None, None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_knows_itself() {
        let identity = Identity::read();
        assert!(identity.executable.unwrap().contains("manhole"));
        assert!(!identity.command_line.is_empty());
        assert_eq!(identity.pids.last(), Some(&std::process::id()));
        assert!(identity.age_ns.unwrap() < 3_600_000_000_000);
        assert_eq!(
            identity.leader.differences(&identity.own),
            Vec::<&str>::new()
        );
    }
}
