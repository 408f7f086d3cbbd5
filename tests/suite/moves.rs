//! A socket that must move: the process gives up root, its file vanishes, all its descriptors are
//! closed by somebody else.

use crate::{service, setup};
use manhole_tests::{
    peers::Peer,
    procfs, text,
    users::{ALICE, become_user, root},
    victim::{self, Victim},
    wait,
};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    time::Duration,
};

/// The tick at which a console looks after its socket, and a generous margin.
const TICK: Duration = Duration::from_secs(90);

/// The uid that the kernel names as the server's.
fn uid_behind(path: &Path) -> Option<u32> {
    let stream = UnixStream::connect(path).ok()?;
    getsockopt(&stream, PeerCredentials)
        .ok()
        .map(|peer| peer.uid())
}

#[test]
fn a_daemon_that_drops_root_moves_to_its_new_users_directory() {
    if !root() {
        return;
    }
    let mut victim = setup().jailed("true").start();
    victim.tell("install default=1");
    let old = victim.socket();
    assert_eq!(
        old,
        PathBuf::from(format!("/run/manhole/{}.sock", victim.pid()))
    );
    assert_eq!(uid_behind(&victim.outside(&old)), Some(0));
    victim.tell(&format!("setuid {ALICE}"));
    // The next connection makes it look.
    let _knock = UnixStream::connect(victim.outside(&old));
    let new = wait::until("it moves", || victim.path().filter(|path| *path != old));
    assert_eq!(
        new,
        PathBuf::from(format!("/tmp/manhole-{ALICE}/{}.sock", victim.pid()))
    );
    let outside = victim.outside(&new);
    let meta = fs::metadata(outside.parent().expect("a directory")).expect("it is there");
    assert_eq!(
        (meta.uid(), meta.permissions().mode() & 0o7777),
        (ALICE, 0o700)
    );
    assert_eq!(
        uid_behind(&outside),
        Some(ALICE),
        "clients see whom they talk to"
    );
    assert!(
        victim.stderr().lines().count() == 2,
        "one more line: {}",
        victim.stderr()
    );
    assert_eq!(level_inside(&victim, ALICE, &new), "control");
    assert_eq!(level_inside(&victim, 0, &new), "control");
}

/// The level that a user within the victim's mounts has.
fn level_inside(victim: &Victim, uid: u32, socket: &Path) -> String {
    let pid = victim.pid().to_string();
    let inside = [
        "nsenter".to_owned(),
        "--target".to_owned(),
        pid,
        "--mount".to_owned(),
    ];
    let nc = Peer::new(["nc.openbsd", "-U"]).arg(socket);
    let outcome = nc.by(&become_user(uid, &[])).by(&inside).run("version\n");
    let level = outcome
        .text()
        .lines()
        .find_map(|line| line.strip_prefix("your level"));
    level.map_or_else(|| format!("{outcome:?}"), |level| level.trim().to_owned())
}

#[test]
fn in_a_directory_that_was_given_it_listens_anew_with_its_new_credentials() {
    if !root() {
        return;
    }
    let mut victim = setup().start();
    let path = victim.dir().join("socket");
    victim.tell(&format!("install path={}", path.display()));
    victim.socket();
    victim.tell(&format!("setuid {ALICE}"));
    wait::until_true("clients see the new uid", || {
        uid_behind(&path) == Some(ALICE)
    });
    assert!(
        text::run(&path, "version").starts_with("service"),
        "root is let in"
    );
}

#[test]
fn a_socket_that_was_removed_is_bound_again_at_the_tick() {
    let mut victim = service();
    let path = victim.socket();
    let mut keep = manhole_tests::keep::Keep::open(&path);
    fs::remove_file(&path).expect("it was there");
    wait::within(TICK, "it is bound again", || {
        victim::accepts(&path).then_some(())
    });
    assert_eq!(text::run(&path, "app echo back"), "back\n");
    assert_eq!(
        keep.ok("app echo still"),
        "still\n",
        "who was connected stays so"
    );
    assert_eq!(
        victim.stderr().lines().count(),
        2,
        "one line: {}",
        victim.stderr()
    );
}

#[test]
fn a_directory_that_was_removed_is_made_again_at_the_tick() {
    let mut victim = service();
    let path = victim.socket();
    fs::remove_dir_all(path.parent().expect("a directory")).expect("it was there");
    let back = wait::within(TICK, "it is bound again", || {
        victim.path().filter(|path| victim::accepts(path))
    });
    assert_eq!(text::run(&back, "app echo back"), "back\n");
}

#[test]
fn a_service_that_closes_every_descriptor_keeps_its_console() {
    let mut victim = service();
    let path = victim.socket();
    let mut keep = manhole_tests::keep::Keep::open(&path);
    keep.ok("version");
    victim.tell("close_fds");
    wait::until_true("all are closed", || {
        procfs::fds(victim.pid(), victim.pid()).is_empty()
    });
    assert_eq!(keep.ok("app echo on"), "on\n");
    for _ in 0..3 {
        assert_eq!(text::run(&path, "app echo on"), "on\n");
        assert!(text::run(&path, "triage").starts_with("# triage"));
        assert!(text::run(&path, "fds").contains("victim["));
    }
}

#[test]
fn a_service_that_changes_its_directory_does_not_take_the_socket_along() {
    let mut victim = service();
    let path = victim.socket();
    victim.tell("chdir /proc");
    assert_eq!(text::run(&path, "app echo on"), "on\n");
    victim.order("exit 0");
    victim.wait();
    assert!(!path.exists());
}
