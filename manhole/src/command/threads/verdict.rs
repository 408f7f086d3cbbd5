//! The one sentence about the threads: who is stuck, who queues for a lock or a core, who is busy.

use super::{super::sentence, known::Known, words};
use crate::{
    model::Severity,
    probe::threads::{State, Thread, Threads, Wait},
    render::units,
};
use std::collections::BTreeMap;

/// How long a thread must have stood still to count as stuck.
const STUCK_NS: u64 = 1_000_000_000;
/// From here on a lock that others wait for is held too long for any good reason.
const HOPELESS_NS: u64 = 10_000_000_000;

/// Severity and sentence; `cores` is what the process may use at most.
pub(super) fn verdict(threads: &Threads, known: &Known, cores: Option<f64>) -> (Severity, String) {
    let found = [
        stuck(threads),
        lock(threads, known),
        starved(threads, cores),
    ];
    let worst = found.iter().flatten().map(|(severity, _)| *severity).max();
    let mut parts: Vec<String> = found.into_iter().flatten().map(|(_, text)| text).collect();
    parts.push(busy(threads, cores));
    (worst.unwrap_or(Severity::Ok), sentence(&parts.join("; ")))
}

/// Threads that no signal reaches, or that are stopped.
fn stuck(threads: &Threads) -> Option<(Severity, String)> {
    let longest = |state: State| {
        let those = threads
            .list
            .iter()
            .filter(move |thread| thread.state == state);
        let still = those.filter(|thread| thread.still_ns.is_some_and(|ns| ns >= STUCK_NS));
        let count = still.clone().count();
        still
            .max_by_key(|thread| thread.still_ns)
            .map(|longest| (count, longest))
    };
    let (count, longest, what) = longest(State::Uninterruptible)
        .map(|(count, longest)| (count, longest, "in uninterruptible sleep"))
        .or_else(|| longest(State::Stopped).map(|(count, longest)| (count, longest, "stopped")))?;
    let since = units::nanos(longest.still_ns.unwrap_or(0));
    let on = words::wait(longest);
    let verb = if count == 1 {
        "thread is"
    } else {
        "threads are"
    };
    Some((
        Severity::Bad,
        format!("{count} {verb} {what}, {} for {since} ({on})", longest.name),
    ))
}

/// A lock, by what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lock<'a> {
    /// Its letter: the stacks say that it is one.
    Known(&'a str),
    /// The futex that is waited on as locks are.
    Probable(u64),
}

impl Lock<'_> {
    /// The one that `thread` waits for.
    fn of<'a>(thread: &Thread, known: &'a Known) -> Option<Lock<'a>> {
        match (known.get(thread), &thread.wait) {
            (Some(brief), _) => brief.lock.as_deref().map(Lock::Known),
            (None, Wait::Futex(futex)) => {
                let address = futex.address.filter(|_| futex.mutex);
                address.map(Lock::Probable)
            }
            (None, _) => None,
        }
    }
}

/// Several threads that wait for one lock.
fn lock(threads: &Threads, known: &Known) -> Option<(Severity, String)> {
    let mut waiters: BTreeMap<Lock<'_>, Vec<&Thread>> = BTreeMap::new();
    for thread in &threads.list {
        if let Some(lock) = Lock::of(thread, known) {
            waiters.entry(lock).or_default().push(thread);
        }
    }
    let (lock, queue) = waiters.into_iter().max_by_key(|(_, queue)| queue.len())?;
    let longest = queue.iter().filter_map(|thread| thread.still_ns).max()?;
    if queue.len() < 2 || longest < STUCK_NS {
        return None;
    }
    let severity = match longest >= HOPELESS_NS {
        true => Severity::Bad,
        false => Severity::Warn,
    };
    let (count, since) = (queue.len(), units::nanos(longest));
    let text = match lock {
        Lock::Known(letter) => format!(
            "{count} threads wait for one lock ({letter}), the longest for {since}: see stacks"
        ),
        Lock::Probable(address) => format!(
            "{count} threads wait for what is probably one mutex ({address:#x}), the longest for {since}"
        ),
    };
    Some((severity, text))
}

/// Threads that are ready and get no core.
fn starved(threads: &Threads, cores: Option<f64>) -> Option<(Severity, String)> {
    let waiting = threads
        .list
        .iter()
        .filter_map(|thread| thread.wait_ns_per_s)
        .sum::<f64>()
        / 1e9;
    let enough = waiting < 1.0 || waiting < threads.cores? / 2.0;
    if enough {
        return None;
    }
    let saturated = cores
        .zip(threads.cores)
        .is_some_and(|(most, used)| used >= most * 0.9);
    let why = match saturated {
        true => "all cores are in use",
        false => "others use the machine, or the cgroup throttles",
    };
    Some((
        Severity::Warn,
        format!("{waiting:.1} threads on average are ready but have no core: {why}"),
    ))
}

