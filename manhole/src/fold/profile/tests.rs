//! Samples written as text, and what becomes of them.

use super::{super::tests::sample, *};
use crate::{
    model::{
        profile::Profile,
        samples::{Place, Report, Sampled, Samples, Throttled, Weight},
        wish::{Kind, Wish},
    },
    render::{collapsed, text},
};

/// The threads of `text`, each with its weight: samples of 10 ms.
fn samples(text: &str, what: Sampled, weights: &[u64]) -> Samples {
    let dump = sample::dump(text);
    assert_eq!(dump.threads.len(), weights.len());
    let total: u64 = weights.iter().sum();
    let weights = weights.iter().map(|samples| Weight {
        samples: *samples,
        ns: samples * 10_000_000,
        waits: if what == Sampled::Wall { 2 } else { 0 },
        ..Weight::default()
    });
    Samples {
        report: Report {
            what,
            window_ns: 5_000_000_000,
            asked_hz: 100,
            hz: 100,
            samples: total,
            truncated: total / 100,
            cpu_ns: Some(total * 10_050_000),
            threads: 62,
            throttled: Some(Throttled {
                periods: 50,
                ..Throttled::default()
            }),
            ..Report::default()
        },
        weights: weights.collect(),
        dump,
    }
}

fn wish(kind: Kind) -> Wish {
    Wish {
        kind,
        rows: Some(15),
        cores: Some(8.0),
        ..Wish::default()
    }
}

/// What `wish` makes of `samples`, and of its text the golden `name`, which `MANHOLE_GOLDEN=renew` writes.
#[track_caller]
fn check(samples: &Samples, wish: &Wish, name: &str) {
    let answer = answer(samples.clone(), wish.clone(), None);
    let text = text::shown(&answer, text::TextStyle { next: true });
    let about = answer.about.unwrap_or_default();
    let found = format!("# {about}\n{text}");
    let file = format!(
        "{}/src/fold/testdata/profile/{name}.txt",
        env!("CARGO_MANIFEST_DIR")
    );
    if std::env::var("MANHOLE_GOLDEN").is_ok_and(|value| value == "renew") {
        std::fs::write(file, found).unwrap();
    } else {
        assert_eq!(found, std::fs::read_to_string(file).unwrap_or_default());
    }
}

/// Four threads that parse, one that answers requests, one of C.
const BUSY: &str = "
thread 4751 image-worker-0 R
  checkout | core::str::from_utf8
  + | <serde_json::de::Deserializer<R>>::parse_number | /root/.cargo/registry/src/x-1/serde_json-1.0.0/src/de.rs:9
  checkout | <serde_json::de::Deserializer<R>>::deserialize_struct
  checkout | checkout::pricing::reprice | /srv/checkout/src/pricing.rs:3
  checkout | checkout::pricing::worker_loop | /srv/checkout/src/pricing.rs:7
  (start)
thread 4752 image-worker-1 R
  libc.so.6 | _int_malloc
  libc.so.6 | malloc
  checkout | alloc::alloc::alloc
  checkout | checkout::pricing::reprice | /srv/checkout/src/pricing.rs:4
  checkout | checkout::pricing::reprice | /srv/checkout/src/pricing.rs:3
  checkout | checkout::pricing::worker_loop | /srv/checkout/src/pricing.rs:7
  (start)
thread 4753 image-worker-2 R
  checkout | checkout::pricing::reprice | /srv/checkout/src/pricing.rs:3
  checkout | checkout::pricing::worker_loop | /srv/checkout/src/pricing.rs:7
  (start)
thread 4713 tokio-rt-worker R
  checkout | checkout::price::{{closure}} | /srv/checkout/src/main.rs:14
  checkout | axum::handler::Handler::call
  checkout | hyper::proto::h1::dispatch::Dispatcher<D,Bs,I,T>::poll_loop
  checkout | tokio::runtime::task::core::Core<T,S>::poll
  checkout | tokio::runtime::scheduler::multi_thread::worker::Context::run_task
  checkout | tokio::runtime::scheduler::multi_thread::worker::run
  (start)
thread 4799 rdk:broker1 R
  librdkafka.so.1 | rd_kafka_broker_serve
  librdkafka.so.1 | ?
  libc.so.6 | start_thread
";

/// Three that wait for a lock, one that holds it asleep, one that reads, one in a condition variable,
/// and two that wait for work.
const WAITING: &str = "
main 4711 checkout S futex 0x7f 0x189 0x0 0x0
  libc.so.6 | syscall
  checkout | std::thread::park::park
  checkout | checkout::main | /srv/checkout/src/main.rs:20
  (start)
