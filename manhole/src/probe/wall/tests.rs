//! Real threads that are known to run, to wait, to come and to go.

use super::{Options, sample};
use crate::{
    model::{
        Failure,
        samples::{Place, Samples, Weight},
        stack::{Answered, ThreadStack},
    },
    probe::{
        sampling::testing::{self, check_sums, me, worker},
        threads::SchedStat,
    },
    sys::{
        signals,
        testing::{alone, in_a_child},
    },
};
use nix::libc;
use std::{
    cell::Cell,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

fn options(millis: u64) -> Options {
    testing::options(100, Duration::from_millis(millis))
}

fn try_take(options: &Options) -> Result<Samples, Failure> {
    let taking = || sample(options, &|| true, &|_| {});
    thread::scope(|scope| worker(scope, taking).join().unwrap())
}

fn take(options: &Options) -> Samples {
    let samples = try_take(options).unwrap();
    check_sums(&samples);
    samples
}

/// How many threads there are.
fn there() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// A thread that does something until it is told to end.
struct Victim {
    tid: u32,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Victim {
    /// `body` is called again and again.
    fn new(mut body: impl FnMut() + Send + 'static) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (send, receive) = mpsc::channel();
        let is_over = over.clone();
        let run = move || {
            send.send(me()).unwrap();
            while !is_over.load(Ordering::Relaxed) {
                body();
            }
        };
        let thread = thread::spawn(run);
        Self {
            tid: receive.recv().unwrap(),
            over,
            thread: Some(thread),
        }
    }

    fn hot() -> Self {
        Self::new(std::hint::spin_loop)
    }

    /// Waits to be unparked, which its end does; it does so already.
    fn idle() -> Self {
        let victim = Self::new(thread::park);
        let path = format!("/proc/self/task/{}/stat", victim.tid);
        let sleeps = || std::fs::read_to_string(&path).is_ok_and(|stat| stat.contains(") S "));
        while !(0..5).all(|_| {
            thread::sleep(Duration::from_millis(2));
            sleeps()
        }) {}
        victim
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            thread.join().unwrap();
        }
    }
}

fn of(samples: &Samples, tid: u32) -> Vec<(&ThreadStack, &Weight)> {
    let all = samples.dump.threads.iter().zip(&samples.weights);
    all.filter(|(stack, _)| stack.tid == tid).collect()
}

fn ns(entries: &[(&ThreadStack, &Weight)]) -> u64 {
    entries.iter().map(|(_, weight)| weight.ns).sum()
}

fn in_futex(stack: &ThreadStack) -> bool {
    let number = stack.call.as_ref().and_then(|call| call.number);
    number == Some(libc::SYS_futex)
}

/// How far a share may be off that so many samples tell: four deviations, and a sample at either end.
fn slack(share: f64, samples: u64) -> f64 {
    let samples = samples as f64;
    4.0 * (share * (1.0 - share) / samples).sqrt() + 3.0 / samples
}

/// How long a thread was ready for a core and had none, since it began, in nanoseconds.
fn ready_ns(tid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/self/task/{tid}/schedstat"));
    SchedStat::parse(&text.unwrap()).unwrap().wait_ns
}

#[test]
fn each_thread_has_the_whole_window_and_those_that_wait_are_hardly_asked() {
    let name = "each_thread_has_the_whole_window_and_those_that_wait_are_hardly_asked";
    alone(module_path!(), name, || {
        let hot = Victim::hot();
        let idle: Vec<Victim> = (0..12).map(|_| Victim::idle()).collect();
        let there = there();
        let samples = take(&options(600));
        let report = &samples.report;
        assert!(report.window_ns >= 600_000_000, "{report:?}");
        assert_eq!((report.threads, report.calls_hidden), (there, false));
        for victim in idle.iter().chain([&hot]) {
            let entries = of(&samples, victim.tid);
            let (own, ticks) = (ns(&entries), report.samples);
            assert!(report.window_ns.abs_diff(own) <= ticks, "{own} {report:?}");
        }
        for victim in &idle {
            let entries = of(&samples, victim.tid);
            // On a busy machine one or another does not answer in time, and is seen from outside.
            assert!(
                entries.iter().all(|(stack, _)| in_futex(stack)),
                "{entries:?}"
            );
            let answered = entries
                .iter()
                .filter(|(stack, _)| stack.answer == Answered::Stack);
            assert!(answered.clone().all(|(stack, _)| stack.frames.len() > 4));
            let waits: u64 = answered.map(|(_, weight)| weight.waits).sum();
            assert!(waits <= 1, "{entries:?}");
        }
        let entries = of(&samples, hot.tid);
        assert!(
            entries
                .iter()
                .all(|(stack, weight)| stack.call.is_none() && weight.waits == 0)
        );
        // The first look at each, a second for one or another, and each look at the one that runs.
        let there = there as u64;
        let (asked, ticks) = (report.samples - report.reused, report.samples / there);
        assert!(asked <= 2 * there + ticks, "{report:?}");
    });
}

#[test]
fn the_time_that_a_thread_waits_for_a_lock_is_booked_where_it_does() {
    let name = "the_time_that_a_thread_waits_for_a_lock_is_booked_where_it_does";
    alone(module_path!(), name, || {
        let lock = Arc::new(Mutex::new(()));
        let (waited, rounds) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let holder = {
            let lock = lock.clone();
            Victim::new(move || {
                let held = lock.lock().unwrap();
                thread::sleep(Duration::from_millis(60));
                drop(held);
                thread::sleep(Duration::from_millis(60));
            })
        };
        let waiter = {
            let (waited, rounds) = (waited.clone(), rounds.clone());
            Victim::new(move || {
                let since = Instant::now();
                drop(lock.lock().unwrap());
                waited.fetch_add(since.elapsed().as_nanos() as u64, Ordering::Relaxed);
                rounds.fetch_add(1, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(5));
            })
        };
        let look = || {
            let known = [&waited, &rounds].map(|it| it.load(Ordering::Relaxed));
            (Instant::now(), known, ready_ns(waiter.tid))
        };
        let (began, [waited_before, rounds_before], ready_before) = look();
        let samples = take(&options(1500));
        let (ended, [waited_after, rounds_after], ready_after) = look();
        let all = (ended - began).as_nanos() as f64;
        let known = (waited_after - waited_before) as f64 / all;
        // It was ready and had no core, when the lock was free at last: then it does not wait for that.
        let ready = (ready_after - ready_before) as f64 / all;
        let entries = of(&samples, waiter.tid);
        let of_lock = |stack: &ThreadStack| in_futex(stack) && stack.frames.len() > 4;
        let waits = entries.iter().filter(|(stack, _)| of_lock(stack));
        let waits: Vec<_> = waits.copied().collect();
        let report = &samples.report;
        let found = ns(&waits) as f64 / report.window_ns as f64;
        // A wait at either end is known as a whole or not at all.
        let taken = entries.iter().map(|(_, weight)| weight.samples).sum();
        let slack = slack(known, taken) + 2.0 * 70e6 / all;
        assert!(
            (known - ready - slack..known + slack).contains(&found),
            "{found}, {known} is known, {ready} ready"
        );
        let seen: u64 = waits.iter().map(|(_, weight)| weight.waits).sum();
        let there = rounds_after - rounds_before + 2;
        assert!((1..=there).contains(&seen), "{seen} of {there}");
        drop((waiter, holder));
    });
}

#[test]
fn threads_that_come_and_go_are_met() {
    alone(module_path!(), "threads_that_come_and_go_are_met", || {
        let coming = Victim::new(|| {
            let body = || thread::sleep(Duration::from_millis(40));
            let named = |nr| thread::Builder::new().name(format!("short-{nr}"));
            let all: Vec<_> = (0..4).map(|nr| named(nr).spawn(body).unwrap()).collect();
            all.into_iter().for_each(|thread| thread.join().unwrap());
        });
        let samples = take(&options(800));
        drop(coming);
        let threads = samples.dump.threads.iter();
        let mut met: Vec<u32> = threads
            .filter(|stack| stack.name.starts_with("short-"))
            .map(|stack| stack.tid)
            .collect();
        met.dedup();
        assert!(met.len() > 4, "{met:?}");
        let window = samples.report.window_ns;
        let slack = samples.report.samples;
        assert!(
            met.iter()
                .all(|tid| ns(&of(&samples, *tid)) <= window + slack)
        );
    });
}

#[test]
fn who_cannot_be_asked_is_counted_with_what_the_kernel_knows() {
    alone(
        module_path!(),
        "who_cannot_be_asked_is_counted_with_what_the_kernel_knows",
        || {
            let (send, receive) = mpsc::channel();
            let (end, ending) = mpsc::channel::<()>();
            let blocking = thread::spawn(move || {
                signals::blocked_while(|| {
                    send.send(me()).unwrap();
                    let _ = ending.recv();
                });
            });
            let tid = receive.recv().unwrap();
            let samples = take(&options(300));
            let entries = of(&samples, tid);
            let waiting = entries.iter().filter(|(stack, weight)| {
                let mute = (stack.answer, weight.place) == (Answered::Blocks, Place::NoStack);
                mute && stack.frames.is_empty() && in_futex(stack)
            });
            assert!(waiting.clone().count() >= 1, "{entries:?}");
            assert_eq!(waiting.map(|(_, weight)| weight.waits).sum::<u64>(), 1);
            assert!(samples.report.window_ns.abs_diff(ns(&entries)) <= samples.report.samples);
            drop(end);
            blocking.join().unwrap();
        },
    );
}

#[test]
fn labels_are_on_the_samples_of_their_thread_alone() {
    alone(
        module_path!(),
        "labels_are_on_the_samples_of_their_thread_alone",
        || {
            let labelled = Victim::new(|| {
                let _label = crate::app::label::label("tenant", "acme");
                thread::park();
            });
            let plain = Victim::idle();
            let samples = take(&options(200));
            let says = |tid: u32| {
                let entries = of(&samples, tid);
                let labels = entries.iter().flat_map(|(_, weight)| weight.labels.iter());
                let mut texts: Vec<String> = labels
                    .map(|(key, value)| format!("{key}={value}"))
                    .collect();
                texts.dedup();
                texts
            };
            assert_eq!(says(labelled.tid), ["tenant=acme"]);
            assert_eq!(says(plain.tid), [""; 0]);
        },
    );
}

#[test]
fn requests_at_the_same_time_share_the_sampler_and_each_has_its_window() {
    let name = "requests_at_the_same_time_share_the_sampler_and_each_has_its_window";
    alone(module_path!(), name, || {
        let [one, two] = [(); 2].map(|()| Victim::idle());
        let slow = Options {
            hz: 50,
            ..options(500)
        };
        let all = [options(200), slow, options(300)];
        let there = there();
        let found = thread::scope(|scope| {
            let taking = |options| worker(scope, move || sample(options, &|| true, &|_| {}));
            let all = all.each_ref().map(taking);
            all.map(|one| one.join().unwrap().unwrap())
        });
        for (samples, asked) in found.iter().zip(&all) {
            check_sums(samples);
            let report = &samples.report;
            assert!(report.window_ns >= asked.window.as_nanos() as u64);
            assert_eq!((report.asked_hz, report.threads), (asked.hz, there));
            for victim in [&one, &two] {
                let own = ns(&of(samples, victim.tid));
                assert!(
                    report.window_ns.abs_diff(own) <= report.samples,
                    "{report:?}"
                );
            }
        }
        // Long enough to have met the others.
        assert_eq!(found[1].report.hz, 100);
    });
}

#[test]
fn who_gives_up_gets_what_was_seen_until_then() {
    alone(
        module_path!(),
        "who_gives_up_gets_what_was_seen_until_then",
        || {
            let idle = Victim::idle();
            let mostly = || {
                let done = Cell::new(0);
                let keep_going = || done.get() < 50_000_000;
                sample(&options(60_000), &keep_going, &|ns| done.set(ns)).unwrap()
            };
            let nothing = || sample(&options(60_000), &|| false, &|_| {});
            let (samples, nothing) = thread::scope(|scope| {
                let samples = worker(scope, mostly).join().unwrap();
                (samples, worker(scope, nothing).join().unwrap())
            });
            assert!(samples.report.window_ns >= 50_000_000);
            assert!(samples.report.window_ns < 60_000_000_000);
            assert!(ns(&of(&samples, idle.tid)) > 0);
            assert!(nothing.is_err() || nothing.is_ok_and(|samples| samples.report.samples == 0));
        },
    );
}

#[test]
fn a_process_that_dropped_root_is_sampled_by_the_schedulers_books() {
    in_a_child(|| {
        let nobody = nix::unistd::Uid::from_raw(65_534);
        if nix::unistd::geteuid().is_root() && nix::unistd::setuid(nobody).is_err() {
            return false;
        }
        let _ = nix::sys::prctl::set_dumpable(false);
        let (hot, idle) = (Victim::hot(), Victim::idle());
        let Ok(samples) = try_take(&options(500)) else {
            return false;
        };
        let report = &samples.report;
        let waits = of(&samples, idle.tid);
        let runs = of(&samples, hot.tid);
        let answered = |entry: &&(&ThreadStack, &Weight)| entry.0.answer == Answered::Stack;
        let waiting =
            |(stack, _): &(&ThreadStack, &Weight)| in_futex(stack) && stack.frames.len() > 4;
        report.calls_hidden
            && report.reused > 0
            && waits.iter().filter(answered).all(waiting)
            && runs.iter().all(|(stack, _)| stack.call.is_none())
            && report.window_ns.abs_diff(ns(&waits)) <= report.samples
    });
}
