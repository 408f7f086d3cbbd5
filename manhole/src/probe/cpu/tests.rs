//! Real threads are sampled; what they used is known to the nanosecond.

use super::*;
use crate::{
    model::samples::{Place, Samples},
    probe::{
        clock,
        sampling::testing::{self, check_sums, me, worker},
    },
    sys::{labels, testing::alone},
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

const MS: u64 = 1_000_000;

/// A window that is long enough for a machine that has other things to do; it ends when the work is done.
fn options(hz: u32) -> Options {
    testing::options(hz, Duration::from_secs(300))
}

/// Computes until the thread has used so much processor time from now on.
#[inline(never)]
fn burn(ns: u64) {
    let until = clock::thread_cpu_ns(me()).unwrap() + ns;
    while clock::thread_cpu_ns(me()).unwrap() < until {
        (0..500).for_each(|_| std::hint::spin_loop());
    }
}

/// Samples on a thread like the console's own, and has `work` done once the window is open. The window
/// is over some ticks after the work.
fn sampled(options: &Options, work: impl FnOnce() + Send) -> Samples {
    let (open, over) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let sampling = worker(scope, || {
            let progress = |ns| open.store(ns, Ordering::SeqCst);
            let keep_going = || !over.load(Ordering::SeqCst);
            sample(options, &keep_going, &progress).unwrap()
        });
        while open.load(Ordering::SeqCst) == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        work();
        over.store(true, Ordering::SeqCst);
        sampling.join().unwrap()
    })
}

/// Periods and nanoseconds of each thread, by name.
fn by_name(samples: &Samples) -> BTreeMap<String, (u64, u64)> {
    let mut all = BTreeMap::new();
    for (stack, weight) in samples.dump.threads.iter().zip(&samples.weights) {
        let entry: &mut (u64, u64) = all.entry(stack.name.clone()).or_default();
        entry.0 += weight.samples;
        entry.1 += weight.ns;
    }
    all
}

fn named(name: &str, work: impl FnOnce() + Send + 'static) -> thread::JoinHandle<()> {
    let builder = thread::Builder::new().name(name.to_owned());
    builder.spawn(work).unwrap()
}

/// A thread that is there before anybody samples, and begins when it is told.
fn ready(
    name: &str,
    go: &Arc<Barrier>,
    work: impl FnOnce() + Send + 'static,
) -> thread::JoinHandle<()> {
    let go = go.clone();
    named(name, move || {
        go.wait();
        work();
    })
}

/// Periods that may be missing at the end of a burst, or be there beyond it: until the next tick the
/// kernel does not look.
fn late(hz: u64) -> u64 {
    30 * hz / 1000 + 1
}

/// On a virtual machine that was not given its ticks at the very end of a burst, more is missing, and
/// nobody can help it: one of some attempts must be as it should. What is too much is always wrong.
fn within(periods: u64, expected: u64, hz: u64) -> bool {
    assert!(periods <= expected + late(hz), "{periods} of {expected}");
    periods + late(hz) >= expected
}

fn attempts(name: &str, mut attempt: impl FnMut() -> bool) {
    alone(module_path!(), name, || assert!((0..5).any(|_| attempt())));
}

/// Threads that use 50, 25, 15 and 10 % of what all use together, to the period: one more or less at
/// the start of each, and what the last tick came too late for, is all that may be wrong.
#[test]
fn shares_are_as_the_kernel_counts_them() {
    let name = "shares_are_as_the_kernel_counts_them";
    attempts(name, || shares_fit(100) && shares_fit(1000));
}

fn shares_fit(hz: u32) -> bool {
    let (total, shares, hz64) = (2000 * MS, [50, 25, 15, 10], u64::from(hz));
    let go = Arc::new(Barrier::new(5));
    let threads = shares.map(|share| {
        let work = move || burn(total * share / 100);
        ready(&format!("share-{share}"), &go, work)
    });
    let samples = sampled(&options(hz), || {
        go.wait();
        threads.into_iter().for_each(|it| it.join().unwrap());
    });
    check_sums(&samples);
    let report = &samples.report;
    assert_eq!((report.asked_hz, report.hz), (hz, hz));
    let used = report.cpu_ns.unwrap();
    assert!(used >= total && report.own_cpu_ns > 0, "{report:?}");
    assert!(report.truncated * 50 <= report.samples, "{report:?}");
    assert!(
        report.threads >= 5 && report.without_timer == 0,
        "{report:?}"
    );
    let seen = by_name(&samples);
    let fits = shares.map(|share| {
        let (periods, ns) = seen[&format!("share-{share}")];
        assert_eq!(ns, periods * (1000 * MS / hz64));
        within(periods, total * share / 100 * hz64 / (1000 * MS), hz64)
    });
    fits == [true; 4]
}

