//! The environment: parsed, never evaluated; off means off.

use crate::setup;
use manhole_tests::{
    procfs,
    scratch::Scratch,
    users::{ALICE, level_of, me, root},
    victim::{self, Victim},
    wait,
};
use nix::sys::signal::Signal;
use std::{fs, path::Path};

/// Requires that there is no trace of a console: no thread, no descriptor, no file.
fn nothing(victim: &mut Victim, before: usize) {
    assert!(procfs::console_threads(victim.pid()).is_empty());
    assert_eq!(
        procfs::fds(victim.pid(), victim.pid()).len(),
        before,
        "descriptors"
    );
    assert!(!victim.dir().join("console").exists());
    assert_eq!(victim.path(), None);
}

#[test]
fn off_is_off_with_no_thread_descriptor_or_file() {
    for value in ["off", "0", "false", "no"] {
        let mut victim = setup().env("MANHOLE", value).start();
        victim.tell("register good");
        victim.tell("variables good");
        let before = procfs::fds(victim.pid(), victim.pid()).len();
        let dir = victim.dir().join("console");
        let status = victim.tell(&format!("install dir={}", dir.display()));
        assert!(status.starts_with("Disabled("), "{value}: {status}");
        nothing(&mut victim, before);
        assert_eq!(victim.stderr(), "", "whoever switched it off knows");
        let error = victim
            .ask(&format!("try_install dir={}", dir.display()))
            .expect_err("it is off");
        assert!(
            error.starts_with("Disabled ") || error.starts_with("AlreadyInstalled "),
            "{error}"
        );
    }
}

#[test]
fn a_value_that_is_not_understood_is_taken_for_off_and_said() {
    let mut victim = setup().env("MANHOLE", "$(reboot)").start();
    let before = procfs::fds(victim.pid(), victim.pid()).len();
    let dir = victim.dir().join("console");
    let status = victim.tell(&format!("install dir={}", dir.display()));
    assert!(status.starts_with("Disabled("), "{status}");
    nothing(&mut victim, before);
    assert!(victim.stderr().contains("$(reboot)"), "{}", victim.stderr());
}

#[test]
fn a_directory_can_be_given() {
    let dir = Scratch::new();
    let mut victim = setup().env("MANHOLE_DIR", dir.path()).start();
    victim.tell("install_default");
    let path = victim.socket();
    assert_eq!(path, dir.join(format!("{}.sock", victim.pid())));
}

#[test]
fn the_service_managers_directory_comes_before_the_defaults() {
    let dir = Scratch::new();
    let list = format!("{}:/nonexistent", dir.path().display());
    let mut victim = setup().env("RUNTIME_DIRECTORY", list).start();
    victim.tell("install_default");
    assert_eq!(
        victim.socket().parent(),
        Some(dir.join("manhole").as_path())
    );
}

#[test]
fn the_level_can_be_capped_but_not_raised() {
    for (cap, options, expected) in [
        ("view", "", "view"),
        ("inspect", "max_level=control", "inspect"),
        ("control", "max_level=view", "view"),
        ("root", "", "view"),
    ] {
        let mut victim = setup().env("MANHOLE_MAX_LEVEL", cap).install_with(options);
        assert_eq!(
            level_of(me(), &[], &victim.socket()),
            expected,
            "{cap} {options}"
        );
    }
}

#[test]
fn a_dormant_console_awakes_by_its_signal() {
    let mut victim = setup().start();
    let dir = victim.dir().join("console");
    let install = format!("install activate_on=usr2 dir={}", dir.display());
    assert_eq!(victim.tell(&install), "Dormant");
    assert!(!dir.exists(), "no file before");
    victim.signal(Signal::SIGUSR2);
    let path = victim.socket();
    assert!(victim::accepts(&path));
    victim.signal(Signal::SIGUSR2);
    assert_eq!(victim.status(), "Listening", "once more changes nothing");

    victim.tell("shutdown");
    assert_eq!(victim.tell(&install), "Dormant");
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(
        victim.status(),
        "Dormant",
        "the earlier signals are done with"
    );
    assert_eq!(
        victim.tell("shutdown"),
        "Closed",
        "and one that sleeps can be shut down"
    );
}

#[test]
fn on_awakes_what_the_builder_made_dormant() {
    let mut victim = setup()
        .env("MANHOLE", "on")
        .install_with("activate_on=usr2");
    assert!(victim::accepts(&victim.socket()));
}

#[test]
fn a_path_can_be_given() {
    let dir = Scratch::new();
    let path = dir.join("its-own-name");
    let mut victim = setup().start();
    victim.tell(&format!("install path={}", path.display()));
    assert_eq!(victim.socket(), path);
    assert!(victim::accepts(&path));
    victim.order("exit 0");
    victim.wait();
    assert!(!path.exists());
    // A path that is too long for a socket is an error that says so, not a truncated name.
    let mut other = setup().start();
    let long = dir.join("x".repeat(120));
    let error = other
        .ask(&format!("try_install path={}", long.display()))
        .expect_err("too long");
    assert!(
        error.starts_with("Bind ") && error.contains("107"),
        "{error}"
    );
}

#[test]
fn a_listener_can_be_given() {
    let dir = Scratch::new();
    let path = dir.join("listener");
    let mut victim = setup().start();
    victim.tell(&format!("install listener={}", path.display()));
    wait::until_true("it answers", || {
        victim::accepts(&path) && manhole_tests::text::run(&path, "version").starts_with("service")
    });
    let own = procfs::fds(victim.pid(), victim.pid());
    assert!(
        !own.iter()
            .any(|fd| fd.to_string_lossy().starts_with("socket:")),
        "{own:?}"
    );
    victim.order("exit 0");
    victim.wait();
    assert!(
        path.exists(),
        "a socket that others made is theirs to remove"
    );
}

#[test]
fn a_set_uid_program_does_not_listen_where_its_caller_says() {
    if !root() {
        return;
    }
    // Run by Alice, belonging to root: the environment is hers, the rights are not.
    let script = "cp \"$1\" /run/victim && chmod 4755 /run/victim && mkdir -m 777 /run/hers && shift && set -- \"$@\" /run/victim";
    let alice = manhole_tests::users::become_user(ALICE, &[]).join(" ");
    let mut victim = setup()
        .env("MANHOLE_DIR", "/run/hers")
        .env("MANHOLE", "on")
        .env("RUNTIME_DIRECTORY", "/run/hers")
        .jailed(&script.replace("shift && set -- \"$@\"", &format!("set -- {alice}")))
        .start();
    victim.tell("install default=1");
    let path = victim.socket();
    assert_eq!(
        path.parent(),
        Some(Path::new("/run/manhole")),
        "{}",
        victim.stderr()
    );
    let hers = victim.outside(Path::new("/run/hers"));
    assert_eq!(fs::read_dir(hers).expect("it is there").count(), 0);
}
