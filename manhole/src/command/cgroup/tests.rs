//! Sentences and the layout, from made-up groups.

use super::*;
use crate::{
    command::testing::lines,
    model::Severity,
    probe::cgroup::{Cpu, Memory, Pids, Pressures},
};

const MINUTE: u64 = 60_000_000_000;

fn facts() -> Facts {
    let stall = |percent| Stall {
        last_10_s: percent,
        last_60_s: percent,
        last_300_s: 0.0,
        total_ns: 77_000_000_000,
    };
    Facts {
        group: Cgroup {
            version: Some(2),
            path: Some("/system.slice/checkout.service".to_owned()),
            cpu: Cpu {
                limit_cores: Some(1.5),
                period_ns: Some(100_000_000),
                usage_ns: Some(120 * MINUTE),
                periods: Some(5000),
                throttled_periods: Some(50),
                throttled_ns: Some(4_000_000_000),
                ..Cpu::default()
            },
            memory: Memory {
                current: Some(3 << 30),
                limit: Some(4 << 30),
                cache: Some(1 << 30),
                oom_kills: Some(0),
                limit_events: Some(0),
                ..Memory::default()
            },
            pids: Pids {
                current: Some(60),
                limit: Some(4096),
            },
            pressure: Pressures {
                cpu: Some(Pressure {
                    some: stall(2.5),
                    full: Some(stall(0.0)),
                }),
                memory: Some(Pressure {
                    some: stall(0.0),
                    full: Some(stall(0.0)),
                }),
                ..Pressures::default()
            },
        },
        recent: Some(Recent {
            span_ns: 10 * MINUTE,
            throttled_ns: Some(1_000_000_000),
            kills: Some(0),
        }),
    }
}

fn check(change: impl FnOnce(&mut Facts), severity: Severity, expected: &str) {
    let mut facts = facts();
    change(&mut facts);
    assert_eq!(verdict::verdict(&facts), (severity, expected.to_owned()));
}

#[test]
fn only_what_holds_the_process_back_is_told() {
    check(
        |_| {},
        Severity::Ok,
        "Nothing holds the process back; it may use 1.5 cores and 4.00 GiB.",
    );
    check(
        |facts| *facts = Facts::default(),
        Severity::Ok,
        "Nothing holds the process back: the cgroup sets no limits.",
    );
    let throttled =
        |ns| move |facts: &mut Facts| facts.recent.as_mut().unwrap().throttled_ns = Some(ns);
    check(
        throttled(2 * MINUTE),
        Severity::Warn,
        "Threads stood still for 2m 00s in the last 10m 00s: the quota of 1.5 cores is used up.",
    );
    check(
        throttled(20 * MINUTE),
        Severity::Bad,
        "Threads stood still for 20m 00s in the last 10m 00s: the quota of 1.5 cores is used up.",
    );
    check(
        |facts| facts.group.memory.current = Some(5 << 30),
        Severity::Bad,
        "Memory: 4.00 GiB of 4.00 GiB (100 %) besides cached files.",
    );
    check(
        |facts| facts.group.pids.limit = Some(70),
        Severity::Warn,
        "60 of 70 processes and threads: at the limit no thread can start.",
    );
}

#[test]
fn the_worst_comes_first() {
    check(
        |facts| {
            facts.recent.as_mut().unwrap().throttled_ns = Some(MINUTE);
            facts.recent.as_mut().unwrap().kills = Some(1);
        },
        Severity::Bad,
        "The kernel killed 1 in this group for memory in the last 10m 00s; \
         threads stood still for 1m 00s in the last 10m 00s: the quota of 1.5 cores is used up.",
    );
}

#[test]
fn pressure_of_the_machine_is_shown_but_does_not_count() {
    let pressed = |of_system| {
        move |facts: &mut Facts| {
            facts.group.pressure.of_system = of_system;
            facts.group.pressure.memory.as_mut().unwrap().some.last_60_s = 12.0;
        }
    };
    check(
        pressed(false),
        Severity::Warn,
        "12 % of the last minute was lost waiting for memory.",
    );
    check(
        pressed(true),
        Severity::Ok,
        "Nothing holds the process back; it may use 1.5 cores and 4.00 GiB.",
    );
}

#[test]
fn figures_stand_with_their_limits() {
    let expected = [
        "# cgroup checkout[4711] web-17 1970-01-01T00:00:00Z: version 2, /system.slice/checkout.service, 0",
        "Nothing holds the process back; it may use 1.5 cores and 4.00 GiB.",
        "",
        "cores allowed       1.5",
        "cpu time used       2h 0m",
        "throttled           4 s       in 50 of 5,000 periods of 100 ms; 1 s in the last 10m 00s",
        "memory              3.00 GiB  1.00 GiB of it cached files, max 4.00 GiB",
        "killed for memory   0         limit hit 0 times",
        "processes, threads  60        of 4,096",
        "",
        "time lost waiting for  by            10 s %  60 s %  5 min %  in all",
        "cpu                    some threads     2.5     2.5      0.0  1m 17s",
        "memory                 some threads     0.0     0.0      0.0  1m 17s",
        "memory                 all threads      0.0     0.0      0.0  1m 17s",
        "# next: memory; threads",
    ];
    assert_eq!(lines("cgroup", &report(&facts())), expected);
}
