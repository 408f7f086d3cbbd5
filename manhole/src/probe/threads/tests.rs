//! Made-up snapshots, and a few threads of the test itself.

use super::*;

fn task(tid: u32, name: &str, at_ns: u64, run_ns: u64, wait_ns: u64) -> Task {
    Task {
        stat: Stat {
            tid,
            name: name.to_owned(),
            state: State::Sleeping,
            letter: 'S',
            major_faults: 0,
            user_ticks: 1,
            system_ticks: 2,
            start_ticks: 5,
            blocked_signals: 0,
        },
        sched: Some(SchedStat {
            run_ns,
            wait_ns,
            slices: run_ns / 1000,
        }),
        at_ns,
    }
}

fn snapshot(at_ns: u64, cpu_ns: u64, tasks: Vec<Task>) -> Snapshot {
    Snapshot {
        at_ns,
        process_cpu_ns: Some(cpu_ns),
        tasks: tasks
            .into_iter()
            .map(|task| (task.stat.tid, task))
            .collect(),
    }
}

const MS: u64 = 1_000_000;

#[test]
fn shares_are_taken_over_each_threads_own_window() {
    let before = snapshot(
        0,
        0,
        vec![
            task(1, "main", 0, 0, 0),
            task(2, "w", 100 * MS, 50 * MS, 5 * MS),
        ],
    );
    let after = snapshot(
        500 * MS,
        600 * MS,
        vec![
            task(1, "main", 500 * MS, 0, 0),
            task(2, "w", 600 * MS, 300 * MS, 6 * MS),
            task(3, "new", 500 * MS, 100 * MS, 0),
            task(4, "manhole-worker", 500 * MS, 50 * MS, 0),
        ],
    );
    let mut still = Still::default();
    still.note(before.at_ns, before.sched_stats());
    let threads = Threads::between(&before, &after, 1, &still);
    let of = |tid: u32| {
        threads
            .list
            .iter()
            .find(|thread| thread.tid == tid)
            .unwrap()
    };
    assert_eq!(of(2).cores, Some(0.5));
    assert_eq!(of(2).wait_ns_per_s, Some(2e6));
    assert_eq!(of(3).cores, Some(0.2));
    assert_eq!(
        (of(1).main, of(1).still_ns, of(2).still_ns),
        (true, Some(500 * MS), None)
    );
    // 600 ms of CPU in 500 ms, of which the console used 50 ms.
    assert_eq!(threads.own, 1);
    assert!((threads.cores.unwrap() - 1.1).abs() < 1e-9);
}

#[test]
fn a_reused_tid_is_a_new_thread() {
    let before = snapshot(0, 0, vec![task(2, "old", 0, 900 * MS, 0)]);
    let mut reused = task(2, "new", 500 * MS, 100 * MS, 0);
    reused.stat.start_ticks = 77;
    let threads = Threads::between(
        &before,
        &snapshot(500 * MS, 0, vec![reused]),
        1,
        &Still::default(),
    );
    assert_eq!(threads.list[0].cores, Some(0.2));
}

#[test]
fn without_schedstat_the_ticks_count_and_waits_for_a_core_are_unknown() {
    let mut old = task(2, "x", 0, 0, 0);
    old.sched = None;
    let mut new = old.clone();
    (new.at_ns, new.stat.user_ticks) = (500 * MS, 26);
    let threads = Threads::between(
        &snapshot(0, 0, vec![old]),
        &snapshot(500 * MS, 0, vec![new]),
        1,
        &Still::default(),
    );
    let thread = &threads.list[0];
    assert_eq!(
        (thread.cores, thread.wait_ns_per_s, thread.still_ns),
        (Some(0.5), None, None)
    );
}

#[test]
#[cfg(target_os = "linux")]
fn real_threads_are_seen_waiting_for_what_they_wait_for() {
    use std::{net::TcpListener, sync::mpsc, thread, time::Duration};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (end, ended) = mpsc::channel::<()>();
    let named = |name: &str| thread::Builder::new().name(name.to_owned());
    named("t-accept").spawn(move || listener.accept()).unwrap();
    named("t-park").spawn(move || ended.recv()).unwrap();
    named("t-sleep")
        .spawn(|| {
            // Other tests ask all threads for their stacks meanwhile.
            nix::sys::signal::SigSet::all().thread_block().unwrap();
            thread::sleep(Duration::from_secs(60));
        })
        .unwrap();
    named("manhole-worker")
        .spawn(|| thread::sleep(Duration::from_secs(60)))
        .unwrap();
    thread::sleep(Duration::from_millis(100));
    let before = Snapshot::take(&|| true).unwrap();
    let mut still = Still::default();
    still.note(before.at_ns, before.sched_stats());
    thread::sleep(Duration::from_millis(100));
    let after = Snapshot::take(&|| true).unwrap();
    let mut threads = Threads::between(&before, &after, std::process::id(), &still);
    assert!(threads.look(&|| true));
    drop(end);
    let of = |name: &str| {
        threads
            .list
            .iter()
            .find(|thread| thread.name == name)
            .unwrap()
    };
    if !threads.calls_hidden {
        let Wait::Descriptor(on) = &of("t-accept").wait else {
            panic!("{:?}", of("t-accept"));
        };
        assert_eq!((on.call, on.socket.is_some()), ("accept", true));
    }
    assert!(
        matches!(of("t-park").wait, Wait::Futex(_)),
        "{:?}",
        of("t-park")
    );
    assert_eq!(of("t-sleep").wait, Wait::Sleep);
    assert!(
        of("t-sleep").still_ns.unwrap() >= 90 * MS,
        "{:?}",
        of("t-sleep")
    );
    assert!(
        threads.own >= 1
            && threads
                .list
                .iter()
                .all(|thread| thread.name != "manhole-worker")
    );
    assert_eq!(threads.list.iter().filter(|thread| thread.main).count(), 1);
}
