//! Which container a process runs in, as far as /proc tells: every common runtime writes the
//! container's id, 64 hexadecimal digits, into the cgroup's path or into the mounts.

use std::path::Path;

use super::{proc, rooted::Root};

/// A container or another set of namespaces that is not ours.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Container {
    /// The runtime's id, 64 hexadecimal digits; `None` for bare namespaces.
    pub id: Option<String>,
    /// The name of the pod, where the cgroup says that it is one.
    pub pod: Option<String>,
}

impl Container {
    /// The start of the id that runtimes show in their lists.
    pub fn short_id(&self) -> Option<&str> {
        self.id.as_deref().and_then(|id| id.get(..12))
    }
}

/// The container of `pid`; `None` when it lives where we do.
pub fn of(pid: i32) -> Option<Container> {
    let read = |pid: i32, file| proc::read(pid, file).unwrap_or_default();
    let cgroup = read(pid, "cgroup");
    let id = find_id(&cgroup).or_else(|| find_id_in_mounts(&read(pid, "mountinfo")));
    let elsewhere = differs(pid, "mnt") || differs(pid, "pid");
    // In a container ourselves we share its id with all our neighbours: that is no news.
    let ours = || {
        let me = std::process::id() as i32;
        find_id(&read(me, "cgroup")).or_else(|| find_id_in_mounts(&read(me, "mountinfo")))
    };
    let id = id.filter(|id| elsewhere || ours().as_ref() != Some(id));
    if id.is_none() && !elsewhere {
        return None;
    }
    let pod = String::from_utf8_lossy(&cgroup)
        .contains("kubepods")
        .then(|| hostname(pid))
        .flatten();
    Some(Container { id, pod })
}

fn differs(pid: i32, kind: &str) -> bool {
    let theirs = proc::namespace(pid, kind);
    theirs.is_some() && theirs != proc::namespace("self", kind)
}

/// In a pod the host name is the pod's name.
fn hostname(pid: i32) -> Option<String> {
    let root = Root::of(proc::Pinned::new(pid).ok()?.dir()).ok()?;
    let name = super::safe_name(root.small_file(Path::new("/etc/hostname"))?.trim());
    (!name.is_empty()).then_some(name)
}

/// The id in `/proc/PID/cgroup`: the innermost path component that ends with one, as in
/// `docker-<id>.scope`, `cri-containerd-<id>.scope`, `libpod-<id>.scope`, `/docker/<id>`.
fn find_id(cgroup: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(cgroup);
    let mut ids = text.lines().filter_map(|line| {
        let path = line.splitn(3, ':').nth(2)?;
        path.rsplit('/').find_map(id_at_end)
    });
    ids.next()
}

fn id_at_end(component: &str) -> Option<String> {
    let name = component.strip_suffix(".scope").unwrap_or(component);
    let id = name.rsplit(['-', ':']).next()?;
    is_id(id).then(|| id.to_owned())
}

/// With a cgroup namespace the path says nothing; the files that the runtime mounts from the host
/// (`/etc/hostname`, `/etc/resolv.conf`) still do.
fn find_id_in_mounts(mountinfo: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(mountinfo);
    let mut ids = text.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(3);
        let (root, at) = (words.next()?, words.next()?);
        if !at.starts_with("/etc/") {
            return None;
        }
        root.split('/').find(|part| is_id(part)).map(str::to_owned)
    });
    ids.next()
}

fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "9f3a1c0000000000000000000000000000000000000000000000000000000abc";

    #[test]
    fn every_common_runtime_is_recognised() {
        for path in [
            format!("/system.slice/docker-{ID}.scope"),
            format!("/docker/{ID}"),
            format!("/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope"),
            format!("/kubepods/besteffort/pod1/{ID}"),
            format!("/user.slice/user-1000.slice/libpod-{ID}.scope/container"),
            format!("/kubepods-pod1.slice:cri-containerd:{ID}"),
            format!("/../../crio-{ID}.scope"),
        ] {
            let cgroup = format!("12:cpu:/\n0::{path}\n");
            assert_eq!(find_id(cgroup.as_bytes()).as_deref(), Some(ID), "{path}");
        }
        assert_eq!(find_id(b"0::/system.slice/checkout.service\n"), None);
        assert_eq!(
            find_id(b"4:memory:/api/61a2c32ad99055046cc6d53c8be40c38\n"),
            None
        );
    }

    #[test]
    fn mounts_tell_when_the_cgroup_does_not() {
        let line = |at: &str| {
            format!(
                "700 650 254:1 /var/lib/docker/containers/{ID}/hostname {at} rw - ext4 /dev/vda1 rw\n"
            )
        };
        assert_eq!(
            find_id_in_mounts(line("/etc/hostname").as_bytes()).as_deref(),
            Some(ID)
        );
        // The host itself sees such paths too, but elsewhere.
        assert_eq!(find_id_in_mounts(line("/mnt/backup").as_bytes()), None);
    }

    #[test]
    fn we_are_in_no_container_of_our_own() {
        assert_eq!(of(std::process::id() as i32), None);
    }
}
