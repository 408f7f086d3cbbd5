//! The sentence that says whether `gc run` is worth a try.

use crate::{app::reclaim::LastRun, model::Severity, probe::allocator::Held, render::units};

/// Less than this is not worth a sentence.
const LEAST: u64 = 64 << 20;
/// Nor is less than this share of what is resident, in percent.
const LEAST_PERCENT: u64 = 10;
/// From here on, and from a GiB, somebody should look.
const MUCH: u64 = 1 << 30;
const MUCH_PERCENT: u64 = 50;
/// A `gc run` that is younger says whether another one would help, in nanoseconds.
const FRESH_NS: u64 = 600_000_000_000;

/// "the allocator holds 2.90 GiB free: try gc run", without a full stop; `None` when it is not worth
/// saying. `last` is the last `gc run`, `now_ns` the moment in its time.
pub(in crate::command) fn advice(
    held: Option<Held>,
    resident: Option<u64>,
    last: Option<LastRun>,
    now_ns: u64,
) -> Option<(Severity, String)> {
    let (held, resident) = (held?, resident?);
    let share = |bytes: u64| u128::from(bytes) * 100 / u128::from(resident.max(1));
    if held.free < LEAST || share(held.free) < u128::from(LEAST_PERCENT) {
        return None;
    }
    let says = format!("the allocator holds {} free", units::bytes(held.free));
    let tried = last.is_some_and(|run| now_ns.saturating_sub(run.at_unix_ns) < FRESH_NS);
    let stuck = match held.purgeable {
        Some(purgeable) => purgeable < held.free / 4,
        None => tried,
    };
    if stuck {
        let between = "in pages that it shares with what is live: gc run does not reach it";
        return Some((Severity::Ok, format!("{says}, {between}")));
    }
    let much = held.free >= MUCH && share(held.free) >= u128::from(MUCH_PERCENT);
    let severity = if much { Severity::Warn } else { Severity::Ok };
    let mut text = format!("{says}: try gc run");
    if let Some(purgeable) = held.purgeable.filter(|bytes| *bytes < held.free / 10 * 9) {
        text.push_str(&format!(", which gives back {}", units::bytes(purgeable)));
    }
    Some((severity, text))
}

/// What is not live in Rust is worth a question from this share of what is resident on, in percent.
const REST_PERCENT: u64 = 25;

/// What is anonymous, in memory or swapped out, and not live in Rust. Unknown when what is live is more: it
/// was never touched, or is estimated too high.
pub(in crate::command) fn rest(
    anonymous: Option<u64>,
    swap: Option<u64>,
    live: Option<u64>,
) -> Option<u64> {
    let all = anonymous?.saturating_add(swap.unwrap_or(0));
    all.checked_sub(live?)
}

/// "3.65 GiB in memory is not live in Rust: memory --deep tells what the allocator holds free", where it
/// is unknown what the allocator holds and `deep` would tell.
pub(in crate::command) fn question(
    rest: Option<u64>,
    resident: Option<u64>,
    deep: &str,
) -> Option<String> {
    let (rest, resident) = (rest.filter(|rest| *rest >= LEAST)?, resident?);
    let much = u128::from(rest) * 100 >= u128::from(REST_PERCENT) * u128::from(resident);
    much.then(|| {
        let rest = units::bytes(rest);
        format!("{rest} in memory is not live in Rust: {deep} tells what the allocator holds free")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn said(free: u64, purgeable: Option<u64>, age_s: Option<u64>) -> Option<(Severity, String)> {
        let held = Held {
            free: free * MIB,
            purgeable: purgeable.map(|mib| mib * MIB),
        };
        let last = age_s.map(|age| LastRun {
            at_unix_ns: (10_000 - age) * 1_000_000_000,
            change: None,
        });
        advice(Some(held), Some(4000 * MIB), last, 10_000_000_000_000)
    }

    #[test]
    fn much_that_nobody_uses_is_worth_a_try() {
        let check = |free, purgeable, age, expected: Option<(Severity, &str)>| {
            let expected = expected.map(|(severity, text)| (severity, text.to_owned()));
            assert_eq!(
                said(free, purgeable, age),
                expected,
                "{free} {purgeable:?} {age:?}"
            );
        };
        let free = "the allocator holds 2.93 GiB free: try gc run";
        check(3000, None, None, Some((Severity::Warn, free)));
        check(3000, Some(2900), Some(5), Some((Severity::Warn, free)));
        let half = "the allocator holds 2.93 GiB free: try gc run, which gives back 1.46 GiB";
        check(3000, Some(1500), None, Some((Severity::Warn, half)));
        let some = "the allocator holds 500 MiB free: try gc run";
        check(500, None, None, Some((Severity::Ok, some)));
        check(500, None, Some(3600), Some((Severity::Ok, some)));
        let stuck = "the allocator holds 500 MiB free, in pages that it shares with what is live: gc run does not reach it";
        check(500, Some(20), None, Some((Severity::Ok, stuck)));
        check(500, None, Some(5), Some((Severity::Ok, stuck)));
        check(390, None, None, None);
        check(20, None, None, None);
    }

    #[test]
    fn much_that_is_not_live_is_worth_a_question() {
        let check = |rest: u64, resident: u64, asked: bool| {
            let found = question(Some(rest * MIB), Some(resident * MIB), "memory --deep");
            assert_eq!(found.is_some(), asked, "{rest} {resident}");
        };
        check(1000, 4000, true);
        check(990, 4000, false);
        check(60, 70, false);
        assert_eq!(question(None, Some(MIB), "x"), None);
        assert_eq!(question(Some(500 * MIB), None, "x"), None);
    }

    #[test]
    fn what_is_not_known_gives_no_advice() {
        assert_eq!(advice(None, Some(MIB), None, 0), None);
        let held = Held {
            free: 500 * MIB,
            purgeable: None,
        };
        assert_eq!(advice(Some(held), None, None, 0), None);
    }
}
