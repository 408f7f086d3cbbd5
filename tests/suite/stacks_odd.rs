//! Threads that stand where threads do not stand usually, or cannot answer at all.

use crate::stacked;
use manhole_tests::{
    built::{self, Build},
    procfs,
    stacks::{Look, Thread, below},
    text, users,
    victim::Victim,
    wait,
};
use std::path::Path;

/// Waits until a thread stands as `wanted`, and returns it.
#[track_caller]
fn stands(socket: &Path, name: &str, wanted: impl Fn(&Thread) -> bool) -> Thread {
    let mut last = None;
    for _ in 0..200 {
        // It may not have its name yet.
        let threads = Look::take(socket, "").threads.into_iter();
        last = threads.rev().find(|thread| thread.name == name);
        match last.take_if(|thread| wanted(thread)) {
            Some(thread) => return thread,
            None => std::thread::sleep(std::time::Duration::from_millis(20)),
        }
    }
    panic!("{name}: {last:#?}")
}

fn at(place: Vec<String>) -> impl Fn(&Thread) -> bool {
    move |thread| thread.own_functions() == place
}

#[test]
fn a_thread_in_a_library_that_was_loaded_meanwhile_is_complete() {
    let mut victim = stacked(Build::Release).install();
    let socket = victim.socket();
    Look::take(&socket, "");
    let plugin = built::plugin();
    let mapped = |victim: &Victim| {
        let maps = procfs::read(victim.pid(), "maps").expect("its maps");
        maps.contains("libstacked_plugin.so")
    };
    for _ in 0..3 {
        victim.tell(&format!("plug {}", plugin.display()));
        let within = [
            "stacked_plugin::wait_for_byte",
            "stacked_plugin::plugin_middle",
            "stacked_plugin::plugin_outer",
            "plugin_wait",
        ];
        let plugged = stands(&socket, "plugged", |thread| thread.passes(&within));
        assert!(plugged.complete(), "{plugged:#?}");
        victim.tell("unplug");
        assert!(!mapped(&victim), "it was unloaded");
        let look = Look::take(&socket, "");
        assert!(look.threads.iter().all(|thread| thread.name != "plugged"));
        assert!(look.threads[0].complete(), "{look:#?}");
    }
}

#[test]
fn a_thread_inside_a_coroutine_is_seen_in_it() {
    let mut victim = stacked(Build::Release).install();
    victim.tell("coroutine");
    let socket = victim.socket();
    let inside = stands(&socket, "coroutine", at(below(9, "wait_sleep")));
    assert_eq!(inside.answer, "stack");
}

#[test]
fn a_thread_in_a_handler_on_a_stack_of_its_own_is_seen_in_it() {
    let mut victim = stacked(Build::Release).install();
    victim.tell("alternate");
    let socket = victim.socket();
    let within = below(9, "wait_sleep");
    let starts = |thread: &Thread| thread.own_functions().starts_with(&as_str(&within));
    let handler = stands(&socket, "alternate", starts);
    assert_eq!(handler.answer, "stack");
}

