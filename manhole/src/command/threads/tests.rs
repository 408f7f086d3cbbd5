//! The table of LOOK, from made-up threads.

use super::*;
use crate::{
    command::testing::lines as lines_of,
    fold::Brief,
    model::Severity,
    probe::threads::{Futex, State, Status, Thread},
};

pub(super) fn thread(tid: u32, name: &str) -> Thread {
    Thread {
        tid,
        name: name.to_owned(),
        main: false,
        state: State::Sleeping,
        cpu_ns: 200_000_000,
        cores: Some(0.0),
        wait_ns_per_s: Some(0.0),
        age_ns: Some(60_000_000_000),
        still_ns: None,
        interval: None,
        major_faults: 0,
        status: Status::default(),
        wait: Wait::Futex(Futex {
            address: Some(u64::from(tid)),
            mutex: false,
        }),
    }
}

fn sample() -> Threads {
    let mut list = vec![
        Thread {
            main: true,
            ..thread(4711, "checkout")
        },
        Thread {
            state: State::Running,
            cores: Some(0.998),
            cpu_ns: 9_060_000_000_000,
            wait_ns_per_s: Some(100_000.0),
            wait: Wait::Nothing,
            ..thread(4751, "image-worker-0")
        },
        Thread {
            cores: Some(0.062),
            wait_ns_per_s: Some(400_000.0),
            wait: Wait::Events("epoll"),
            ..thread(4715, "tokio-rt-worker")
        },
        Thread {
            still_ns: Some(38_000_000_000),
            wait: Wait::Sleep,
            ..thread(4766, "flush")
        },
    ];
    list.extend((0..37).map(|n| Thread {
        still_ns: Some(n * 1_000_000_000),
        ..thread(5000 + n as u32, "tokio-rt-worker")
    }));
    Threads {
        list,
        own: 2,
        window_ns: 500_000_000,
        cores: Some(1.06),
        calls_hidden: false,
    }
}

/// All but the first, which says when and where.
fn lines(answer: &Answer) -> Vec<String> {
    lines_of("threads", answer).split_off(1)
}

#[test]
fn busy_threads_come_first_and_idle_ones_share_a_line() {
    let answer = report(&sample(), &Known::default(), Some(8.0), false);
    let expected = [
        "1.1 of 8 cores busy, 94 % of it by image-worker-0.",
        "",
        " tid  name                       cpu %  cpu total  wait/s  state   for  what it waits for",
        "4751  image-worker-0              99.8     2h 31m  0.1 ms  run",
        "4715  tokio-rt-worker              6.2     200 ms  0.4 ms  sleep        epoll",
        "4766  flush                        0.0     200 ms       0  sleep  38 s  sleep",
        "  38  tokio-rt-worker, checkout    0.0      7.6 s       0  sleep  36 s  futex",
        "# merged: idle, same wait (for: the longest); threads --all lists 41. wait/s: ready without a core",
        "# next: cpu 5 --thread image-worker-*; threads --all",
    ];
    assert_eq!(lines(&answer), expected);
    assert_eq!(
        answer.verdict.as_ref().map(|verdict| verdict.severity),
        Some(Severity::Ok)
    );
}

#[test]
fn all_lists_every_thread() {
    let answer = report(&sample(), &Known::default(), Some(8.0), true);
    let Block::Table(table) = &answer.blocks[0] else {
        panic!("no table");
    };
    assert_eq!(table.rows.len(), 41);
    assert_eq!(answer.next, ["cpu 5 --thread image-worker-*"]);
}

#[test]
fn programs_get_every_thread_whatever_is_merged() {
    let answer = report(&sample(), &Known::default(), None, false);
    let Block::Table(table) = &answer.blocks[1] else {
        panic!("no table");
    };
    assert_eq!(table.rows.len(), 41);
    assert_eq!(table.rows[0][2], Cell::text("main"));
}