/// A thousand periods of one thread among a hundred that wait: none of these is blamed.
#[test]
fn one_hot_thread_among_a_hundred() {
    attempts("one_hot_thread_among_a_hundred", || {
        let (go, back) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(101)));
        let idle: Vec<_> = (0..100)
            .map(|nr| {
                let back = back.clone();
                named(&format!("idle-{nr}"), move || {
                    back.wait();
                })
            })
            .collect();
        let hot = ready("hot", &go, || burn(1000 * MS));
        let samples = sampled(&options(1000), || {
            go.wait();
            hot.join().unwrap();
        });
        back.wait();
        idle.into_iter().for_each(|it| it.join().unwrap());
        let seen = by_name(&samples);
        let idle = seen.iter().filter(|(name, _)| name.starts_with("idle"));
        let idle: u64 = idle.map(|(_, counted)| counted.0).sum();
        assert!(idle <= 20, "{idle}");
        within(seen["hot"].0, 1000, 1000)
    });
}

/// All windows get the highest rate, are told, and each counts what was in it.
#[test]
fn requests_at_the_same_time_share_one_sampler() {
    let name = "requests_at_the_same_time_share_one_sampler";
    alone(module_path!(), name, || {
        let mut short = None;
        let long = sampled(&options(50), || {
            burn(400 * MS);
            short = Some(sampled(&options(500), || burn(400 * MS)));
            burn(400 * MS);
        });
        let short = short.unwrap();
        for (samples, asked, used) in [(&short, 500, 400 * MS), (&long, 50, 1200 * MS)] {
            check_sums(samples);
            let report = &samples.report;
            assert_eq!((report.asked_hz, report.hz), (asked, 500));
            let counted: u64 = samples.weights.iter().map(|weight| weight.ns).sum();
            let late = 60 * MS + report.dropped * 20 * MS;
            assert!(counted + late >= used, "{counted} of {used}: {report:?}");
            assert!(
                counted <= report.cpu_ns.unwrap() + late,
                "{counted}: {report:?}"
            );
        }
    });
}

#[test]
fn whoever_leaves_gets_what_was_seen_and_takes_the_timers_along() {
    let name = "whoever_leaves_gets_what_was_seen_and_takes_the_timers_along";
    alone(module_path!(), name, || {
        let timers = || std::fs::read_to_string("/proc/self/timers").unwrap();
        let samples = sampled(&options(99), || assert_ne!(timers(), ""));
        assert!(samples.report.window_ns < 300_000 * MS);
        assert_eq!(timers(), "");
        let never = || sample(&options(99), &|| false, &|_| {});
        let never = thread::scope(|scope| worker(scope, never).join().unwrap());
        assert_eq!(never.unwrap_err().code, crate::model::Code::Cancelled);
        let short = Options {
            window: Duration::from_millis(1),
            ..options(99)
        };
        let again = || {
            for _ in 0..1000 {
                let samples = sample(&short, &|| true, &|_| {}).unwrap();
                assert!(samples.report.window_ns >= MS);
            }
        };
        thread::scope(|scope| worker(scope, again).join().unwrap());
        assert_eq!(timers(), "");
    });
}

/// Threads of 3 ms are met by the timer of the process: roughly, by chance, and on a busy machine seldom,
/// where many get a core right behind a tick and are gone before the next.
#[test]
fn threads_that_live_shorter_than_we_look() {
    let name = "threads_that_live_shorter_than_we_look";
    attempts(name, || {
        let samples = sampled(&options(1000), || {
            for _ in 0..200 {
                named("short", || burn(3 * MS)).join().unwrap();
            }
        });
        let seen = by_name(&samples);
        let counted: u64 = samples.weights.iter().map(|weight| weight.ns).sum();
        let used = samples.report.cpu_ns.unwrap();
        assert!(counted < used * 2, "{counted} of {used}: {seen:?}");
        counted * 5 > used
    });
}

