//! Verdicts and tables from made-up figures.

use super::*;
use crate::{
    command::testing::lines as lines_of,
    model::Severity,
    probe::{
        allocator::{Figures, Known},
        cgroup::{Memory, Pressure, Stall},
        memory::Rollup,
        vitals::Trend,
    },
};

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

fn facts() -> Facts {
    Facts {
        usage: Usage {
            resident: Some(2980 * MIB),
            anonymous: Some(2846 * MIB),
            files: Some(134 * MIB),
            shared: Some(0),
            swap: Some(0),
            peak: Some(2981 * MIB),
            ..Usage::default()
        },
        now: Sample {
            at_ns: 4_000_000_000_000,
            ..Sample::default()
        },
        before: Some((
            Sample {
                at_ns: 400_000_000_000,
                rss: Some(1935 * MIB),
                anonymous: Some(1801 * MIB),
                files: Some(134 * MIB),
                shared: Some(0),
                swap: Some(0),
                ..Sample::default()
            },
            "1 h ago",
        )),
        trends: Trends {
            resident: Some(Trend {
                per_second: 1045.0 * MIB as f64 / 3600.0,
                span_ns: 3_600_000_000_000,
            }),
            ..Trends::default()
        },
        group: Cgroup {
            memory: Memory {
                current: Some(3144 * MIB),
                limit: Some(4 * GIB),
                cache: Some(160 * MIB),
                oom_kills: Some(0),
                ..Memory::default()
            },
            ..Cgroup::default()
        },
        look: Look {
            rust: Some(Known {
                name: "glibc 2.36 malloc".to_owned(),
                price: Some("about 0.7 s"),
                ..Known::default()
            }),
            ..Look::default()
        },
        ..Facts::default()
    }
}

/// All but the first, which says when and where.
fn lines(answer: &Answer) -> Vec<String> {
    lines_of("memory", answer).split_off(1)
}

#[test]
fn a_leak_is_dated() {
    let expected = [
        "RSS 2.91 GiB, 73 % of the cgroup's 4.00 GiB; grows 1.02 GiB/h: full in about 64 min.",
        "",
        "                                  now   1 h ago     change",
        "resident                     2.91 GiB  1.89 GiB  +1.02 GiB",
        "  anonymous                  2.78 GiB  1.76 GiB  +1.02 GiB",
        "  files (binary, libraries)   134 MiB   134 MiB          0",
        "  shared                            0         0          0",
        "swap                                0         0          0",
        "peak resident                2.91 GiB                       now",
        "",
        "cgroup     3.07 GiB  with 160 MiB of cached files, max 4.00 GiB, 1.09 GiB left, oom_kill 0",
        "allocator  glibc 2.36 malloc",
        "# memory --deep asks the allocator what it holds free (about 0.7 s)",
        "# next: gc stats; cgroup; memory --deep",
    ];
    assert_eq!(lines(&report(&facts())), expected);
}

fn check(change: impl FnOnce(&mut Facts), severity: Severity, expected: &str) {
    let mut facts = facts();
    facts.trends = Trends::default();
    change(&mut facts);
    let (found, text) = verdict::verdict(&facts);
    assert_eq!((found, text.as_str()), (severity, expected));
}

#[test]
fn the_verdict_names_the_limit_that_counts() {
    check(
        |_| {},
        Severity::Ok,
        "RSS 2.91 GiB, 73 % of the cgroup's 4.00 GiB.",
    );
    check(
        |facts| facts.group.memory.current = Some(4 * GIB),
        Severity::Bad,
        "RSS 2.91 GiB, 73 % of the cgroup's 4.00 GiB, of which all together hold 96 % besides cached files.",
    );
    check(
        |facts| {
            facts.group = Cgroup::default();
            facts.machine.total = Some(16 * GIB);
            facts.machine.available = Some(GIB / 2);
        },
        Severity::Warn,
        "RSS 2.91 GiB, 18 % of the machine's 16.0 GiB; no cgroup limit.",
    );
    check(
        |facts| facts.usage.resident = None,
        Severity::Ok,
        "RSS unknown of the cgroup's 4.00 GiB.",
    );
}

