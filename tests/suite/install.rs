//! install(): never fails, never waits long, never twice.

use crate::setup;
use manhole_tests::{procfs, scratch::Scratch, text, victim, wait};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path)
        .expect("it exists")
        .permissions()
        .mode()
        & 0o7777
}

#[test]
fn modes_are_the_same_under_any_umask() {
    for umask in ["0", "022", "077", "0777"] {
        for (options, directory, socket) in
            [("", 0o700, 0o600), ("allow_uid=41001:view", 0o711, 0o666)]
        {
            let mut victim = setup().start();
            victim.tell(&format!("umask {umask}"));
            victim.install(options);
            let path = victim.socket();
            assert_eq!(mode(&path), socket, "socket, umask {umask}, {options:?}");
            let dir = path.parent().expect("a directory");
            assert_eq!(
                mode(dir),
                directory,
                "directory, umask {umask}, {options:?}"
            );
            let lock = mode(&dir.join(".lock"));
            assert_eq!(lock & 0o077, 0, "lock {lock:o}, umask {umask}");
            assert_eq!(lock & 0o600, 0o600, "lock {lock:o}, umask {umask}");
            assert_eq!(
                victim.tell("umask 0"),
                umask
                    .trim_start_matches('0')
                    .parse::<u32>()
                    .unwrap_or(0)
                    .to_string()
            );
        }
    }
}

#[test]
fn a_second_install_gives_the_first_console_and_one_line() {
    let mut victim = setup().install();
    let path = victim.socket();
    let elsewhere = victim.dir().join("elsewhere");
    victim.tell(&format!("install dir={}", elsewhere.display()));
    assert_eq!(victim.socket(), path);
    assert!(!elsewhere.exists());
    assert_eq!(victim.stderr().lines().count(), 2, "{}", victim.stderr());
    let error = victim
        .ask("try_install default=1")
        .expect_err("it is there already");
    assert!(error.starts_with("AlreadyInstalled "), "{error}");
    assert_eq!(procfs::console_threads(victim.pid()).len(), 1);
}

#[test]
fn an_install_that_failed_can_be_tried_again() {
    let mut victim = setup().start();
    let dir = victim.dir().join("missing");
    let install = format!("try_install path={}", dir.join("x.sock").display());
    for _ in 0..2 {
        let error = victim.ask(&install).expect_err("there is no directory");
        assert!(error.starts_with("Bind "), "{error}");
    }
    fs::create_dir(&dir).expect("a directory");
    victim.tell(&format!("{install} start_timeout=18446744073709551615"));
    assert!(victim::accepts(&dir.join("x.sock")));
}

#[test]
fn two_threads_that_install_at_once_get_one_console() {
    for _ in 0..10 {
        let mut victim = setup().start();
        let dir = victim.dir().join("console");
        let paths = victim.tell(&format!("two_threads dir={}", dir.display()));
        let (one, other) = paths.split_once(' ').expect("two paths");
        assert!(
            !one.is_empty() && one == other,
            "{paths:?}\n{}",
            victim.stderr()
        );
        assert!(victim::accepts(Path::new(one)));
        let sockets = fs::read_dir(&dir).expect("it").flatten();
        let sockets =
            sockets.filter(|entry| entry.file_name().to_string_lossy().ends_with(".sock"));
        assert_eq!(sockets.count(), 1);
    }
}

#[test]
fn a_thousand_cycles_leave_nothing_behind() {
    let mut victim = setup().start();
    let dir = victim.dir().join("console");
    let pid = victim.pid();
    let cycle = |count: usize| format!("cycles {count} dir={}", dir.display());
    victim.tell(&cycle(100));
    settle(pid);
    let (fds, rss) = (procfs::fds(pid, pid).len(), procfs::rss_kib(pid));
    assert_eq!(victim.tell(&cycle(1000)), "Closed");
    settle(pid);
    assert_eq!(procfs::fds(pid, pid).len(), fds);
    let grown = procfs::rss_kib(pid).saturating_sub(rss);
    assert!(grown < 4096, "1000 cycles cost {grown} KiB");
    let left: Vec<_> = fs::read_dir(&dir)
        .expect("it")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert!(left.iter().all(|name| name == ".lock"), "{left:?}");
    // And it still works.
    victim.install("");
    assert!(victim::accepts(&victim.socket()));
}

/// Waits until the threads of consoles that were shut down have ended.
fn settle(pid: u32) {
    wait::until_true("the console's threads end", || {
        procfs::console_threads(pid).is_empty()
    });
}

#[test]
fn shutdown_ends_conversations_and_removes_the_socket_at_once() {
    let mut victim = crate::service();
    let path = victim.socket();
    let mut prompt = manhole_tests::text::Prompt::open(&path);
    let mut running = manhole_tests::conn::Conn::open(&path);
    running.send("app slow 300s\n");
    wait::until_true("it runs", || victim.tell("begun") == "1");
    assert_eq!(victim.tell("shutdown"), "Closed");
    assert!(!path.exists());
    prompt.conn().read_to_end();
    assert_eq!(
        running.text_to_end(),
        "",
        "it ran to the end of the console"
    );
    wait::until_true("the command is told", || victim.tell("cancelled") == "1");
    settle(victim.pid());
    victim.install("");
    assert_eq!(text::run(&victim.socket(), "app echo again"), "again\n");
}

#[test]
fn one_parked_thread_is_the_price_of_an_idle_console() {
    let mut victim = setup().install();
    let path = victim.socket();
    let threads = procfs::console_threads(victim.pid());
    assert_eq!(threads.len(), 1, "{threads:?}");
    let (tid, name) = &threads[0];
    assert_eq!(name, "manhole");
    assert!(
        !procfs::fds(victim.pid(), victim.pid())
            .iter()
            .any(|fd| fd.to_string_lossy().starts_with("socket:"))
    );
    let own = procfs::fds(victim.pid(), *tid);
    assert!(own.len() <= 10, "{own:?}");
    text::run(&path, "triage");
    wait::until_true("workers go when idle", || {
        procfs::console_threads(victim.pid()).len() == 1
    });
}

#[test]
fn our_threads_block_every_signal_but_faults() {
    let mut victim = crate::service();
    text::run(&victim.socket(), "triage");
    for (tid, name) in procfs::console_threads(victim.pid()) {
        let status = procfs::read(victim.pid(), &format!("task/{tid}/status")).unwrap_or_default();
        let blocked = status
            .lines()
            .find_map(|line| line.strip_prefix("SigBlk:\t"));
        let Some(blocked) = blocked else { continue };
        let blocked = u64::from_str_radix(blocked, 16).expect("a mask");
        let open: Vec<u32> = (1..=31)
            .filter(|signal| blocked & (1 << (signal - 1)) == 0)
            .collect();
        // ILL, TRAP, BUS, FPE, KILL, SEGV, STOP, SYS.
        assert_eq!(open, [4, 5, 7, 8, 9, 11, 19, 31], "thread {name}");
    }
}

#[test]
fn the_log_callback_gets_the_line_instead_of_stderr() {
    let log = Scratch::new();
    let file = log.join("log");
    let victim = setup().install_with(&format!("log_to={}", file.display()));
    let line = fs::read_to_string(&file).expect("it was written");
    assert!(line.starts_with("manhole: echo triage | nc -U "), "{line}");
    assert_eq!(victim.stderr(), "");
}