fn as_str(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

#[test]
fn the_smallest_stack_there_is_has_room_for_the_handler() {
    let mut victim = stacked(Build::Release).install();
    victim.tell("small");
    let socket = victim.socket();
    let small = stands(&socket, "small", at(below(7, "wait_sleep")));
    assert!(small.complete(), "{small:#?}");
    for _ in 0..20 {
        Look::take(&socket, "--thread small").thread("small");
    }
    victim.tell("pid");
}

#[test]
fn a_stack_that_is_too_long_is_cut_and_says_so() {
    let mut victim = stacked(Build::Release).install();
    victim.tell("deep");
    let leaf = [
        "stacked::leaves::wait_sleep",
        "stacked::steps::descend_wide",
    ];
    let deep = stands(&victim.socket(), "deep", |thread| thread.passes(&leaf));
    assert_eq!((deep.answer.as_str(), deep.end.as_str()), ("stack", "cut"));
    let walked = deep
        .functions()
        .filter(|name| name.ends_with("::descend_wide"));
    assert!(walked.count() >= 5, "{deep:#?}");
}

#[test]
fn who_blocks_the_signal_is_not_sent_it_and_the_answer_says_why() {
    let mut victim = stacked(Build::Release).install();
    victim.tell("blocker");
    let socket = victim.socket();
    let look = Look::take(&socket, "");
    let blocker = look.thread("blocker");
    assert_eq!(blocker.answer, "blocks", "{blocker:#?}");
    assert!(blocker.frames.is_empty());
    let pending = procfs::read(victim.pid(), &format!("task/{}/status", blocker.tid));
    let pending = pending.expect("its status");
    assert!(pending.contains("SigPnd:\t0000000000000000"), "{pending}");
    let text = text::run(&socket, "stacks");
    assert!(text.contains("NO ANSWER"), "{text}");
    assert!(text.contains("blocks our signal"), "{text}");
}

#[test]
fn uninterruptible_sleep_is_told_and_not_waited_for() {
    let mut victim = stacked(Build::Release).install();
    victim.tell("uninterruptible");
    let socket = victim.socket();
    let asleep = stands(&socket, "in-vfork", |thread| {
        thread.answer == "uninterruptible"
    });
    assert!(asleep.frames.is_empty(), "{asleep:#?}");
    let look = Look::take(&socket, "");
    assert!(
        look.threads.iter().any(Thread::complete),
        "the others answer"
    );
}

#[test]
fn without_signals_nobody_is_sent_one() {
    let mut victim = stacked(Build::Release).install();
    victim.tell("calls");
    let socket = victim.socket();
    for _ in 0..20 {
        let look = Look::take(&socket, "--no-signal");
        for thread in &look.threads {
            assert_ne!(thread.answer, "stack", "{thread:#?}");
            assert!(thread.frames.is_empty(), "{thread:#?}");
        }
    }
    let calls = victim.tell("calls_made");
    for row in calls.split(' ') {
        assert!(row.ends_with(":0"), "{calls}");
    }
    let text = text::run(&socket, "stacks --no-signal");
    assert!(text.contains("c-epoll_wait"), "{text}");
}

#[test]
fn the_stuck_main_thread_is_seen_too() {
    let mut victim = stacked(Build::Release).install();
    let socket = victim.socket();
    victim.order("wedge");
    let stuck = |look: &Look| {
        let main = look
            .threads
            .iter()
            .find(|thread| thread.tid == victim.pid());
        main.is_some_and(|main| main.complete() && main.functions().any(|f| f.contains("wedge")))
    };
    wait::until_true("main is in its lock", || stuck(&Look::take(&socket, "")));
}

#[test]
fn a_daemon_that_dropped_root_shows_its_stacks() {
    if !users::root() {
        return;
    }
    for before in [true, false] {
        let mut victim = stacked(Build::Release).start();
        let uid = users::ALICE;
        let dir = victim.dir().join("console");
        std::fs::create_dir(&dir).expect("a directory");
        std::os::unix::fs::chown(&dir, Some(uid), Some(uid)).expect("root may");
        if before {
            victim.install("");
        }
        victim.tell(&format!("setuid {uid}"));
        if !before {
            victim.install("");
        }
        victim.tell("known 100");
        let socket = victim.socket();
        // A console that is there already moves to a directory of the new user's in a while.
        Look::expect_known(&socket, 100);
    }
}

#[test]
fn at_the_limit_of_descriptors_nothing_is_missing() {
    let mut victim = stacked(Build::Release).install();
    let socket = victim.socket();
    victim.tell("known 50");
    victim.tell("emfile 128");
    for _ in 0..5 {
        Look::expect_known(&socket, 50);
    }
}

#[test]
fn all_workers_of_a_runtime_stuck_in_one_lock_is_the_verdict() {
    let mut victim = stacked(Build::Release).install();
    victim.tell("workers 4");
    let socket = victim.socket();
    let stuck = |look: &Look| {
        let workers = look.threads.iter().filter(|thread| {
            thread.complete() && thread.passes(&["stacked::runtime::Cache::lookup"])
        });
        workers.count() == 4
    };
    wait::until_true("four workers stand in the lock", || {
        stuck(&Look::take(&socket, ""))
    });
    let look = Look::take(&socket, "");
    assert_eq!(
        look.json["verdict"]["severity"], "bad",
        "{}",
        look.json["verdict"]
    );
    let verdict = look.json["verdict"]["text"].as_str().expect("a verdict");
    assert!(verdict.contains("All 4 tokio workers"), "{verdict}");
    let holder = look.thread("hoarder").tid;
    assert!(
        verdict.contains(&format!("{holder} probably holds it")),
        "{verdict}"
    );
    let text = text::run(&socket, "stacks");
    assert!(text.contains("stacked::runtime::Cache::lookup"), "{text}");
    assert!(text.contains("worker"), "{text}");
    let triage = text::run(&socket, "triage");
    assert!(triage.contains("stacks"), "{triage}");
}

#[test]
fn a_runtime_of_one_thread_that_is_stuck_is_seen() {
    let mut victim = stacked(Build::Release).install();
    victim.tell("single");
    let socket = victim.socket();
    let stuck = |thread: &Thread| thread.passes(&["stacked::runtime::Cache::lookup"]);
    let single = stands(&socket, "single", stuck);
    assert!(single.complete(), "{single:#?}");
}