/// How busy the process is, and with what.
fn busy(threads: &Threads, cores: Option<f64>) -> String {
    let most = cores.map_or(String::new(), |most| {
        format!(" of {}", units::float((most * 10.0).round() / 10.0))
    });
    let Some(used) = threads.cores else {
        return "CPU use is not known".to_owned();
    };
    if used < 0.01 {
        return "hardly any CPU is used".to_owned();
    }
    let mut text = match used < 0.095 {
        true => format!("{used:.2}{most} cores busy"),
        false => format!("{used:.1}{most} cores busy"),
    };
    if let Some((family, share)) =
        busiest(threads).filter(|(_, share)| *share >= 50.0 && used >= 0.05)
    {
        text.push_str(&format!(", {} of it by {family}", units::percent(share)));
    }
    text
}

/// The family of threads that uses most CPU, and its share in percent.
fn busiest(threads: &Threads) -> Option<(String, f64)> {
    let mut families: BTreeMap<String, (f64, Vec<&str>)> = BTreeMap::new();
    for thread in &threads.list {
        let family = families.entry(words::family(&thread.name)).or_default();
        family.0 += thread.cores.unwrap_or(0.0);
        family.1.push(&thread.name);
    }
    let (used, names) = families
        .into_values()
        .max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    let name = words::names(names.into_iter());
    Some((name, (used * 100.0 / threads.cores?.max(used)).min(100.0)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::thread;
    use super::*;
    use crate::probe::threads::Futex;

    fn check(list: Vec<Thread>, used: f64, severity: Severity, expected: &str) {
        let threads = Threads {
            list,
            cores: Some(used),
            ..Threads::default()
        };
        assert_eq!(
            verdict(&threads, &Known::default(), Some(8.0)),
            (severity, expected.to_owned())
        );
    }

    fn busy_thread(name: &str, cores: f64) -> Thread {
        Thread {
            cores: Some(cores),
            ..thread(1, name)
        }
    }

    fn waiter(seconds: u64) -> Thread {
        Thread {
            still_ns: Some(seconds * 1_000_000_000),
            wait: Wait::Futex(Futex {
                address: Some(0x7f00),
                mutex: true,
            }),
            ..thread(1, "w")
        }
    }

    #[test]
    fn the_busy_ones_are_named() {
        let list = vec![
            busy_thread("image-worker-0", 2.0),
            busy_thread("image-worker-1", 1.9),
            busy_thread("x", 0.2),
        ];
        check(
            list,
            4.1,
            Severity::Ok,
            "4.1 of 8 cores busy, 95 % of it by image-worker-*.",
        );
        check(
            vec![busy_thread("x", 0.02)],
            0.02,
            Severity::Ok,
            "0.02 of 8 cores busy.",
        );
        check(vec![], 0.001, Severity::Ok, "Hardly any CPU is used.");
    }

    #[test]
    fn a_lock_that_many_wait_for_is_worse_the_longer_it_takes() {
        let text = |since: &str| {
            format!(
                "2 threads wait for what is probably one mutex (0x7f00), the longest for {since}; hardly any CPU is used."
            )
        };
        check(
            vec![waiter(2), waiter(3)],
            0.0,
            Severity::Warn,
            &text("3 s"),
        );
        check(
            vec![waiter(2), waiter(38)],
            0.0,
            Severity::Bad,
            &text("38 s"),
        );
        check(
            vec![waiter(38)],
            0.0,
            Severity::Ok,
            "Hardly any CPU is used.",
        );
        check(
            vec![waiter(0), waiter(0)],
            0.0,
            Severity::Ok,
            "Hardly any CPU is used.",
        );
    }

    #[test]
    fn a_thread_in_uninterruptible_sleep_comes_first() {
        let stuck = Thread {
            state: State::Uninterruptible,
            still_ns: Some(130_000_000_000),
            wait: Wait::Kernel("nfs_wait_bit".into()),
            ..thread(7, "disk")
        };
        let expected = "1 thread is in uninterruptible sleep, disk for 2m 10s (nfs_wait_bit); hardly any CPU is used.";
        check(vec![stuck], 0.0, Severity::Bad, expected);
    }

    #[test]
    fn threads_without_a_core_are_counted() {
        let hungry = |name| Thread {
            wait_ns_per_s: Some(0.6e9),
            ..busy_thread(name, 0.4)
        };
        let text = "1.2 threads on average are ready but have no core: others use the machine, or the cgroup throttles; \
                    0.8 of 8 cores busy, 50 % of it by";
        let threads = Threads {
            list: vec![hungry("a"), hungry("b")],
            cores: Some(0.8),
            ..Threads::default()
        };
        let (severity, sentence) = verdict(&threads, &Known::default(), Some(8.0));
        assert_eq!(severity, Severity::Warn);
        assert!(sentence.starts_with(text), "{sentence}");
    }
}
