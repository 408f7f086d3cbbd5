//! Where the socket goes by default, and what happens where it cannot go.

use crate::setup;
use manhole_tests::{
    procfs, text,
    users::{ALICE, become_user, root},
    victim::Victim,
    wait,
};
use std::path::Path;

fn jailed(script: &str) -> Victim {
    setup().jailed(script).start()
}

#[test]
fn root_listens_below_run_and_others_below_tmp() {
    if !root() {
        return;
    }
    let mut victim = jailed("true");
    victim.tell("install_default");
    assert_eq!(victim.socket().parent(), Some(Path::new("/run/manhole")));
    let mut victim = setup().jailed("true").by(become_user(ALICE, &[])).start();
    victim.tell("install_default");
    let own = format!("/tmp/manhole-{ALICE}");
    assert_eq!(victim.socket().parent(), Some(Path::new(&own)));
}

#[test]
fn a_read_only_root_leaves_shared_memory() {
    if !root() {
        return;
    }
    let mut victim = jailed("mount -o remount,ro /tmp && mount -o remount,ro /run");
    victim.tell("install_default");
    assert_eq!(
        victim.socket().parent(),
        Some(Path::new("/dev/shm/manhole-0"))
    );
    let mut victim = jailed(
        "umount /tmp && mount --bind / /mnt && mount -o remount,ro,bind / && mount -o remount,ro /run",
    );
    victim.tell("install_default");
    let path = victim.socket();
    assert!(
        path.starts_with("/dev/shm") || path.starts_with("/tmp"),
        "{}",
        path.display()
    );
}

#[test]
fn where_nothing_can_be_written_there_is_one_line_and_the_service_runs() {
    if !root() {
        return;
    }
    let nowhere =
        "mount -o remount,ro /tmp && mount -o remount,ro /run && mount -o remount,ro /dev/shm";
    let mut victim = jailed(nowhere);
    let status = victim.tell("install_default");
    assert!(status.starts_with("Failed("), "{status}");
    assert_eq!(victim.path(), None);
    let said = victim.stderr();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.starts_with("manhole: no console: ") && said.contains("/run/manhole"),
        "{said}"
    );
    assert!(
        said.to_lowercase().contains("read-only"),
        "it says why: {said}"
    );
    wait::until_true("nothing is left running", || {
        procfs::console_threads(victim.pid()).is_empty()
    });
    let mut victim = jailed(nowhere);
    let error = victim
        .ask("try_install default=1")
        .expect_err("nowhere to go");
    assert!(error.starts_with("Bind "), "{error}");
}

#[test]
fn without_tmp_it_goes_elsewhere_or_says_so() {
    if !root() {
        return;
    }
    let alice = |script: &str| setup().jailed(script).by(become_user(ALICE, &[])).start();
    let mut victim = alice("chmod 700 /tmp");
    victim.tell("install_default");
    let path = victim.socket();
    assert_eq!(
        path.parent(),
        Some(Path::new(&format!("/dev/shm/manhole-{ALICE}")))
    );
    let mut victim = alice("chmod 700 /tmp /dev/shm");
    let status = victim.tell("install_default");
    assert!(status.starts_with("Failed("), "{status}");
    assert_eq!(victim.tell("pid"), victim.pid().to_string(), "it lives");
}

#[test]
fn without_proc_the_console_answers_what_it_can() {
    if !root() {
        return;
    }
    let mut victim = setup()
        .unshared(&["--mount"], "mount -t tmpfs none /proc")
        .start();
    victim.install("");
    let socket = victim.socket();
    assert!(text::run(&socket, "version").starts_with("service"));
    for command in [
        "triage", "info", "threads", "memory", "fds", "limits", "cgroup", "maps", "env", "vars",
        "gc stats",
    ] {
        let reply = text::run(&socket, command);
        let code = text::code(&reply);
        assert!(
            matches!(code, None | Some("unsupported")),
            "{command}: {reply}"
        );
        assert!(!reply.is_empty(), "{command}");
    }
    assert_eq!(victim.status(), "Listening");
}