#[test]
fn growth_without_a_date_counts_when_it_is_large() {
    let growing = |per_hour: u64| {
        move |facts: &mut Facts| {
            facts.usage.resident = Some(200 * MIB);
            facts.group.memory.limit = Some(64 * GIB);
            facts.group.memory.current = Some(GIB);
            facts.trends.resident = Some(Trend {
                per_second: per_hour as f64 / 3600.0,
                span_ns: 3_600_000_000_000,
            });
        }
    };
    let text = |rate: &str| format!("RSS 200 MiB, 0.3 % of the cgroup's 64.0 GiB; grows {rate}/h.");
    check(growing(100 * MIB), Severity::Warn, &text("100 MiB"));
    check(growing(12 * MIB), Severity::Ok, &text("12.0 MiB"));
}

#[test]
fn growth_that_is_not_in_rusts_heap_is_told_apart() {
    let grown = |heap_mib: u64| {
        move |facts: &mut Facts| {
            facts.trends.resident = Some(Trend {
                per_second: 1045.0 * MIB as f64 / 3600.0,
                span_ns: 3_600_000_000_000,
            });
            sample(facts, 2300 * MIB);
            if let Some((before, _)) = &mut facts.before {
                before.heap = Some((2300 - heap_mib) * MIB);
            }
        }
    };
    let text = |how: &str| {
        format!(
            "RSS 2.91 GiB, 73 % of the cgroup's 4.00 GiB; grows 1.02 GiB/h{how}: full in about 64 min."
        )
    };
    check(grown(900), Severity::Warn, &text(""));
    check(
        grown(100),
        Severity::Warn,
        &text(", hardly any of it live in Rust"),
    );
}

#[test]
fn kills_pressure_and_swap_are_told() {
    let usual = "RSS 2.91 GiB, 73 % of the cgroup's 4.00 GiB; ";
    let kills = |recent| {
        move |facts: &mut Facts| {
            facts.group.memory.oom_kills = Some(3);
            facts.trends.kills = recent;
        }
    };
    let text = format!("{usual}the kernel has killed 3 in this cgroup for memory.");
    check(kills(None), Severity::Warn, &text);
    let text = format!("{usual}the kernel killed 1 in this cgroup for memory within the hour.");
    check(kills(Some(1)), Severity::Bad, &text);
    let pressed = Pressure {
        some: Stall {
            last_10_s: 12.0,
            ..Stall::default()
        },
        full: None,
    };
    let text = format!("{usual}the cgroup lost 12 % of the last 10 s for want of memory.");
    check(
        |facts| facts.group.pressure.memory = Some(pressed),
        Severity::Warn,
        &text,
    );
    let text = format!("{usual}1.00 GiB is swapped out.");
    check(|facts| facts.usage.swap = Some(GIB), Severity::Warn, &text);
}

#[test]
fn without_a_past_there_are_no_columns_for_it() {
    let mut facts = facts();
    facts.before = None;
    let lines = lines(&report(&facts));
    assert_eq!(lines[2], "                                  now");
    assert!(
        lines.iter().any(|line| line.contains("one minute after")),
        "{lines:?}"
    );
}