#[test]
fn a_process_that_may_not_see_its_calls_says_so() {
    let mut threads = sample();
    threads.calls_hidden = true;
    let answer = report(&threads, &Known::default(), Some(8.0), false);
    assert!(
        answer.notes[1].contains("dropped root"),
        "{:?}",
        answer.notes
    );
}

/// What the stacks say of the flush thread, of the workers and of main.
fn known() -> Known {
    let brief = |tid, role: &str, kind, wait: &str, lock: Option<&str>| Brief {
        tid,
        role: role.to_owned(),
        kind,
        wait: wait.to_owned(),
        class: "lock",
        lock: lock.map(str::to_owned),
        idle: wait == "waits for work",
    };
    let mut briefs = vec![
        brief(4715, "worker 2", "worker", "epoll (drives I/O)", None),
        brief(
            4766,
            "blocking",
            "blocking",
            "sleeps; probably holds lock A",
            None,
        ),
        brief(5000, "worker 0", "worker", "lock A (std Mutex)", Some("A")),
        brief(
            5001,
            "blocking",
            "blocking",
            "lock A (std Mutex)",
            Some("A"),
        ),
    ];
    briefs.extend((5002..5037).map(|tid| {
        brief(
            tid,
            "idle blocking",
            "idle blocking",
            "waits for work",
            None,
        )
    }));
    Known::of(briefs)
}

#[test]
fn stacks_add_roles_and_waits_by_their_names() {
    let answer = report(&sample(), &known(), Some(8.0), false);
    let expected = [
        "2 threads wait for one lock (A), the longest for 1 s: see stacks; 1.1 of 8 cores busy, 94 % of it by image-worker-0.",
        "",
        " tid  name             role              cpu %  cpu total  wait/s  state   for  what it waits for",
        "   2  tokio-rt-worker  worker, blocking    0.0     400 ms       0  sleep   1 s  lock A (std Mutex)",
        "4751  image-worker-0                      99.8     2h 31m  0.1 ms  run",
        "4715  tokio-rt-worker  worker 2            6.2     200 ms  0.4 ms  sleep        epoll (drives I/O)",
        "4766  flush            blocking            0.0     200 ms       0  sleep  38 s  sleeps; probably holds lock A",
        "4711  checkout                             0.0     200 ms       0  sleep        futex",
        "  35  tokio-rt-worker  idle blocking       0.0        7 s       0  sleep  36 s  waits for work",
        "# merged: idle, same wait (for: the longest); threads --all lists 41. wait/s: ready without a core",
        "# next: stacks; cpu 5 --thread image-worker-*; threads --all",
    ];
    assert_eq!(lines(&answer), expected);
    let Block::Table(table) = &answer.blocks[1] else {
        panic!("no table");
    };
    let field = |row: usize, key: &str| {
        let at = table.columns.iter().position(|column| column.key == key);
        table.rows[row][at.unwrap()].clone()
    };
    assert_eq!(field(0, "role"), Cell::text("main"));
    assert_eq!(field(4, "role"), Cell::text("worker 0"));
    assert_eq!(field(4, "lock"), Cell::text("A"));
    assert_eq!(field(4, "wait_class"), Cell::text("lock"));
    assert_eq!(field(0, "lock"), Cell::Empty);
}

#[test]
fn a_lock_that_stacks_know_is_called_by_its_letter() {
    let mut threads = sample();
    for thread in &mut threads.list {
        thread.still_ns = Some(38_000_000_000);
    }
    let answer = report(&threads, &known(), Some(8.0), false);
    let verdict = answer.verdict.unwrap();
    assert_eq!(verdict.severity, Severity::Bad);
    assert_eq!(
        verdict.text,
        "2 threads wait for one lock (A), the longest for 38 s: see stacks; 1.1 of 8 cores busy, 94 % of it by image-worker-0."
    );
}

#[test]
fn why_stacks_are_missing_is_said_once() {
    let mut threads = sample();
    threads.calls_hidden = true;
    let known = Known::without("no roles: why");
    let answer = report(&threads, &known, Some(8.0), false);
    assert_eq!(answer.notes[1..], ["no roles: why"]);
}
