//! Samples: what timers leave, of whom, and what is left when nobody samples any more.

use super::*;
use crate::sys::{
    labels,
    testing::{alone, in_a_child},
};
use nix::unistd::getpid;
use std::{collections::BTreeMap, sync::Mutex, time::Instant};

const MS: u64 = 1_000_000;

fn start(period_ns: u64) -> Sampling {
    Sampling::start(libc::SIGURG, period_ns, &|| true)
        .unwrap()
        .unwrap()
}

/// The kernel's list of this process's timers that have our signal and a value of ours.
fn timers() -> usize {
    let list = std::fs::read_to_string("/proc/self/timers").unwrap();
    let ours = list.lines().filter(|line| {
        let value = line.strip_prefix("signal: ");
        let value = value.and_then(|line| line.split_once('/'));
        let value = value.and_then(|(_, value)| u64::from_str_radix(value, 16).ok());
        value.is_some_and(|value| value::unpack(value).0 == area::magic())
    });
    ours.count()
}

fn cpu_ns(tid: u32) -> u64 {
    let id = (!(tid as i32) << 3) | 6;
    let time = nix::time::clock_gettime(nix::time::ClockId::from_raw(id)).unwrap();
    time.tv_sec() as u64 * 1000 * MS + time.tv_nsec() as u64
}

/// Computes until it has used so much processor time.
fn burn(ns: u64) {
    let until = cpu_ns(me()) + ns;
    while cpu_ns(me()) < until {
        (0..1000).for_each(|_| std::hint::spin_loop());
    }
}

/// What came of each thread: samples and periods.
type Seen = BTreeMap<u32, (u64, u64)>;

