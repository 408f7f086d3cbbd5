//! Who comes in: decided by the kernel's word on the peer.

use crate::{service, setup};
use manhole_tests::{
    conn::Conn,
    http,
    peers::{self, Peer},
    scratch::Scratch,
    text,
    users::{ALICE, BOB, STAFF, become_user, level_of, me, root, run_as},
    victim::{self, Victim},
    wait,
};
use std::{
    fs::{self, Permissions},
    io::{IoSlice, Read},
    os::{fd::AsRawFd, unix::fs::PermissionsExt},
    path::Path,
    time::Duration,
};

/// A console of `uid`'s, in a directory that others may enter.
fn in_open_directory(uid: u32, options: &str) -> (Scratch, Victim) {
    let dir = Scratch::of(uid);
    fs::set_permissions(dir.path(), Permissions::from_mode(0o711)).expect("root may");
    let mut victim = setup().as_user(uid).start();
    victim.tell(&format!("install dir={} {options}", dir.path().display()));
    victim.socket();
    (dir, victim)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it exists").permissions().mode() & 0o7777
}

#[test]
fn at_0600_another_user_is_kept_out_by_the_kernel() {
    if !root() {
        return;
    }
    let (_dir, mut victim) = in_open_directory(ALICE, "");
    let socket = victim.socket();
    assert_eq!(mode(&socket), 0o600);
    let outcome = run_as(BOB, &[], &socket, "version");
    assert!(outcome.stderr.contains("Permission denied"), "{outcome:?}");
    assert_eq!(level_of(ALICE, &[], &socket), "control");
    assert_eq!(
        level_of(0, &[], &socket),
        "control",
        "root is let in everywhere"
    );
}

#[test]
fn a_mode_that_somebody_opened_changes_nothing() {
    if !root() {
        return;
    }
    let (_dir, mut victim) = in_open_directory(ALICE, "");
    let socket = victim.socket();
    fs::set_permissions(&socket, Permissions::from_mode(0o666)).expect("root may");
    let outcome = run_as(BOB, &[ALICE], &socket, "version");
    let error = text::expect_error(outcome.text(), "denied");
    assert!(
        error.contains(&format!("uid {BOB} may not use this console; ")),
        "{error}"
    );
    assert!(error.contains(&format!("uid {ALICE} and 0 may")), "{error}");
}

#[test]
fn at_0666_only_those_come_in_whom_the_builder_allows() {
    if !root() {
        return;
    }
    let options = format!("allow_uid={BOB}:inspect allow_gid={STAFF}:view");
    let (_dir, mut victim) = in_open_directory(ALICE, &options);
    let socket = victim.socket();
    assert_eq!(mode(&socket), 0o666);
    assert_eq!(level_of(BOB, &[], &socket), "inspect");
    assert_eq!(
        level_of(STAFF, &[], &socket),
        "view",
        "by the primary group"
    );
    let stranger = BOB + 1;
    assert_eq!(
        level_of(stranger, &[7, STAFF], &socket),
        "view",
        "by a supplementary one"
    );
    let outcome = run_as(stranger, &[7], &socket, "version");
    text::expect_error(outcome.text(), "denied");
    assert_eq!(outcome.code(), Some(0), "a whole line and an orderly end");
    assert_eq!(level_of(ALICE, &[], &socket), "control");
}

#[test]
fn a_directory_of_ours_lets_those_through_that_the_builder_allows() {
    if !root() {
        return;
    }
    let mut victim = setup()
        .as_user(ALICE)
        .install_with(&format!("allow_uid={BOB}:view"));
    let socket = victim.socket();
    assert_eq!(mode(socket.parent().expect("a directory")), 0o711);
    assert_eq!(level_of(BOB, &[], &socket), "view");
}

#[test]
fn another_service_of_the_user_that_comes_later_does_not_shut_them_out() {
    beside_another_service(true);
}

#[test]
fn another_service_of_the_user_that_was_there_before_does_not_shut_them_out() {
    beside_another_service(false);
}

/// Two services of one user in one directory, of which one lets others in.
#[track_caller]
fn beside_another_service(open_first: bool) {
    if !root() {
        return;
    }
    let shared = Scratch::of(ALICE);
    let service = |open: bool| {
        let mut victim = setup()
            .env("RUNTIME_DIRECTORY", shared.path())
            .by(become_user(ALICE, &[]))
            .start();
        let options = match open {
            true => format!("default=1 allow_uid={BOB}:view"),
            false => "default=1".to_owned(),
        };
        victim.tell(&format!("install {options}"));
        victim
    };
    let mut both = [service(open_first), service(!open_first)];
    let [open, closed] = match (&mut both, open_first) {
        ([open, closed], true) | ([closed, open], false) => [open, closed].map(Victim::socket),
    };
    assert_eq!(open.parent(), Some(shared.join("manhole").as_path()));
    assert_eq!(open.parent(), closed.parent());
    let still = || {
        assert_eq!(level_of(BOB, &[], &open), "view");
        assert_eq!(mode(&closed), 0o600);
    };
    still();
    // Nor does it when it comes back.
    fs::remove_file(&closed).expect("it was there");
    let tick = Duration::from_secs(90);
    wait::within(tick, "it is bound again", || {
        victim::accepts(&closed).then_some(())
    });
    still();
}