thread 4713 tokio-rt-worker S futex 0x7f9b5686d9fa 0x189 0x2 0x0
  libc.so.6 | syscall
  checkout | std::sys::sync::mutex::futex::Mutex::lock_contended
  checkout | checkout::cache::Cache::lookup | /srv/checkout/src/cache.rs:6
  checkout | checkout::price::{{closure}} | /srv/checkout/src/main.rs:14
  checkout | tokio::runtime::task::core::Core<T,S>::poll
  checkout | tokio::runtime::scheduler::multi_thread::worker::Context::run_task
  checkout | tokio::runtime::scheduler::multi_thread::worker::run
  (start)
thread 4714 tokio-rt-worker S futex 0x7f9b5686d9fa 0x189 0x2 0x0
  libc.so.6 | syscall
  checkout | std::sys::sync::mutex::futex::Mutex::lock_contended
  checkout | checkout::cache::Cache::lookup | /srv/checkout/src/cache.rs:6
  checkout | tokio::runtime::task::core::Core<T,S>::poll
  checkout | tokio::runtime::scheduler::multi_thread::worker::Context::run_task
  checkout | tokio::runtime::scheduler::multi_thread::worker::run
  (start)
thread 4715 tokio-rt-worker S epoll
  libc.so.6 | epoll_wait
  checkout | mio::poll::Poll::poll
  checkout | tokio::runtime::io::driver::Driver::turn
  checkout | tokio::runtime::scheduler::multi_thread::worker::Context::park_internal
  checkout | tokio::runtime::scheduler::multi_thread::worker::run
  (start)
thread 4766 flusher S sleep
  libc.so.6 | clock_nanosleep
  checkout | std::thread::sleep
  checkout | checkout::flush::write_page | /srv/checkout/src/flush.rs:1
  checkout | checkout::flush::run | /srv/checkout/src/flush.rs:9
  (start)
thread 4767 db-reader S recv 0x1f 10.2.0.9:5432
  libc.so.6 | recv
  checkout | std::net::TcpStream::read
  checkout | checkout::db::read | /srv/checkout/src/db.rs:4
  (start)
thread 4768 batcher S futex 0x7fa0 0x189 0x3 0x0
  libc.so.6 | syscall
  checkout | std::sys::sync::condvar::futex::Condvar::wait
  checkout | checkout::batch::next | /srv/checkout/src/batch.rs:4
  (start)
thread 4769 batcher R
  checkout | checkout::batch::run | /srv/checkout/src/batch.rs:9
  (start)
";

#[test]
fn cpu_is_told_by_code_and_by_function() {
    let mut busy = samples(BUSY, Sampled::Cpu, &[1240, 480, 260, 9, 4]);
    check(&busy, &wish(Kind::Cpu), "cpu");
    let few = Wish {
        rows: Some(2),
        full_names: true,
        ..wish(Kind::Cpu)
    };
    check(&busy, &few, "cpu-few-full");
    busy.weights[2].place = Place::SignalBlocked;
    let workers = Wish {
        thread: Some("image-*,worker".to_owned()),
        tree: true,
        ..wish(Kind::Cpu)
    };
    check(&busy, &workers, "cpu-tree");
}

#[test]
fn nothing_is_no_error() {
    let idle = samples("", Sampled::Cpu, &[]);
    check(&idle, &wish(Kind::Cpu), "cpu-nothing");
    let waits = samples("", Sampled::Wall, &[]);
    check(&waits, &wish(Kind::Mutex), "mutex-nothing");
}

#[test]
fn time_of_the_clock_is_classified() {
    let waiting = samples(
        WAITING,
        Sampled::Wall,
        &[500, 400, 450, 500, 500, 500, 300, 200],
    );
    check(&waiting, &wish(Kind::Wall), "wall");
    check(&waiting, &wish(Kind::Block), "block");
    check(&waiting, &wish(Kind::Mutex), "mutex");
}

#[test]
fn a_function_that_calls_itself_counts_once() {
    let text = "
thread 1 w R
  checkout | checkout::a
  checkout | checkout::b
  checkout | checkout::a
  checkout | checkout::b
  checkout | checkout::a
";
    check(
        &samples(text, Sampled::Cpu, &[7]),
        &wish(Kind::Cpu),
        "cpu-recursion",
    );
}

/// A worker has 512 KiB of stack, and frames of tests are larger than those of what is shipped.
#[test]
fn no_depth_of_stacks_is_too_deep_for_ours() {
    let frames: String = (0..4000)
        .map(|at| format!("  checkout | checkout::f{at}\n"))
        .collect();
    let text = format!("thread 1 w R\n{frames}thread 2 w R\n  checkout | checkout::g\n{frames}");
    let deep = samples(&text, Sampled::Cpu, &[3, 1]);
    let wish = Wish {
        tree: true,
        rows: None,
        ..wish(Kind::Cpu)
    };
    let small = std::thread::Builder::new().stack_size(512 << 10);
    let shown =
        small.spawn(move || text::shown(&answer(deep, wish, None), text::TextStyle::default()));
    let shown = shown.unwrap().join().unwrap();
    assert!(shown.contains("checkout::f3999") && !shown.contains("checkout::f3000"));
}