fn drain(sampling: &Sampling, seen: &mut Seen, mut look: impl FnMut(&Sample<'_>)) {
    sampling.drain(&mut |sample| {
        let entry = seen.entry(sample.tid).or_default();
        entry.0 += 1;
        entry.1 += u64::from(sample.weight);
        look(sample);
    });
}

/// Collects until what was asked for has ended.
fn collect_until(
    sampling: &Sampling,
    over: impl Fn() -> bool,
    mut look: impl FnMut(&Sample<'_>),
) -> Seen {
    let mut seen = Seen::new();
    while !over() {
        drain(sampling, &mut seen, &mut look);
        thread::sleep(Duration::from_millis(2));
    }
    drain(sampling, &mut seen, &mut look);
    seen
}

/// As many periods are counted as ended in the thread's own time, give or take the first and those
/// of the last tick.
#[test]
fn every_period_is_counted_once_with_its_threads_stack_and_label() {
    alone(
        module_path!(),
        "every_period_is_counted_once_with_its_threads_stack_and_label",
        || {
            for period in [10 * MS, MS] {
                let sampling = start(period);
                let victim = Victim::new(|back| {
                    labels::set(me(), 42);
                    burn(500 * MS);
                    labels::set(me(), 0);
                    while !back.load(Ordering::SeqCst) {
                        thread::sleep(Duration::from_millis(5));
                    }
                });
                let tid = victim.tid;
                let before = cpu_ns(tid);
                let timer = sampling.timer(Clock::Thread(tid)).unwrap();
                assert_eq!(timers(), 1);
                let mut labelled = 0;
                let seen = collect_until(
                    &sampling,
                    || cpu_ns(tid) > 500 * MS,
                    |sample| {
                        assert!(holds(sample.copied.stack, &pattern(sample.tid)));
                        assert!(!sample.of_process);
                        labelled += u64::from(sample.label == 42);
                    },
                );
                let used = cpu_ns(tid) - before;
                let (samples, periods) = seen[&tid];
                let expected = used / period;
                // A tick may be late by some, and with it the last signal.
                let late = 20 * MS / period + 2;
                assert!(
                    periods <= expected + 1 && periods + late >= expected,
                    "{periods} of {expected}, in {samples}"
                );
                assert!(labelled * 10 >= samples * 9, "{labelled} of {samples}");
                assert_eq!((seen.len(), sampling.dropped()), (1, 0));
                drop(timer);
                assert_eq!(timers(), 0);
            }
        },
    );
}

/// The signal of a period waits for the thread; the missed ones come with it.
#[test]
fn periods_that_end_while_the_signal_is_blocked_are_not_lost() {
    alone(
        module_path!(),
        "periods_that_end_while_the_signal_is_blocked_are_not_lost",
        || {
            let sampling = start(MS);
            let victim = Victim::new(|back| {
                change_mask(libc::SIG_BLOCK, libc::SIGURG);
                burn(100 * MS);
                change_mask(libc::SIG_UNBLOCK, libc::SIGURG);
                spin_softly(back);
            });
            let _timer = sampling.timer(Clock::Thread(victim.tid)).unwrap();
            let mut heaviest = 0;
            let begun = Instant::now();
            let over =
                || cpu_ns(victim.tid) > 100 * MS && begun.elapsed() > Duration::from_millis(500);
            collect_until(&sampling, over, |sample| {
                heaviest = sample.weight.max(heaviest)
            });
            assert!(heaviest >= 50, "{heaviest}");
        },
    );
}

#[test]
fn whoever_comes_when_it_is_over_leaves_nothing() {
    alone(
        module_path!(),
        "whoever_comes_when_it_is_over_leaves_nothing",
        || {
            let victim = Victim::new(|back| {
                change_mask(libc::SIG_BLOCK, libc::SIGURG);
                burn(30 * MS);
                spin_softly(back);
                change_mask(libc::SIG_UNBLOCK, libc::SIGURG);
            });
            let sampling = start(MS);
            let timer = sampling.timer(Clock::Thread(victim.tid)).unwrap();
            while cpu_ns(victim.tid) < 30 * MS {
                thread::sleep(Duration::from_millis(2));
            }
            // A signal is pending there, whose timer and whose sampling are gone when it is taken.
            drop((timer, sampling));
            assert_eq!(timers(), 0);
            let next = start(MS);
            victim.join();
            let mut seen = Seen::new();
            drain(&next, &mut seen, |_| {});
            assert_eq!(seen, Seen::new());
            let area = area::present().unwrap();
            drop(next);
            assert!(area.head().pool.gate.load(Ordering::SeqCst) == 0);
        },
    );
}

#[test]
fn one_samples_at_a_time() {
    alone(module_path!(), "one_samples_at_a_time", || {
        let sampling = start(MS);
        let second = Sampling::start(libc::SIGURG, MS, &|| true);
        assert_eq!(second.err(), Some(Unusable::Busy));
        drop(sampling);
        assert!(
            Sampling::start(libc::SIGURG, MS, &|| true)
                .unwrap()
                .is_some()
        );
    });
}

/// The timer of the process: its signals meet threads that nobody knows of, often enough.
#[test]
fn threads_without_a_timer_are_met_by_that_of_the_process() {
    alone(
        module_path!(),
        "threads_without_a_timer_are_met_by_that_of_the_process",
        || {
            let sampling = start(MS);
            let _timer = sampling.timer(Clock::Process).unwrap();
            let victim = Victim::new(|back| {
                burn(300 * MS);
                spin_softly(back);
            });
            let seen = collect_until(
                &sampling,
                || cpu_ns(victim.tid) > 300 * MS,
                |sample| assert!(sample.of_process),
            );
            assert!(
                seen.get(&victim.tid)
                    .is_some_and(|(samples, _)| *samples > 5),
                "{seen:?}"
            );
        },
    );
}

/// A thread that guards itself is met from its first moment on, once.
#[test]
fn a_guarded_thread_has_one_timer_while_somebody_samples() {
    alone(
        module_path!(),
        "a_guarded_thread_has_one_timer_while_somebody_samples",
        || {
            assert!(guard().is_none(), "nobody samples");
            let sampling = start(MS);
            let (send, receive) = mpsc::channel();
            let victim = Victim::new(move |back| {
                let guard = guard();
                let again = super::guard();
                send.send((guard.is_some(), again.is_some())).unwrap();
                burn(100 * MS);
                spin_softly(back);
                drop(guard);
                send.send((false, false)).unwrap();
                spin_softly(back);
            });
            assert_eq!(receive.recv(), Ok((true, false)));
            assert!(sampling.is_guarded(victim.tid));
            assert_eq!(timers(), 1);
            let seen = collect_until(&sampling, || cpu_ns(victim.tid) > 100 * MS, |_| {});
            assert!(seen[&victim.tid].1 >= 50, "{seen:?}");
            // Whoever is last takes the timer away: the console does when it stops to sample.
            drop(sampling);
            assert_eq!(timers(), 0);
            let sampling = start(MS);
            assert!(!sampling.is_guarded(victim.tid));
            victim.back.store(true, Ordering::SeqCst);
            receive.recv().unwrap();
            assert_eq!(timers(), 0);
        },
    );
}

#[test]
fn nothing_is_left_of_a_thousand_starts() {
    alone(
        module_path!(),
        "nothing_is_left_of_a_thousand_starts",
        || {
            let victim = Victim::new(|back| {
                while !back.load(Ordering::SeqCst) {
                    burn(MS);
                    thread::sleep(Duration::from_millis(1));
                }
            });
            for _ in 0..1000 {
                let sampling = start(MS);
                let timer = sampling.timer(Clock::Thread(victim.tid)).unwrap();
                sampling.drain(&mut |_| {});
                drop(timer);
            }
            assert_eq!(timers(), 0);
            let area = area::present().unwrap();
            victim.join();
            let pool = &area.head().pool;
            let free: u32 = pool
                .free
                .iter()
                .map(|word| word.load(Ordering::SeqCst).count_ones())
                .sum();
            let ready: u32 = pool
                .ready
                .iter()
                .map(|word| word.load(Ordering::SeqCst).count_ones())
                .sum();
            // The last ones may have come after the last look.
            assert_eq!((free + ready) as usize, area::TICKS);
            assert!(ready <= 1);
        },
    );
}

/// More samples than places: they are dropped, counted, and nobody else's place is taken.
#[test]
fn samples_that_find_no_place_are_counted() {
    alone(
        module_path!(),
        "samples_that_find_no_place_are_counted",
        || {
            let sampling = start(MS / 10);
            let victims: Vec<Victim> = (0..4).map(|_| Victim::new(spin)).collect();
            let timers: Vec<Timer> = victims
                .iter()
                .map(|victim| sampling.timer(Clock::Thread(victim.tid)).unwrap())
                .collect();
            while sampling.dropped() == 0 {
                thread::sleep(Duration::from_millis(20));
            }
            drop(timers);
            victims.into_iter().for_each(Victim::join);
            let mut seen = Seen::new();
            drain(&sampling, &mut seen, |sample| {
                assert!(holds(sample.copied.stack, &pattern(sample.tid)));
            });
            let samples: u64 = seen.values().map(|(samples, _)| samples).sum();
            assert_eq!(samples as usize, area::TICKS);
        },
    );
}

/// A thread is asked for its stack while its timer's signals come: the kernel drops one of two
/// pending signals, and the answer comes all the same.
#[test]
fn requests_are_answered_while_timers_run() {
    alone(
        module_path!(),
        "requests_are_answered_while_timers_run",
        || {
            let sampling = start(MS);
            let victim = Victim::new(spin);
            let _timer = sampling.timer(Clock::Thread(victim.tid)).unwrap();
            let mut seen = Seen::new();
            for _ in 0..2000 {
                look_at(victim.tid);
                drain(&sampling, &mut seen, |_| {});
            }
            assert!(
                seen.get(&victim.tid)
                    .is_some_and(|(samples, _)| *samples > 0)
            );
        },
    );
}

#[test]
fn a_forked_child_has_no_timer_no_gate_and_can_sample_itself() {
    alone(
        module_path!(),
        "a_forked_child_has_no_timer_no_gate_and_can_sample_itself",
        || {
            let sampling = start(MS);
            let guard = guard();
            assert!(guard.is_some());
            let sampling = Mutex::new(Some(sampling));
            let guard = Mutex::new(guard);
            in_a_child(|| {
                let inert = timers() == 0 && super::guard().is_none();
                // What was the parent's is dropped like anything else.
                drop((
                    sampling.lock().unwrap().take(),
                    guard.lock().unwrap().take(),
                ));
                let own = start(MS);
                let victim = Victim::new(spin);
                let timer = own.timer(Clock::Thread(victim.tid)).unwrap();
                let mut seen = Seen::new();
                while seen.is_empty() {
                    drain(&own, &mut seen, |_| {});
                }
                drop((timer, own));
                inert && timers() == 0 && seen.contains_key(&victim.tid)
            });
            assert_eq!(timers(), 1, "the guard's");
            assert!(getpid().as_raw() > 0);
        },
    );
}

extern "C" fn counts(_: libc::c_int, _: *mut libc::c_void, _: *mut libc::c_void) {
    THEIRS.fetch_add(1, Ordering::SeqCst);
}
static THEIRS: AtomicU32 = AtomicU32::new(0);

/// The host has a timer of its own with the very signal; its handler gets that, and nothing of ours.
#[test]
fn a_timer_of_the_hosts_reaches_the_hosts_handler() {
    alone(
        module_path!(),
        "a_timer_of_the_hosts_reaches_the_hosts_handler",
        || {
            let signal = own_signal();
            install(signal, counts as *const () as usize, libc::SA_SIGINFO, &[]);
            let sampling = Sampling::start(signal, MS, &|| true).unwrap().unwrap();
            assert!(sampling.is_hosts_too());
            let theirs = value::pack(area::magic().wrapping_add(1), 1, 0);
            let victim = Victim::new(spin);
            let timer = sampling.timer(Clock::Thread(victim.tid)).unwrap();
            let mut seen = Seen::new();
            while seen.is_empty() {
                drain(&sampling, &mut seen, |_| {});
            }
            drop(timer);
            assert_eq!(THEIRS.load(Ordering::SeqCst), 0);
            let host =
                timers::Timer::new(Clock::Thread(victim.tid), signal, theirs, MS, MS).unwrap();
            while THEIRS.load(Ordering::SeqCst) < 3 {
                thread::sleep(Duration::from_millis(1));
            }
            drop(host);
            victim.join();
            // Taken over: said, and nothing is sent any more by who looks.
            install(signal, counts as *const () as usize, libc::SA_SIGINFO, &[]);
            assert!(matches!(sampling.check(), Err(Unusable::Taken(_))));
        },
    );
}
