//! Where the process's cgroup lies in the file system: `/proc/thread-self/cgroup` names the group,
//! `/proc/thread-self/mountinfo` says where its hierarchy can be seen. (Ours rather than the leader's:
//! we are the ones who open the paths, and a leader that has ended is in no group.)
//!
//! Outside containers the mount's root is `/` and the name is a path below the mount. In a container
//! without its own cgroup namespace the mount's root is the container's group, and the name starts
//! with it. With a namespace both are `/`. A name that starts with `/..` lies outside what we may
//! see; then nothing is known, rather than the wrong group's figures.

use super::Dir;
use crate::probe::procfs::{lossless, open, text};
use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

/// The directories of the controllers that we read.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Place {
    /// Version 2's directory, also where only pressure is to be found (mixed set-ups).
    pub unified: Option<Dir>,
    /// Memory controller.
    pub memory: Option<Dir>,
    /// Processor controller.
    pub cpu: Option<Dir>,
    /// Processor accounting, version 1 only.
    pub cpuacct: Option<Dir>,
    /// Counter of processes.
    pub pids: Option<Dir>,
    /// The memory controller's group by its name, a path.
    pub path: Option<String>,
}

impl Place {
    /// Finds the process's group now: a process can be moved.
    pub(crate) fn find(mounts: &Mounts) -> Self {
        match text("/proc/thread-self/cgroup") {
            Some(groups) => Self::resolve(&groups, mounts),
            None => Self::default(),
        }
    }

    /// Joins the two files.
    pub(crate) fn resolve(groups: &str, mounts: &Mounts) -> Self {
        let v2_path = groups.lines().find_map(|line| line.strip_prefix("0::"));
        let unified = v2_path
            .zip(mounts.v2.as_ref())
            .and_then(|(path, mount)| mount.dir(path, true));
        let v1_path = |controller: &str| {
            groups.lines().find_map(|line| {
                let mut parts = line.splitn(3, ':').skip(1);
                let names = parts.next()?;
                let path = parts.next()?;
                names
                    .split(',')
                    .any(|name| name == controller)
                    .then_some(path)
            })
        };
        // A controller belongs to one hierarchy; version 1's file names it when it is there.
        let controller = |name: &str| match v1_path(name) {
            Some(path) => mounts.v1(name)?.dir(path, false),
            None => unified.clone(),
        };
        Self {
            memory: controller("memory"),
            cpu: controller("cpu"),
            cpuacct: v1_path("cpuacct").and_then(|path| mounts.v1("cpuacct")?.dir(path, false)),
            pids: controller("pids"),
            path: v1_path("memory").or(v2_path).map(str::to_owned),
            unified,
        }
    }

    /// 1 when memory is under version 1, 2 when it is under version 2.
    pub(crate) fn version(&self) -> Option<u8> {
        let dir = self.memory.as_ref().or(self.unified.as_ref())?;
        Some(if dir.v2 { 2 } else { 1 })
    }
}

/// The cgroup hierarchies that are mounted.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Mounts {
    /// Version 2.
    pub v2: Option<Mount>,
    /// Version 1: controllers, separated by commas, and where.
    pub v1: Vec<(String, Mount)>,
}

/// One mount of a hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// The group that is at the mount point.
    pub root: String,
    /// Where.
    pub point: PathBuf,
}

impl Mount {
    /// The directory of the group `path`; `None` when it is not below this mount.
    fn dir(&self, path: &str, v2: bool) -> Option<Dir> {
        let below = match self.root.as_str() {
            "/" => path,
            root => path
                .strip_prefix(root)
                .filter(|rest| rest.is_empty() || rest.starts_with('/'))?,
        };
        if below.split('/').any(|part| part == "..") {
            return None;
        }
        let below = below.trim_start_matches('/');
        let path = match below.is_empty() {
            true => self.point.clone(),
            false => self.point.join(below),
        };
        Some(Dir {
            path,
            mount: self.point.clone(),
            v2,
        })
    }
}

impl Mounts {
    /// Reads `mountinfo`, line by line: it is long on hosts of many containers. 50 us in a
    /// container, a millisecond for a thousand mounts.
    pub(crate) fn read() -> Self {
        let mut mounts = Self::default();
        if let Some(file) = open("/proc/thread-self/mountinfo") {
            let lines = BufReader::new(file).split(b'\n');
            lines
                .map_while(Result::ok)
                .for_each(|line| mounts.add(&lossless(&line)));
        }
        mounts
    }