#[test]
fn threads_are_chosen_by_what_they_were_and_what_they_are() {
    let busy = samples(BUSY, Sampled::Cpu, &[1, 2, 4, 8, 16]);
    let met = |thread: &str, tids: &[u32]| {
        let wish = Wish {
            thread: Some(thread.to_owned()),
            tids: tids.to_vec(),
            ..wish(Kind::Cpu)
        };
        let samples = profile(&busy, &wish).samples;
        samples.iter().map(|sample| sample.values[0]).sum::<i64>()
    };
    assert_eq!(met("worker", &[]), 8);
    assert_eq!(met("worker 2", &[4713]), 8);
    assert_eq!(met("image-*,4799", &[]), 23);
    assert_eq!(met("nobody", &[]), 0);
}

fn lines(profile: &Profile, value: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let done: Result<(), ()> = collapsed::render(profile, value, &mut |line| {
        lines.push(line.to_owned());
        Ok(())
    });
    assert_eq!(done, Ok(()));
    lines
}

#[test]
fn a_profile_has_every_frame_and_the_program_first() {
    let mut busy = samples(BUSY, Sampled::Cpu, &[3, 2, 1, 1, 1]);
    // As if a library lay below the program.
    busy.dump.modules.rotate_left(1);
    let last = busy.dump.modules.len() as u32 - 1;
    let frames = busy
        .dump
        .threads
        .iter_mut()
        .flat_map(|thread| std::sync::Arc::get_mut(&mut thread.frames).unwrap());
    frames
        .for_each(|frame| frame.module = frame.module.map(|at| at.checked_sub(1).unwrap_or(last)));
    busy.weights[2].place = Place::TooMany;
    busy.weights[0].labels = vec![("tenant".to_owned(), "acme".to_owned())].into();
    let profile = profile(&busy, &wish(Kind::Cpu));
    assert_eq!(profile.modules[0].path, "/usr/bin/checkout");
    assert_eq!(
        (profile.period, profile.duration_ns),
        (10_000_000, 5_000_000_000)
    );
    let kinds: Vec<_> = profile
        .sample_types
        .iter()
        .map(|it| (it.kind, it.unit))
        .collect();
    assert_eq!(kinds, [("samples", "count"), ("cpu", "nanoseconds")]);
    assert_eq!(profile.samples[1].values, [2, 20_000_000]);
    let labels = format!("{:?}", profile.samples[0].labels);
    for part in ["image-worker-0", "4751", "tenant", "acme"] {
        assert!(labels.contains(part), "{labels}");
    }
    assert!(format!("{:?}", profile.samples[3].labels).contains("worker"));
    let lines = lines(&profile, 0);
    assert!(
        lines.contains(&"[further stacks] 1".to_owned()),
        "{lines:?}"
    );
    let malloc = "checkout::pricing::reprice;alloc::alloc::alloc;malloc;_int_malloc 2";
    assert!(lines.iter().any(|line| line.ends_with(malloc)), "{lines:?}");
    let shared = profile
        .frames
        .iter()
        .filter(|frame| frame.module == Some(0))
        .count();
    assert!(shared > 5 && profile.comments[1].starts_with("8 samples"));
}

#[test]
fn contentions_are_those_of_locks() {
    let waiting = samples(WAITING, Sampled::Wall, &[9, 4, 3, 9, 9, 9, 9, 9]);
    let profile = profile(&waiting, &wish(Kind::Mutex));
    let values: Vec<_> = profile
        .samples
        .iter()
        .map(|sample| sample.values.clone())
        .collect();
    assert_eq!(values, [[2, 40_000_000], [2, 30_000_000]]);
    assert_eq!(profile.sample_types[1].kind, "delay");
    assert!(format!("{:?}", profile.samples[0].labels).contains("std Mutex"));
}

#[test]
fn threads_are_counted_as_goroutines() {
    let profile = of_threads(&sample::dump(WAITING));
    assert_eq!(profile.samples.len(), 8);
    assert!(profile.samples.iter().all(|sample| sample.values == [1]));
    assert_eq!(profile.sample_types[0].kind, "goroutine");
    assert!(
        lines(&profile, 0)
            .iter()
            .any(|line| line.contains("Cache::lookup"))
    );
}
