//! Consoles in containers: other pids, other mounts, other users.

use crate::setup;
use manhole_tests::{
    text,
    users::{ALICE, become_user, root},
    victim::{self, Victim},
    wait,
};
use std::path::{Path, PathBuf};

/// A victim that is pid 1 of its own pid namespace, with its own mounts.
pub(crate) fn container() -> Victim {
    let mounts = "mount -t proc proc /proc && mount -t tmpfs -o mode=1777 tmp /tmp && mount -t tmpfs run /run";
    let mut victim = setup()
        .unshared(&["--mount", "--pid", "--fork", "--kill-child"], mounts)
        .start();
    victim.tell("install_default");
    victim
}

/// The container's first process as we number it: the only child of `unshare`.
pub(crate) fn first_process(victim: &Victim) -> u32 {
    let children = format!("task/{0}/children", victim.pid());
    wait::until("the container's first process", || {
        let children = manhole_tests::procfs::read(victim.pid(), &children)?;
        children.split_whitespace().next()?.parse().ok()
    })
}

/// The path by which the host reaches what `pid` calls `path`.
pub(crate) fn below_root(pid: u32, path: &Path) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/root"))
        .join(path.strip_prefix("/").expect("an absolute path"))
}

#[test]
fn a_console_in_a_container_is_named_by_its_own_pid_and_reached_from_the_host() {
    if !root() {
        return;
    }
    let mut victim = container();
    let path = victim.socket();
    assert_eq!(path, Path::new("/run/manhole/1.sock"));
    let pid = first_process(&victim);
    let socket = below_root(pid, &path);
    assert_eq!(victim::pid_behind(&socket), pid);
    let version = text::run(&socket, "version");
    assert!(version.contains("pid         1\n"), "{version}");
    assert!(text::run(&socket, "triage").starts_with("# triage victim[1] "));
}

#[test]
fn two_containers_that_share_a_directory_do_not_take_each_others_name() {
    if !root() {
        return;
    }
    let shared = manhole_tests::scratch::Scratch::new();
    let dir = format!("dir={}", shared.path().display());
    let start = || {
        let mounts = "mount -t proc proc /proc";
        let mut victim = setup()
            .unshared(&["--mount", "--pid", "--fork", "--kill-child"], mounts)
            .start();
        victim.tell(&format!("install {dir}"));
        victim
    };
    let (mut one, mut other) = (start(), start());
    let (first, second) = (one.socket(), other.socket());
    assert_eq!(first, shared.join("1.sock"));
    assert_ne!(first, second, "both are pid 1");
    assert_eq!(victim::pid_behind(&first), first_process(&one));
    assert_eq!(victim::pid_behind(&second), first_process(&other));
}

/// The same, made by Alice without any rights of root's.
pub(crate) fn rootless() -> Victim {
    let mounts = "mount -t proc proc /proc && mount -t tmpfs -o mode=1777 tmp /tmp && mount -t tmpfs run /run";
    let namespaces = [
        "--mount",
        "--map-root-user",
        "--pid",
        "--fork",
        "--kill-child",
    ];
    let mut victim = setup().as_user(ALICE).unshared(&namespaces, mounts).start();
    victim.tell("install_default");
    victim
}

#[test]
fn a_rootless_container_has_a_console_for_its_owner() {
    if !root() {
        return;
    }
    let mut victim = rootless();
    let path = victim.socket();
    let socket = below_root(first_process(&victim), &path);
    let nc = manhole_tests::peers::Peer::new(["nc.openbsd", "-U"]).arg(&socket);
    let outcome = nc.by(&become_user(ALICE, &[])).run("version\n");
    assert!(
        outcome.text().contains("your level  control"),
        "{outcome:?}"
    );
}
