//! The machine runs out of something: descriptors, memory, threads. The host lives, and so does
//! most of the console.

use crate::{service, setup};
use manhole_tests::{keep::Keep, procfs, text, users::root};

#[test]
fn a_service_at_its_descriptor_limit_is_looked_into_all_the_same() {
    let mut victim = service();
    let socket = victim.socket();
    let answer = victim.tell("emfile 128");
    assert!(answer.contains("Too many open files"), "{answer}");
    for _ in 0..3 {
        assert_eq!(text::run(&socket, "app echo on"), "on\n");
    }
    let fds = text::run(&socket, "fds");
    assert!(
        fds.contains(" of 128 ("),
        "that is what one wants to see: {fds}"
    );
    assert!(
        text::run(&socket, "triage").contains("fds"),
        "and triage says it"
    );
}

#[test]
fn a_console_can_be_installed_at_the_descriptor_limit() {
    let mut victim = setup().start();
    victim.tell("emfile 64");
    victim.install("");
    assert!(text::run(&victim.socket(), "version").starts_with("service"));
}

#[test]
fn without_memory_the_answers_are_errors_and_the_host_lives() {
    let mut victim = service();
    let socket = victim.socket();
    let mut keep = Keep::open(&socket);
    keep.ok("version");
    // Not even a thread's stack fits any more.
    victim.tell("no_memory 128");
    for command in [
        "version",
        "app echo on",
        "triage",
        "threads --all",
        "memory",
        "maps",
        "fds --all",
        "vars",
        "info",
        "help",
    ] {
        let reply = keep.run(command);
        if let Err(error) = reply.end {
            let code = error.split(' ').next().unwrap_or("");
            assert!(
                ["no-memory", "busy", "unsupported"].contains(&code),
                "{command}: {error}"
            );
        }
    }
    assert_eq!(keep.run("version").end, Ok(()));
    assert!(
        text::run(&socket, "version").starts_with("service"),
        "new connections too"
    );
    assert_eq!(victim.status(), "Listening");
}

#[test]
fn without_memory_for_a_thread_there_is_no_console_and_one_line() {
    let mut victim = setup().start();
    victim.tell("no_memory 64");
    let dir = victim.dir().join("console");
    let status = victim.tell(&format!("install dir={}", dir.display()));
    assert!(status.starts_with("Failed("), "{status}");
    assert!(
        victim.stderr().starts_with("manhole: no console: "),
        "{}",
        victim.stderr()
    );
    assert_eq!(victim.tell("pid"), victim.pid().to_string());
}

/// A user of whom no process runs, so that its limit of threads is this test's own.
fn with_thread_limit(uid: u32, spare: usize) -> Option<manhole_tests::victim::Victim> {
    root().then(|| {
        let mut victim = setup().as_user(uid).install();
        victim.tell("register good");
        let now = procfs::threads(victim.pid()).len();
        victim.tell(&format!("rlimit nproc {}", now + spare));
        victim
    })
}

#[test]
fn without_a_thread_for_workers_commands_run_one_at_a_time() {
    let Some(mut victim) = with_thread_limit(41_101, 0) else {
        return;
    };
    let socket = victim.socket();
    manhole_tests::wait::until_true("no worker is left", || {
        !procfs::threads(victim.pid())
            .iter()
            .any(|(_, name)| name.starts_with("manhole-worker"))
    });
    victim.tell("sleepers 16");
    let mut keep = Keep::open(&socket);
    for command in ["version", "triage", "threads", "app echo on"] {
        let reply = keep.run(command);
        assert_eq!(reply.end, Ok(()), "{command}");
        assert!(!reply.data.is_empty(), "{command}");
    }
    let outcome = text::run(&socket, "app big 5000000");
    assert!(
        outcome.len() >= 1 << 20 || text::code(&outcome).is_some(),
        "{} bytes",
        outcome.len()
    );
}

#[test]
fn without_any_thread_install_fails_in_one_line_and_the_service_runs() {
    if !root() {
        return;
    }
    let mut victim = setup().as_user(41_102).start();
    let now = procfs::threads(victim.pid()).len();
    victim.tell(&format!("rlimit nproc {now}"));
    let dir = victim.dir().join("console");
    let status = victim.tell(&format!("install dir={}", dir.display()));
    assert!(status.starts_with("Failed("), "{status}");
    let said = victim.stderr();
    assert!(
        said.starts_with("manhole: no console: ") && said.contains("thread"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_standard_error_that_nobody_reads_holds_nothing_up() {
    let started = std::time::Instant::now();
    let mut victim = setup().wedged_stderr().install();
    victim.tell("register good");
    let socket = victim.socket();
    // Each of these is worth a line.
    for _ in 0..3 {
        victim.install("");
    }
    assert_eq!(text::run(&socket, "app echo on"), "on\n");
    assert_eq!(victim.tell("shutdown"), "Closed");
    victim.install("");
    assert_eq!(text::run(&victim.socket(), "app echo again"), "again\n");
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
}

#[test]
fn a_stopped_process_holds_nobody_but_its_callers_time_out() {
    // The console is a part of the process: stopped with it, and back with it.
    let mut victim = service();
    let socket = victim.socket();
    let mut keep = Keep::open(&socket);
    victim.signal(nix::sys::signal::Signal::SIGSTOP);
    keep.0.send("app echo on\n");
    assert_eq!(
        keep.0.read_some(std::time::Duration::from_millis(300)),
        None
    );
    victim.signal(nix::sys::signal::Signal::SIGCONT);
    assert_eq!(keep.reply().data, b"on\n");
    assert_eq!(victim.status(), "Listening");
}