/// Who says that it will be short is met from the first moment on.
#[test]
fn threads_that_guard_themselves() {
    alone(module_path!(), "threads_that_guard_themselves", || {
        let samples = sampled(&options(1000), || {
            for _ in 0..30 {
                let work = || {
                    let _guard = crate::sys::stacks::guard();
                    burn(30 * MS);
                };
                named("guarded", work).join().unwrap();
            }
        });
        let counted = by_name(&samples)["guarded"].0;
        // Of each the first period, and the last ticks.
        assert!((600..=930).contains(&counted), "{counted} of 900");
    });
}

#[test]
fn labels_are_told_apart() {
    alone(module_path!(), "labels_are_told_apart", || {
        let go = Arc::new(Barrier::new(2));
        let labelled = ready("labelled", &go, || {
            for value in ["a", "b"] {
                let pairs = vec![("tenant".to_owned(), value.to_owned())];
                let set = crate::model::labels::intern(pairs).unwrap();
                assert!(labels::set(me(), set.id));
                burn(200 * MS);
                labels::set(me(), 0);
            }
            burn(200 * MS);
        });
        let samples = sampled(&options(1000), || {
            go.wait();
            labelled.join().unwrap();
        });
        let mut seen: BTreeMap<String, u64> = BTreeMap::new();
        for (stack, weight) in samples.dump.threads.iter().zip(&samples.weights) {
            if stack.name == "labelled" {
                let labels = weight.labels.iter().map(|(k, v)| format!("{k}={v}"));
                let labels: Vec<String> = labels.collect();
                *seen.entry(labels.join(",")).or_default() += weight.samples;
            }
        }
        for labels in ["tenant=a", "tenant=b", ""] {
            let count = seen[labels];
            assert!(
                (100..=200 + late(1000)).contains(&count),
                "{labels}: {seen:?}"
            );
        }
    });
}

/// A thread that computes with the signal blocked: the time is known, and not blamed on the place where
/// it takes the signal at last.
#[test]
fn time_with_the_signal_blocked_is_nobodys() {
    alone(
        module_path!(),
        "time_with_the_signal_blocked_is_nobodys",
        || {
            let go = Arc::new(Barrier::new(2));
            let deaf = ready("deaf", &go, || {
                burn(100 * MS);
                crate::sys::signals::blocked_while(|| burn(300 * MS));
                burn(100 * MS);
            });
            let samples = sampled(&options(1000), || {
                go.wait();
                deaf.join().unwrap();
            });
            let mut seen: BTreeMap<Place, u64> = BTreeMap::new();
            for (stack, weight) in samples.dump.threads.iter().zip(&samples.weights) {
                if stack.name == "deaf" {
                    *seen.entry(weight.place).or_default() += weight.samples;
                }
            }
            let blocked = seen.get(&Place::SignalBlocked).copied().unwrap_or(0);
            assert!((200..=310).contains(&blocked), "{seen:?}");
            assert!((100..=310).contains(&seen[&Place::Stack]), "{seen:?}");
        },
    );
}

/// Where the kernel gives hardly any timers, the one of the process is what there is: nobody is refused.
#[test]
fn without_timers_there_is_still_an_answer() {
    alone(
        module_path!(),
        "without_timers_there_is_still_an_answer",
        || {
            use nix::sys::resource::{Resource, setrlimit};
            let go = Arc::new(Barrier::new(5));
            let threads = [0, 1, 2, 3].map(|nr| ready(&format!("t{nr}"), &go, || burn(50 * MS)));
            setrlimit(Resource::RLIMIT_SIGPENDING, 4, 4).unwrap();
            let samples = sampled(&options(1000), || {
                go.wait();
                threads.into_iter().for_each(|it| it.join().unwrap());
            });
            check_sums(&samples);
            let report = &samples.report;
            assert!(report.cpu_ns.unwrap() >= 200 * MS, "{report:?}");
            assert!(report.threads >= 5, "{report:?}");
            assert_eq!(std::fs::read_to_string("/proc/self/timers").unwrap(), "");
        },
    );
}
