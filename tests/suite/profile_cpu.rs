//! Samples of the processor in a release build: whose they are, how deep, and what they leave behind.

use crate::stacked;
use manhole_tests::{
    built::{self, Build},
    stacks::{Look, Thread},
    text,
    victim::Victim,
    wait,
};
use serde_json::Value;
use std::{fs, io::Write, os::unix::net::UnixStream, path::Path, thread};

/// A profile of `seconds`, and its report.
fn profile(socket: &Path, seconds: u32, hz: u32) -> (Look, Value) {
    let reply = text::run(socket, &format!("cpu {seconds} --hz {hz} --json"));
    let look = Look::read(&reply).unwrap_or_else(|| panic!("{reply:.1000}"));
    let report = look.json["data"]["report"].clone();
    (look, report)
}

/// The timers that the kernel lists; nothing where it lists none.
fn timers(victim: &Victim) -> String {
    fs::read_to_string(format!("/proc/{}/timers", victim.pid())).unwrap_or_default()
}

fn wait_for_timers(victim: &Victim, there: bool) {
    wait::until_true("timers come and go", || timers(victim).is_empty() != there);
}

/// Has `work` done while a profile is under way.
fn during(victim: &mut Victim, hz: u32, work: impl FnOnce(&mut Victim)) -> (Look, Value) {
    let socket = victim.socket();
    let sampling = thread::spawn(move || profile(&socket, 4, hz));
    wait_for_timers(victim, true);
    work(victim);
    sampling.join().expect("a profile")
}

/// The complete stacks of the threads of that name.
fn stacks<'a>(look: &'a Look, name: &str) -> Vec<&'a Thread> {
    let threads = look.threads.iter();
    let named = threads.filter(|thread| thread.name == name && thread.complete());
    named.collect()
}

fn ends_in(thread: &Thread, function: &str) -> usize {
    let functions = thread.functions();
    functions.filter(|name| name.ends_with(function)).count()
}

/// A thread that runs below 10, 50 or 200 calls has them all in its stacks, and its root; 200 of them
/// fit into what is copied.
#[test]
fn stacks_are_complete_however_deep_and_whenever_a_thread_begins() {
    let mut victim = stacked(Build::Release).install();
    victim.tell("burn early-10 10");
    victim.tell("burn early-50 50");
    let (look, report) = during(&mut victim, 1000, |victim| {
        victim.tell("burn late-200 200");
        victim.tell(&format!("burn_plugged {}", built::plugin().display()));
    });
    for (name, depth) in [("early-10", 10), ("early-50", 50), ("late-200", 200)] {
        let stacks = stacks(&look, name);
        assert!(!stacks.is_empty(), "{name}: {report}");
        let whole = |thread: &&&Thread| ends_in(thread, "burn_below") == depth;
        // One more on the way in and out.
        let most = stacks.iter().filter(whole).count();
        assert!(most * 10 >= stacks.len() * 9, "{name}: {stacks:#?}");
    }
    let plugged = stacks(&look, "plugged");
    let whole = |thread: &&Thread| {
        ends_in(thread, "compute_in_plugin") == 1 && ends_in(thread, "plugin_outer") == 1
    };
    assert!(plugged.into_iter().any(|thread| whole(&thread)));
    let number = |key: &str| report[key].as_u64().unwrap_or(u64::MAX);
    assert!(number("samples") > 0, "{report}");
    assert!(number("truncated") * 100 <= number("samples"), "{report}");
    assert_eq!(timers(&victim), "");
}

/// Threads of some milliseconds each say that they are there.
#[test]
fn threads_that_guard_themselves_are_met() {
    let mut victim = stacked(Build::Release).install();
    let (look, report) = during(&mut victim, 1000, |victim| {
        victim.tell("burn_short 50");
    });
    assert!(!stacks(&look, "short").is_empty(), "{report}");
    assert_eq!(timers(&victim), "");
}

/// Another profiler's signal is none of ours.
#[test]
fn the_hosts_handler_for_sigprof_gets_all_of_its_signals() {
    let mut victim = stacked(Build::Release).start();
    victim.tell("own_prof");
    victim.install("");
    victim.tell("burn hot 5");
    let (_, report) = during(&mut victim, 1000, |victim| {
        assert_eq!(victim.tell("send_prof 500"), "500");
    });
    assert!(report["samples"].as_u64() > Some(0), "{report}");
    assert_eq!(victim.tell("send_prof 0"), "500");
}

/// Different rates: nobody is refused, and all are told at which rate they were served.
#[test]
fn profiles_at_the_same_time_are_all_served_at_the_highest_rate() {
    let mut victim = stacked(Build::Release).install();
    victim.tell("burn hot 5");
    let socket = victim.socket();
    let (_, report) = during(&mut victim, 100, |_| {
        let (_, report) = profile(&socket, 1, 500);
        assert_eq!(
            (&report["asked_hz"], &report["hz"]),
            (&500.into(), &500.into())
        );
    });
    assert_eq!(
        (&report["asked_hz"], &report["hz"]),
        (&100.into(), &500.into())
    );
    assert!(report["effective_hz"].as_f64() > Some(50.0), "{report}");
    assert_eq!(timers(&victim), "");
}

/// Whoever leaves takes the timers along.
#[test]
fn a_client_that_goes_away_ends_the_profile() {
    let mut victim = stacked(Build::Release).install();
    victim.tell("burn hot 5");
    let mut client = UnixStream::connect(victim.socket()).expect("a connection");
    client.write_all(b"cpu 300 --json\n").expect("a request");
    wait_for_timers(&victim, true);
    drop(client);
    wait_for_timers(&victim, false);
}
