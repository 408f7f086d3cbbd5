//! Whole dumps, folded.

mod cases;
pub(super) mod sample;

use super::{
    frames::Reader,
    roles::Role,
    waits::{LockKind, Wait},
    *,
};
use crate::{model::stack::ThreadStack, render::stacks};

/// What a thread is for, as far as its stack tells.
fn role(thread: &ThreadStack) -> Role {
    let items = Reader::alone().items(thread);
    roles::role(thread, &items, &Wait::of(thread, &items))
}

/// What a thread waits for, as far as its system call and its stack tell.
fn wait(thread: &ThreadStack) -> Wait {
    Wait::of(thread, &Reader::alone().items(thread))
}

/// What `dump` looks like once it is folded.
fn look(dump: &Dump, options: &Options) -> String {
    let folded = fold(dump, options);
    let verdict = folded.verdict.as_ref();
    let verdict = verdict.map(|verdict| format!("{}: {}", verdict.severity.name(), verdict.text));
    let mut lines = vec![verdict.unwrap_or_default(), String::new()];
    lines.extend(stacks::rows(&folded).into_iter().map(|row| row.text));
    lines.push(String::new());
    lines.push(format!("next: {}", folded.next.join("; ")));
    lines.join("\n") + "\n"
}

/// The sample `name` as it was read from a process, and as it is to be shown.
/// `MANHOLE_GOLDEN=renew` writes the latter anew.
#[track_caller]
fn check_sample(name: &str, options: &Options, expected: &str) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/fold/testdata");
    let text = std::fs::read_to_string(format!("{folder}/{name}.stacks")).unwrap();
    let expected = format!("{folder}/{expected}.txt");
    let found = look(&sample::dump(&text), options);
    if std::env::var("MANHOLE_GOLDEN").is_ok_and(|value| value == "renew") {
        std::fs::write(expected, found).unwrap();
    } else {
        assert_eq!(found, std::fs::read_to_string(expected).unwrap_or_default());
    }
}

#[test]
fn a_service_with_symbols_only() {
    let idle = Options {
        idle: true,
        ..Options::default()
    };
    let full = Options {
        full: true,
        filter: Some(Filter::parse("image-*,db-reader")),
        ..Options::default()
    };
    check_sample("symtab", &Options::default(), "symtab");
    check_sample("symtab", &idle, "symtab-idle");
    check_sample("symtab", &full, "symtab-full");
}

/// Role and wait of each thread in `text`, every kind once: name, role, wait.
#[track_caller]
fn check_threads(text: &str, expected: &[(&str, &str, &str)]) {
    let dump = sample::dump(text);
    let mut found: Vec<(&str, String, String)> = Vec::new();
    for thread in &dump.threads {
        let mut wait = wait(thread);
        // Where things lie differs from run to run.
        wait.address = None;
        let row = (thread.name.as_str(), role(thread).words(), wait.words());
        if !found.contains(&row) {
            found.push(row);
        }
    }
    let found: Vec<(&str, &str, &str)> = found
        .iter()
        .map(|(name, role, wait)| (*name, role.as_str(), wait.as_str()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn roles_and_waits_with_symbols_only() {
    let expected = [
        ("checkout", "main", "waits for a future (block_on)"),
        ("tokio-rt-worker", "worker", "waits for a std Mutex"),
        ("tokio-rt-worker", "worker", "in epoll"),
        ("tokio-rt-worker", "blocking", "sleeps"),
        ("tokio-rt-worker", "blocking", "waits for a std Mutex"),
        ("rules-holder", "", "sleeps"),
        ("rules-writer", "", "waits for a std RwLock"),
        ("rules-0", "", "waits for a std RwLock"),
        ("rules-1", "", "waits for a std RwLock"),
        ("once-a", "", "sleeps"),
        ("once-b", "", "waits for a std Once"),
        ("cond", "", "waits for a std Condvar"),
        (
            "cond-timeout",
            "",
            "waits for a std Condvar, for a limited time",
        ),
        ("mpsc", "", "waits for a message (mpsc)"),
        ("mpsc-send", "", "waits to send a message (mpsc)"),
        (
            "mpsc-timeout",
            "",
            "waits for a message (mpsc), for a limited time",
        ),
        ("crossbeam", "", "waits for a message (crossbeam)"),
        ("barrier", "", "waits at a Barrier"),
        ("park", "", "parked"),
        ("sleep", "", "sleeps"),
        ("joiner", "", "waits for thread 4737 to end"),
        ("scope", "", "waits for the threads of its scope"),
        ("pl-holder", "", "sleeps"),
        ("joiner", "", "sleeps"),
        ("pl-0", "", "waits for a parking_lot Mutex"),
        ("pl-1", "", "waits for a parking_lot Mutex"),
        ("plrw-holder", "", "sleeps"),
        ("plrw-r", "", "waits for a parking_lot RwLock"),
        ("plrw-w", "", "waits for a parking_lot RwLock"),
        ("pl-cond", "", "waits for a parking_lot Condvar"),
        ("db-reader", "", "reads from fd 12"),
        ("acceptor", "", "accepts on fd 11"),
        ("pipe", "", "reads from fd 14"),
        ("child", "", "waits for a child"),
        ("image-0", "", ""),
        ("checkout", "", "waits for jobs of rayon"),
        ("ct-runtime", "current_thread runtime", "in epoll"),
        ("client", "", "reads from fd 17"),
        ("checkout", "rayon", "waits for work"),
        ("checkout", "rayon", "sleeps"),
    ];
    check_threads(include_str!("../testdata/symtab.stacks"), &expected);
}
#[test]
fn roles_in_older_tokios() {
    let same = [
        ("checkout", "main", "waits for a future (block_on)"),
        ("ct-runtime", "current_thread runtime", "in epoll"),
        ("ct-busy", "current_thread runtime", "sleeps"),
        ("tokio-runtime-w", "worker", "in epoll"),
    ];
    let worker = |wait| ("tokio-runtime-w", "worker", wait);
    let blocking = |wait| ("tokio-runtime-w", "blocking", wait);
    let lock = "waits for a std Mutex";
    let on_handle = ("handle", "block_on", "waits for a future (block_on)");
    let idle = |wait| ("tokio-runtime-w", "idle blocking", wait);
    // One of those who wait for the lock gave up its place as a worker, by `block_in_place`.
    let in_1_8 = [
        blocking(lock),
        worker(lock),
        blocking("sleeps"),
        on_handle,
        worker("sleeps"),
        idle("waits for a std Condvar, for a limited time"),
        worker("waits for work"),
    ];
    let text = include_str!("../testdata/tokio-1.8.stacks");
    check_threads(text, &[&same[..], &in_1_8].concat());
    let in_1_28 = [
        worker("sleeps"),
        blocking(lock),
        worker(lock),
        on_handle,
        blocking("sleeps"),
        worker("waits for work"),
        idle("waits for work"),
    ];
    let text = include_str!("../testdata/tokio-1.28.stacks");
    check_threads(text, &[&same[..], &in_1_28].concat());
}