#[test]
fn whoever_is_refused_hears_it_in_its_own_dialect_and_is_on_record() {
    if !root() {
        return;
    }
    let log = Scratch::of(ALICE);
    let audit = log.join("audit");
    let options = format!("allow_uid={STAFF}:view audit={}", audit.display());
    let (_dir, mut victim) = in_open_directory(ALICE, &options);
    let socket = victim.socket();
    let curl = peers::curl(&socket, "/cmd/version").arg("--include");
    let response = curl.by(&become_user(BOB, &[])).run("");
    let response = http::parse(&response.stdout);
    assert_eq!(
        (response.status, response.header("x-go-pprof")),
        (403, Some("1"))
    );
    assert!(
        response.text().starts_with("ERR denied uid "),
        "{}",
        response.text()
    );
    let machine = Peer::new(["nc.openbsd", "-U"])
        .arg(&socket)
        .by(&become_user(BOB, &[]));
    let reply = machine.run("{\"id\":1,\"command\":[\"version\"]}\n");
    text::expect_error(reply.text(), "denied");
    let shown = text::run(&socket, "audit");
    assert!(shown.contains("2 requests refused."), "{shown}");
    let knocks = shown.lines().find(|line| line.ends_with("(connect)"));
    assert!(knocks.is_some_and(|line| line.contains("  2  ")), "{shown}");
    wait::until_true("the callback has both records", || {
        let records = fs::read_to_string(&audit).unwrap_or_default();
        records.matches(&format!("{BOB} ")).count() == 2 && records.contains("refused denied")
    });
}

#[test]
fn nobody_has_more_than_the_cap() {
    if !root() {
        return;
    }
    let options = format!("allow_uid={BOB}:control max_level=inspect");
    let (_dir, mut victim) = in_open_directory(ALICE, &options);
    let socket = victim.socket();
    for uid in [0, ALICE, BOB] {
        assert_eq!(level_of(uid, &[], &socket), "inspect", "uid {uid}");
    }
    let reply = text::run(&socket, "env --reveal HOME");
    let error = text::expect_error(&reply, "denied");
    assert!(error.contains("needs level control"), "{error}");
}

#[test]
fn the_invitation_says_who_may() {
    let mut victim = setup().install_with("max_level=view");
    let socket = victim.socket();
    let line = victim.stderr();
    assert_eq!(line.lines().count(), 1, "one line: {line}");
    let paste = format!("manhole: echo triage | nc -U {} ", socket.display());
    assert!(line.starts_with(&paste) && line.contains("view"), "{line}");
    // And it can be pasted.
    let command = line
        .trim_start_matches("manhole: ")
        .split("   (")
        .next()
        .expect("a command");
    let outcome = Peer::new(["sh", "-c", command]).run("");
    assert!(
        outcome.text().starts_with("# triage victim["),
        "{outcome:?}"
    );
}

#[test]
fn a_process_that_made_itself_undumpable_serves_view_only() {
    let mut victim = setup().start();
    victim.tell("undumpable");
    victim.install("");
    let socket = victim.socket();
    assert_eq!(level_of(me(), &[], &socket), "view");
    let mut chosen = setup().start();
    chosen.tell("undumpable");
    chosen.install("max_level=control");
    assert_eq!(
        level_of(me(), &[], &chosen.socket()),
        "control",
        "its owner decided otherwise"
    );
}

#[test]
fn a_descriptor_sent_along_is_neither_kept_nor_leaked() {
    use nix::{
        fcntl::OFlag,
        sys::socket::{ControlMessage, MsgFlags, sendmsg},
    };
    let mut victim = service();
    let mut conn = Conn::open(&victim.socket());
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC).expect("a pipe");
    let fds = [write.as_raw_fd(); 8];
    let sent = sendmsg::<()>(
        conn.stream().as_raw_fd(),
        &[IoSlice::new(b"mode keep\napp echo x\n")],
        &[ControlMessage::ScmRights(&fds)],
        MsgFlags::empty(),
        None,
    );
    sent.expect("the kernel takes them");
    drop(write);
    assert_eq!(conn.read_until("OK\n"), b"DATA 2\nx\nOK\n");
    // The connection is still open; the copies of the descriptor are gone all the same, or this
    // would wait for ever.
    let mut end = Vec::new();
    fs::File::from(read)
        .read_to_end(&mut end)
        .expect("the end of the pipe");
    assert_eq!(end, b"");
}
