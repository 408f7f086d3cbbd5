//! The clock of all threads, read by a program: every thread has its time, and is where it is.

use crate::{setup, stacked};
use manhole_tests::{
    built::Build,
    stacks::{Look, Thread},
    text, users,
    victim::Victim,
    wait,
};
use serde_json::Value;
use std::{collections::BTreeSet, path::Path};

/// What `wall` says: its report, and the stacks with what was counted at each.
struct Wall {
    report: Value,
    entries: Vec<(Thread, Value)>,
}

impl Wall {
    #[track_caller]
    fn take(socket: &Path, options: &str) -> Self {
        let reply = text::run(socket, &format!("wall 1 {options} --json"));
        let look = Look::read(&reply).unwrap_or_else(|| panic!("{reply}"));
        let weights = look.json["data"]["weights"].as_array().expect("weights");
        assert_eq!(weights.len(), look.threads.len());
        Self {
            report: look.json["data"]["report"].clone(),
            entries: look.threads.into_iter().zip(weights.clone()).collect(),
        }
    }

    fn figure(&self, name: &str) -> u64 {
        self.report[name]
            .as_u64()
            .unwrap_or_else(|| panic!("{name}"))
    }

    /// What was counted for threads whose names begin with `name`.
    fn of(&self, name: &str) -> Vec<&(Thread, Value)> {
        let entries = self.entries.iter();
        entries
            .filter(|(thread, _)| thread.name.starts_with(name))
            .collect()
    }
}

/// The sum of a figure.
fn sum(entries: &[&(Thread, Value)], name: &str) -> u64 {
    entries
        .iter()
        .map(|(_, weight)| weight[name].as_u64().unwrap_or(0))
        .sum()
}

/// How many threads there are.
fn threads(entries: &[&(Thread, Value)]) -> usize {
    entries
        .iter()
        .map(|(thread, _)| thread.tid)
        .collect::<BTreeSet<_>>()
        .len()
}

#[track_caller]
fn crowd(victim: &mut Victim) {
    assert_eq!(victim.tell("sleepers 100"), "100");
    victim.tell("spin");
}

#[test]
fn a_hundred_idle_threads_and_a_hot_one_have_their_time() {
    let mut victim = setup().install();
    crowd(&mut victim);
    let socket = victim.socket();
    let wall = Wall::take(&socket, "");
    let window = wall.figure("window_ns") as f64;
    let (idle, hot) = (wall.of("sleeper-"), wall.of("spinner"));
    assert_eq!((threads(&idle), threads(&hot)), (100, 1), "{}", wall.report);
    // In the first ticks not all are visited, and those that are stand for the others.
    let mean = sum(&idle, "ns") as f64 / 100.0;
    assert!(
        (0.9 * window..1.1 * window).contains(&mean),
        "{mean} {}",
        wall.report
    );
    let asked = wall.figure("samples") - wall.figure("reused");
    assert!(asked < 250 + wall.figure("samples") / 40, "{}", wall.report);
    let answered = idle.iter().filter(|(thread, _)| thread.answer == "stack");
    let answered: Vec<_> = answered.copied().collect();
    assert!(threads(&answered) >= 95);
    for (thread, weight) in answered {
        let parks = |thread: &Thread| thread.functions().any(|name| name.contains("sleepers"));
        assert!(thread.complete() && parks(thread), "{thread:?}");
        assert_eq!(weight["waits"], 1, "each waits once: {weight}");
    }
    assert_eq!(sum(&hot, "waits"), 0);
    let spins = |(thread, _): &&&(Thread, Value)| thread.passes(&["victim::crowd::spin"]);
    let spinning: Vec<_> = hot.iter().filter(spins).copied().collect();
    assert!(sum(&spinning, "ns") as f64 > 0.6 * sum(&hot, "ns") as f64);
    // At the highest rate not all are visited at each tick; those that are stand for the others.
    let wall = Wall::take(&socket, "--hz 1000");
    let (idle, window) = (wall.of("sleeper-"), wall.figure("window_ns") as f64);
    let mean = sum(&idle, "ns") as f64 / 100.0;
    assert!(
        (0.8 * window..1.2 * window).contains(&mean),
        "{mean} {}",
        wall.report
    );
}

#[test]
fn threads_that_come_and_go_are_met_and_leave_nothing_behind() {
    let mut victim = setup().install();
    victim.tell("coming");
    let socket = victim.socket();
    let pid = victim.pid();
    let wall = Wall::take(&socket, "");
    let met = threads(&wall.of("short"));
    assert!(met > 6, "{met} {}", wall.report);
    assert!(threads(&wall.of("manhole")) == 0);
    // Files of theirs that were kept open went with the sampler.
    wait::until_true("the files are closed", || {
        let own = manhole_tests::procfs::console_threads(pid);
        let open = own
            .iter()
            .map(|(tid, _)| manhole_tests::procfs::fds(pid, *tid));
        open.flatten()
            .all(|file| !file.to_string_lossy().contains("/syscall"))
    });
}

#[test]
fn labels_are_on_the_samples_of_their_thread_alone() {
    let mut victim = setup().install();
    victim.tell("labelled acme umbra");
    victim.tell("sleepers 1");
    let socket = victim.socket();
    for command in ["wall 1 --json", "wall 1 --json --hz 200"] {
        let reply = text::run(&socket, command);
        let look = Look::read(&reply).unwrap_or_else(|| panic!("{reply}"));
        let weights = look.json["data"]["weights"].as_array().expect("weights");
        for (thread, weight) in look.threads.iter().zip(weights) {
            let expected = match thread.name.as_str() {
                "acme" | "umbra" => Value::from(thread.name.as_str()),
                _ => Value::Null,
            };
            assert_eq!(weight["labels"]["tenant"], expected, "{}", thread.name);
        }
        let met = |name: &str| look.threads.iter().any(|thread| thread.name == name);
        assert!(met("acme") && met("umbra"));
    }
}

#[test]
fn a_daemon_that_dropped_root_says_by_what_it_went() {
    if !users::root() {
        return;
    }
    let mut victim = stacked(Build::Release).start();
    let dir = victim.dir().join("console");
    std::fs::create_dir(&dir).expect("a directory");
    let uid = users::ALICE;
    std::os::unix::fs::chown(&dir, Some(uid), Some(uid)).expect("root may");
    victim.tell(&format!("setuid {uid}"));
    victim.install("");
    victim.tell("known 50");
    let socket = victim.socket();
    Look::expect_known(&socket, 50);
    let wall = Wall::take(&socket, "");
    assert_eq!(wall.report["calls_hidden"], true);
    let asked = wall.figure("samples") - wall.figure("reused");
    assert!(asked * 2 < wall.figure("samples"), "{}", wall.report);
    let known = wall.of("w");
    assert!(threads(&known) >= 50, "{}", wall.report);
    // On a busy machine one or another does not answer in time.
    let complete = known.iter().filter(|(thread, _)| thread.complete());
    let complete: Vec<_> = complete.copied().collect();
    assert!(sum(&complete, "ns") as f64 > 0.8 * sum(&known, "ns") as f64);
}
