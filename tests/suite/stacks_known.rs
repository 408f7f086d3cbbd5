//! Threads in known places, in programs as people ship them: all there, each as far as its root.

use crate::stacked;
use manhole_tests::{built::Build, peers::Peer, procfs, stacks::Look, victim::Victim, wait};
use std::{collections::BTreeMap, path::Path};

/// Starts `count` threads and waits until each is where its name says.
#[track_caller]
fn known(victim: &mut Victim, count: usize) {
    victim.tell(&format!("known {count}"));
    let pid = victim.pid();
    wait::until_true("every thread has come to rest", || {
        let threads = procfs::threads(pid);
        let moving = threads.iter().filter(|(tid, name)| {
            let stat = procfs::read(pid, &format!("task/{tid}/stat")).unwrap_or_default();
            let state = stat.rsplit(") ").next().unwrap_or_default();
            name.starts_with('w') && !name.contains("-busy-") && !state.starts_with('S')
        });
        moving.count() == 0
    });
}

/// What Debian's `nc` prints.
#[track_caller]
fn nc(socket: &Path, line: &str) -> String {
    let outcome = Peer::new(["nc.openbsd", "-U"])
        .arg(socket)
        .run(format!("{line}\n"));
    outcome.text().to_owned()
}

#[test]
fn a_thousand_threads_in_known_places_are_all_there_each_to_its_root() {
    let mut victim = stacked(Build::Release).install();
    let socket = victim.socket();
    known(&mut victim, 1000);
    let look = Look::expect_known(&socket, 1000);
    let main = look
        .threads
        .iter()
        .find(|thread| thread.tid == victim.pid());
    assert!(main.is_some_and(|main| main.complete()), "{main:?}");
    assert!(
        look.threads
            .iter()
            .all(|thread| !thread.name.starts_with("manhole")),
        "our own are left out"
    );
    // The same through the program that people have at hand.
    let text = nc(&socket, "stacks --full");
    for (thread, place) in look.known() {
        assert!(text.contains(&thread.name), "{} is missing", thread.name);
        let deepest = place.last().expect("a step");
        let deepest = deepest.rsplit("::").next().expect("a name");
        assert!(text.contains(deepest), "{deepest}");
    }
}

#[test]
fn people_get_the_thousand_in_groups() {
    let mut victim = stacked(Build::Release).install();
    known(&mut victim, 1000);
    let text = nc(&victim.socket(), "stacks");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("# stacks victim["), "{text}");
    assert!(lines[0].contains(": 1,002 threads in "), "{text}");
    assert!(text.contains("WAIT FOR A LOCK"), "{text}");
    assert!(text.contains("holder"), "who has the locks: {text}");
    let long = lines[1..].iter().find(|line| line.chars().count() > 100);
    assert_eq!(long, None, "below the line that says what this is");
}

#[test]
fn without_any_symbol_stacks_are_as_complete() {
    let lengths = |build| {
        let mut victim = stacked(build).install();
        known(&mut victim, 100);
        let look = Look::take(&victim.socket(), "");
        let known = look
            .threads
            .iter()
            .filter(|thread| thread.name.starts_with('w') && !thread.name.contains("-busy-"));
        let lengths: BTreeMap<String, usize> = known
            .map(|thread| {
                assert!(thread.complete(), "{thread:#?}");
                (thread.name.clone(), thread.frames.len())
            })
            .collect();
        assert_eq!(lengths.len(), 99);
        (lengths, look)
    };
    let (with, _) = lengths(Build::Release);
    let (without, look) = lengths(Build::Stripped);
    assert_eq!(without, with, "frames of the same machine code");
    assert_eq!(look.json["data"]["names"]["symbols"], "stripped");
    let named = look.threads.iter().flat_map(|thread| thread.functions());
    let named: Vec<&str> = named.filter(|name| name.starts_with("stacked::")).collect();
    assert_eq!(named, Vec::<&str>::new());
}

#[test]
fn without_symbols_the_answer_says_what_is_missing_and_where_to_get_it() {
    let mut victim = stacked(Build::Stripped).install();
    known(&mut victim, 10);
    let text = nc(&victim.socket(), "stacks");
    let notes: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
    let notes = notes.join("\n");
    assert!(notes.contains("stripped"), "{text}");
    assert!(notes.contains("manhole-cli"), "{text}");
}

#[test]
fn where_a_panic_aborts_stacks_are_as_complete() {
    let mut victim = stacked(Build::Abort).install();
    known(&mut victim, 200);
    Look::expect_known(&victim.socket(), 200);
}

#[test]
fn a_look_again_says_who_has_not_moved() {
    let mut victim = stacked(Build::Release).install();
    known(&mut victim, 20);
    let socket = victim.socket();
    let first = Look::take(&socket, "");
    let unmoved = |look: &Look, name: &str| {
        let threads = look.json["data"]["threads"].as_array().expect("threads");
        let thread = threads.iter().find(|thread| thread["name"] == name);
        thread.expect("the thread")["unchanged_since_unix_ns"].as_u64()
    };
    let waiting = "w2-condvar-21";
    assert_eq!(unmoved(&first, waiting), None);
    let second = Look::take(&socket, "");
    let third = Look::take(&socket, "");
    assert!(
        unmoved(&second, waiting).is_some(),
        "{:#?}",
        second.thread(waiting)
    );
    assert_eq!(unmoved(&third, waiting), unmoved(&second, waiting));
    assert_eq!(
        unmoved(&third, "w0-busy-5"),
        None,
        "it has used a core meanwhile"
    );
}

#[test]
fn what_is_asked_for_is_what_is_shown() {
    let mut victim = stacked(Build::Release).install();
    known(&mut victim, 40);
    let socket = victim.socket();
    let shown = |thread: &str| {
        let text = nc(&socket, &format!("stacks --full --thread {thread}"));
        let look = Look::take(&socket, "");
        let names = look.threads.iter().map(|thread| thread.name.clone());
        // The first one is called as the program, which every name of a function begins with.
        let shown = names.skip(1).filter(|name| text.contains(name.as_str()));
        shown.collect::<Vec<String>>()
    };
    assert_eq!(shown("w1?-park-*,holder"), ["holder", "w13-park-25"]);
    let tid = Look::take(&socket, "").thread("holder").tid;
    assert_eq!(shown(&tid.to_string()), ["holder"]);
}