#[test]
fn deep_adds_what_walking_tells() {
    let mut facts = facts();
    facts.deep = Some(Deep {
        rollup: Some(Rollup {
            proportional: Some(2900 * MIB),
            ..Rollup::default()
        }),
        took_ns: 712_000_000,
    });
    walked(&mut facts);
    let answer = report(&facts);
    assert_eq!(
        answer.about.as_deref(),
        Some("deep, walked page tables and free lists in 712 ms")
    );
    let text = lines(&answer).join("\n");
    assert!(
        text.contains("    allocator, in use         2.00 GiB"),
        "{text}"
    );
    for line in [
        "    allocator, free but held   400 MiB                       gc run gives back what it can",
        "    proportional              2.83 GiB",
        "# next: gc run; cgroup",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

/// glibc's lists have been walked: 400 MiB are free.
fn walked(facts: &mut Facts) {
    facts.look.rust = Some(Known {
        name: "glibc 2.36 malloc".to_owned(),
        figures: Figures {
            used: Some(2 * GIB),
            free: Some(400 * MIB),
            ..Figures::default()
        },
        price: None,
    });
}

fn sample(facts: &mut Facts, live: u64) {
    facts.totals = Some(Totals {
        live_bytes: live,
        error_bytes: Some(live as f64 * 0.014),
        rate: 512 << 10,
        ..Totals::default()
    });
}

#[test]
fn what_lives_in_the_heap_is_told_apart_from_the_rest() {
    let mut facts = facts();
    sample(&mut facts, 2365 * MIB);
    if let Some((before, _)) = &mut facts.before {
        before.heap = Some(1331 * MIB);
    }
    let lines = lines(&report(&facts));
    assert_eq!(
        lines[4..7],
        [
            "  anonymous                  2.78 GiB  1.76 GiB  +1.02 GiB",
            "    rust heap, live          2.31 GiB  1.30 GiB  +1.01 GiB  sampled, +-1.4 %",
            "    the rest                  481 MiB   470 MiB  +11.0 MiB  free in the allocator, C code, stacks",
        ]
    );
    let allocator =
        "allocator  glibc 2.36 malloc  behind manhole::Alloc (sampling on, 1 per 512 KiB)";
    assert!(lines.iter().any(|line| line == allocator), "{lines:?}");
    sample(&mut facts, 4 * GIB);
    let check = |facts: &Facts, remark: &str| {
        let text = report_text(facts);
        let line = text
            .lines()
            .find(|line| line.contains("the rest "))
            .unwrap();
        assert!(line.contains("  -  ") && line.ends_with(remark), "{line}");
    };
    check(&facts, "much of what is live was never touched");
    sample(&mut facts, 2900 * MIB);
    check(&facts, "less than the sampling error");
}

fn report_text(facts: &Facts) -> String {
    lines(&report(facts)).join("\n")
}

#[test]
fn three_commands_are_named_the_best_first() {
    let check = |change: fn(&mut Facts), expected: &[&str]| {
        let mut facts = facts();
        change(&mut facts);
        assert_eq!(report(&facts).next, expected);
    };
    check(|_| {}, &["gc stats", "cgroup", "memory --deep"]);
    check(walked, &["gc run", "cgroup", "memory --deep"]);
    check(
        |facts| sample(facts, 2365 * MIB),
        &["heap", "heap diff 1h", "gc stats"],
    );
    check(
        |facts| {
            sample(facts, 2365 * MIB);
            facts.before = None;
            walked(facts);
        },
        &["gc run", "heap", "cgroup"],
    );
}

#[test]
fn memory_that_nobody_uses_is_named_with_what_to_do() {
    let usual = "RSS 2.91 GiB, 73 % of the cgroup's 4.00 GiB";
    let text = format!("{usual}; the allocator holds 400 MiB free: try gc run.");
    check(walked, Severity::Ok, &text);
    check(
        |facts| sample(facts, 2365 * MIB),
        Severity::Ok,
        &format!("{usual}."),
    );
    let text = format!(
        "{usual}; 1.80 GiB in memory is not live in Rust: memory --deep tells what the allocator holds free."
    );
    check(|facts| sample(facts, 1003 * MIB), Severity::Ok, &text);
    check(
        |facts| {
            sample(facts, 1003 * MIB);
            facts.look.rust = Some(Known::default());
        },
        Severity::Ok,
        &format!("{usual}."),
    );
}

#[test]
fn rates_and_times_have_the_digits_they_deserve() {
    let check = |seconds, expected: &str| {
        assert_eq!(verdict::about(Duration::from_secs(seconds)), expected);
    };
    check(45, "45 s");
    check(600, "10 min");
    check(3840, "64 min");
    check(18_000, "5 h");
}
