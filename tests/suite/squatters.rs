//! What others put where the socket would go: never used, never removed, never followed.

use crate::setup;
use manhole_tests::{
    procfs,
    scratch::Scratch,
    text,
    users::{self, ALICE, BOB, root},
    victim::{self, Victim},
};
use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

/// Alice's victim, in whose /tmp `script` has put something.
fn squatted(script: &str) -> (Victim, PathBuf) {
    let jail = setup().jailed(script);
    // The jail is made by root; Alice moves in.
    let mut victim = jail
        .by(manhole_tests::users::become_user(ALICE, &[]))
        .start();
    victim.tell("install default=1");
    let path = victim.socket();
    (victim, path)
}

/// Requires another directory with a random name, safe, and what was squatted left as it was.
fn check(script: &str, kind: &str) {
    let (victim, path) = squatted(script);
    let dir = path.parent().and_then(Path::to_str).expect("a directory");
    let random = dir.strip_prefix(&format!("/tmp/manhole-{ALICE}-"));
    let random = random.unwrap_or_else(|| panic!("{kind}: listens in {dir}"));
    assert!(
        random.len() == 8 && random.chars().all(|c| c.is_ascii_hexdigit()),
        "{kind}: {dir}"
    );
    let meta = fs::metadata(victim.outside(Path::new(dir))).expect("it is there");
    assert_eq!((meta.uid(), meta.mode() & 0o7777), (ALICE, 0o700), "{kind}");
    let squat = victim.outside(Path::new(&format!("/tmp/manhole-{ALICE}")));
    assert!(
        fs::symlink_metadata(&squat).is_ok(),
        "{kind}: what was there is there still"
    );
    let stranger = victim.outside(Path::new("/tmp/elsewhere"));
    if let Ok(mut entries) = fs::read_dir(stranger) {
        assert!(
            entries.next().is_none(),
            "{kind}: nothing was put behind the link"
        );
    }
    assert!(text::run(&victim.outside(&path), "version").starts_with("service"));
}

#[test]
fn another_users_directory_a_link_a_fifo_and_a_file_are_avoided() {
    if !root() {
        return;
    }
    let squat = format!("/tmp/manhole-{ALICE}");
    check(
        &format!("mkdir {squat} && chown {BOB} {squat}"),
        "directory of another user",
    );
    check(
        &format!("mkdir -m 777 {squat} && chown {BOB} {squat}"),
        "open directory of another user",
    );
    check(
        &format!("mkdir -m 777 /tmp/elsewhere && ln -s /tmp/elsewhere {squat}"),
        "link to an open directory",
    );
    check(
        &format!(
            "mkdir /tmp/elsewhere && chown {ALICE} /tmp/elsewhere && ln -s elsewhere {squat} && chown -h {BOB} {squat}"
        ),
        "link to a directory of our own",
    );
    check(&format!("mkfifo {squat}"), "fifo");
    check(&format!("echo x > {squat}"), "file");
    check(
        &format!("echo x > {squat} && chown {ALICE} {squat}"),
        "file of our own",
    );
}

#[test]
fn a_directory_of_our_own_that_is_open_is_closed_first() {
    if !root() {
        return;
    }
    let dir = format!("/tmp/manhole-{ALICE}");
    let (victim, path) = squatted(&format!("mkdir -m 755 {dir} && chown {ALICE} {dir}"));
    assert_eq!(path.parent(), Some(Path::new(&dir)));
    let meta = fs::metadata(victim.outside(Path::new(&dir))).expect("it is there");
    assert_eq!(meta.mode() & 0o7777, 0o700);
}

#[test]
fn a_parent_where_anybody_may_rename_is_not_used() {
    if !root() {
        return;
    }
    let (_victim, path) = squatted("chmod 777 /tmp");
    assert!(
        path.starts_with(format!("/dev/shm/manhole-{ALICE}")),
        "{}",
        path.display()
    );
}

#[test]
fn a_given_directory_is_refused_if_others_may_write_to_it_and_never_changed() {
    let check = |mode: u32| {
        let dir = Scratch::new();
        fs::set_permissions(dir.path(), Permissions::from_mode(mode)).expect("our own");
        // The next candidate is the default one: not that of this machine.
        let elsewhere = if users::me() == 0 {
            setup().jailed("true")
        } else {
            setup()
        };
        let mut victim = elsewhere.start();
        victim.tell(&format!("install dir={}", dir.path().display()));
        let path = victim.socket();
        assert!(!path.starts_with(dir.path()), "{}", path.display());
        assert_eq!(
            fs::metadata(dir.path()).expect("it").mode() & 0o7777,
            mode,
            "it was left alone"
        );
        assert_eq!(fs::read_dir(dir.path()).expect("it").count(), 0);
        let info = text::run(&victim.outside(&path), "info");
        let reason = info
            .lines()
            .find(|line| line.contains(&dir.path().display().to_string()));
        assert!(
            reason.is_some_and(|line| line.contains("writ")),
            "info says why: {info}"
        );
    };
    check(0o777);
    check(0o770);
    check(0o1777);
}

#[test]
fn what_is_no_socket_of_ours_is_left_and_another_name_taken() {
    let dir = Scratch::new();
    let check = |make: &dyn Fn(&Path), kind: &str| {
        let mut victim = setup().start();
        let taken = dir.join(format!("{}.sock", victim.pid()));
        make(&taken);
        let before = fs::symlink_metadata(&taken).expect("it is there").ino();
        victim.tell(&format!("install dir={}", dir.path().display()));
        let path = victim.socket();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name");
        assert!(
            name.starts_with(&format!("{}-", victim.pid())),
            "{kind}: {name}"
        );
        assert_eq!(
            fs::symlink_metadata(&taken).expect("still there").ino(),
            before,
            "{kind}"
        );
        assert!(victim::accepts(&path), "{kind}");
    };
    check(&|path| fs::write(path, "x").expect("a file"), "file");
    check(
        &|path| std::os::unix::fs::symlink("/etc/passwd", path).expect("a link"),
        "link",
    );
    check(
        &|path| fs::create_dir(path).expect("a directory"),
        "directory",
    );
    if root() {
        let theirs = |path: &Path| {
            drop(UnixListener::bind(path).expect("a socket"));
            std::os::unix::fs::chown(path, Some(BOB), Some(BOB)).expect("root may");
        };
        check(&theirs, "stale socket of another user");
    }
}

#[test]
fn a_live_socket_of_the_same_pid_is_never_removed() {
    let dir = Scratch::new();
    let mut victim = setup().start();
    let taken = dir.join(format!("{}.sock", victim.pid()));
    // As of a process in another pid namespace that shares the directory.
    let _other = UnixListener::bind(&taken).expect("a socket");
    victim.tell(&format!("install dir={}", dir.path().display()));
    let path = victim.socket();
    assert_ne!(path, taken);
    assert!(victim::accepts(&taken) && victim::accepts(&path));
    victim.order("exit 0");
    victim.wait();
    assert!(victim::accepts(&taken), "nor at our end");
    assert!(!path.exists());
}

#[test]
fn a_stale_socket_of_the_same_pid_is_reclaimed() {
    let dir = Scratch::new();
    let mut victim = setup().start();
    let taken = dir.join(format!("{}.sock", victim.pid()));
    drop(UnixListener::bind(&taken).expect("a socket"));
    assert!(!victim::accepts(&taken) && taken.exists());
    victim.tell(&format!("install dir={}", dir.path().display()));
    assert_eq!(victim.socket(), taken);
    assert!(victim::accepts(&taken));
    assert!(procfs::lives(victim.pid()));
}