    /// Parses the text of `mountinfo`.
    #[cfg(test)]
    pub(crate) fn parse(text: &str) -> Self {
        let mut mounts = Self::default();
        text.lines().for_each(|line| mounts.add(line));
        mounts
    }

    fn add(&mut self, line: &str) {
        let Some((kind, mount, options)) = parse_mount(line) else {
            return;
        };
        match kind {
            "cgroup2" if self.v2.is_none() => self.v2 = Some(mount),
            "cgroup" => self.v1.push((options.to_owned(), mount)),
            _ => {}
        }
    }

    fn v1(&self, controller: &str) -> Option<&Mount> {
        let has = |options: &str| options.split(',').any(|name| name == controller);
        self.v1
            .iter()
            .find(|(options, _)| has(options))
            .map(|(_, mount)| mount)
    }
}

/// Kind, mount and the options of the file system out of a line of `mountinfo`:
/// `31 23 0:26 ROOT POINT rw,relatime shared:4 - KIND SOURCE OPTIONS`.
fn parse_mount(line: &str) -> Option<(&str, Mount, &str)> {
    let (left, right) = line.split_once(" - ")?;
    let mut right = right.split(' ');
    let kind = right.next()?;
    if !kind.starts_with("cgroup") {
        return None;
    }
    let mut left = left.split(' ').skip(3);
    let mount = Mount {
        root: unescape(left.next()?),
        point: Path::new(&unescape(left.next()?)).to_owned(),
    };
    Some((kind, mount, right.nth(1).unwrap_or("")))
}

/// Undoes `\040` and its like: blank, tab, newline and backslash are written as octal numbers.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let code = after
            .get(..3)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code.filter(u8::is_ascii) {
            Some(code) => {
                out.push(char::from(code));
                rest = after.get(3..).unwrap_or("");
            }
            None => {
                out.push('\\');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const V2: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n\
                      22 1 0:21 / /proc rw - proc proc rw\n";
    const V1: &str = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                      35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

    fn dir(dir: &Option<Dir>) -> Option<&str> {
        dir.as_ref().and_then(|dir| dir.path.to_str())
    }

    fn check(
        mountinfo: &str,
        groups: &str,
        version: Option<u8>,
        memory: Option<&str>,
        cpu: Option<&str>,
    ) {
        let place = Place::resolve(groups, &Mounts::parse(mountinfo));
        assert_eq!(place.version(), version, "{groups}");
        assert_eq!(dir(&place.memory), memory, "{groups}");
        assert_eq!(dir(&place.cpu), cpu, "{groups}");
    }

    #[test]
    fn version_2_is_one_directory() {
        let own = Some("/sys/fs/cgroup/system.slice/checkout.service");
        check(V2, "0::/system.slice/checkout.service\n", Some(2), own, own);
        check(
            V2,
            "0::/\n",
            Some(2),
            Some("/sys/fs/cgroup"),
            Some("/sys/fs/cgroup"),
        );
    }

    #[test]
    fn version_1_has_a_directory_for_each_controller() {
        let groups = "4:memory:/a\n2:cpu,cpuacct:/b\n1:name=systemd:/c\n0::/d\n";
        check(
            V1,
            groups,
            Some(1),
            Some("/sys/fs/cgroup/memory/a"),
            Some("/sys/fs/cgroup/cpu,cpuacct/b"),
        );
        let place = Place::resolve(groups, &Mounts::parse(V1));
        assert_eq!(dir(&place.unified), Some("/sys/fs/cgroup/unified/d"));
        assert_eq!(place.path.as_deref(), Some("/a"));
    }

    #[test]
    fn a_container_without_its_own_namespace_sees_its_group_as_the_mount() {
        let mountinfo =
            "35 31 0:32 /docker/9f3a /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        check(
            mountinfo,
            "4:memory:/docker/9f3a\n",
            Some(1),
            Some("/sys/fs/cgroup/memory"),
            None,
        );
        check(
            mountinfo,
            "4:memory:/docker/9f3a/x\n",
            Some(1),
            Some("/sys/fs/cgroup/memory/x"),
            None,
        );
        check(mountinfo, "4:memory:/docker/9f3abc\n", None, None, None);
    }

    #[test]
    fn a_group_outside_of_what_is_visible_is_unknown() {
        check(V2, "0::/../../other\n", None, None, None);
        check("", "0::/a\n", None, None, None);
        check(V2, "", None, None, None);
        check("garbage\n - \n1 2 - cgroup2\n", "0::/a\n", None, None, None);
    }

    #[test]
    fn blanks_in_paths_are_unescaped() {
        assert_eq!(unescape(r"/a\040b\134c\0"), r"/a b\c\0");
    }
}
