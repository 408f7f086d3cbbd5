//! Small dumps, each for one rule.

use super::{super::*, LockKind, look, sample, wait};
use crate::model::stack::{Answered, End};

/// The verdict on `dump` and its sections, as people see them.
#[track_caller]
fn check_dump(dump: &Dump, expected: &str) {
    let found = look(dump, &Options::default());
    let end = found.find("\n\nnext: ").unwrap_or(found.len());
    assert_eq!(found[..end].trim(), expected.trim());
}

/// The same for the threads of `texts`.
#[track_caller]
fn check(texts: &[String], expected: &str) {
    check_dump(&sample::dump(&texts.concat()), expected);
}

/// The verdict on the threads of `texts`.
#[track_caller]
fn check_verdict(texts: &[String], expected: &str) {
    let found = look(&sample::dump(&texts.concat()), &Options::default());
    assert_eq!(found.lines().next(), Some(expected));
}

const WORKER: &str = "  checkout | tokio::runtime::task::core::Core<T,S>::poll
  checkout | tokio::runtime::scheduler::multi_thread::worker::Context::run_task
  checkout | tokio::runtime::scheduler::multi_thread::worker::run
  checkout | tokio::runtime::blocking::pool::Inner::run
  (start)
";

/// A thread that waits for the lock at `address` in `function`; its root is `root`.
fn waits(tid: u32, address: u64, function: &str, root: &str) -> String {
    format!(
        "thread {tid} t S futex {address:#x} 0x0 0x2 0x0
  libc.so.6 | syscall
  checkout | std::sys::sync::mutex::futex::Mutex::lock_contended
  checkout | {function}
{root}"
    )
}

/// A thread that sleeps in `function`.
fn sleeps(tid: u32, function: &str, root: &str) -> String {
    format!(
        "thread {tid} t S sleep
  libc.so.6 | clock_nanosleep
  checkout | std::thread::sleep
  checkout | {function}
{root}"
    )
}

/// A worker without work; `how` is the call that it waits in.
fn rests(tid: u32, how: &str) -> String {
    format!(
        "thread {tid} t S {how}
  libc.so.6 | syscall
  checkout | tokio::runtime::scheduler::multi_thread::worker::Context::park
  checkout | tokio::runtime::scheduler::multi_thread::worker::run
  (start)
"
    )
}

/// A thread on a core, in `functions`, leaf first.
fn runs(tid: u32, functions: &[&str]) -> String {
    let lines = functions.iter().map(|function| format!("  {function}\n"));
    format!("thread {tid} t R\n{}  (start)\n", lines.collect::<String>())
}

const START: &str = "  (start)\n";

#[test]
fn who_is_in_the_function_behind_the_line_probably_holds_the_lock() {
    let page = "checkout::flush::page | /srv/checkout/src/flush.rs";
    let text = [
        waits(1, 0x10, &format!("{page}:7"), START),
        waits(2, 0x10, &format!("{page}:7"), START),
        sleeps(3, &format!("{page}:6"), START),
        sleeps(4, &format!("{page}:8"), START),
    ];
    let expected = "
warn: 2 threads wait for one std Mutex, lock A; 4 probably holds it, asleep in flush::page.

WAIT FOR A LOCK   2 threads, lock A (std Mutex at 0x10)
   2  t           1 2
        checkout::flush::page                              src/flush.rs:7

WAIT IN THE APPLICATION   2 threads
   1  t           4   sleeps; probably holds lock A
        checkout::flush::page                              src/flush.rs:8
   1  t           3   sleeps
        checkout::flush::page                              src/flush.rs:6";
    check(&text, expected);
}

#[test]
fn the_only_thread_in_another_method_probably_holds_the_lock() {
    let get = |tid| waits(tid, 0x10, "checkout::Cache::get", START);
    let one = [get(1), get(2), sleeps(3, "checkout::Cache::reload", START)];
    let text = "warn: 2 threads wait for one std Mutex, lock A; 3 probably holds it, asleep in Cache::reload.";
    check_verdict(&one, text);
    let two = [one.concat(), sleeps(4, "checkout::Cache::load", START)];
    let text = "warn: 2 threads wait for one std Mutex, lock A.";
    check_verdict(&two, text);
    let module = [get(1), sleeps(3, "checkout::reload", START)];
    check_verdict(&module, "ok: 1 thread waits for a std Mutex, lock A.");
    let two = [
        get(1),
        get(2),
        sleeps(3, "checkout::Cache::get", START),
        sleeps(4, "checkout::Cache::get", START),
    ];
    let text = "warn: 2 threads wait for one std Mutex, lock A; 3 or 4 probably holds it.";
    check_verdict(&two, text);
    let chain = [
        get(1),
        get(2),
        waits(3, 0x20, "checkout::Cache::get", START),
    ];
    let text = "warn: 2 threads wait for one std Mutex, lock A; 3 probably holds it, itself waiting for lock B in Cache::get; 1 more waits for 1 other lock.";
    check_verdict(&chain, text);
}

#[test]
fn workers_that_are_blocked_run_no_task() {
    let all = [
        waits(1, 0x10, "checkout::a", WORKER),
        waits(2, 0x10, "checkout::a", WORKER),
    ];
    let text = "bad: All 2 tokio workers wait for one std Mutex, lock A and run no task.";
    check_verdict(&all, text);
    let mixed = [
        waits(1, 0x10, "checkout::a", WORKER),
        sleeps(2, "checkout::rates::reload", WORKER),
    ];
    let text = "bad: All 2 tokio workers are blocked and run no task: 1 for lock A and 1 in rates::reload (sleeps); 1 of 2 tokio workers waits for a std Mutex, lock A.";
    check_verdict(&mixed, text);
    let one = [sleeps(1, "checkout::rates::reload", WORKER)];
    let text =
        "bad: The only tokio worker is blocked and runs no task: it sleeps in rates::reload.";
    check_verdict(&one, text);
    let some = [
        sleeps(1, "checkout::rates::reload", WORKER),
        rests(2, "epoll"),
    ];
    let text = "warn: 1 of 2 tokio workers is blocked: it sleeps in rates::reload.";
    check_verdict(&some, text);
    let deaf = [
        sleeps(1, "checkout::rates::reload", WORKER),
        rests(2, "futex"),
    ];
    let text = "warn: 1 of 2 tokio workers is blocked: it sleeps in rates::reload; none of the idle workers waits in epoll, so that I/O and timers go unnoticed.";
    check_verdict(&deaf, text);
    let busy = [
        deaf.concat(),
        runs(
            3,
            &[
                "checkout | checkout::f",
                "checkout | tokio::runtime::scheduler::multi_thread::worker::run",
            ],
        ),
    ];
    let text = "warn: 1 of 3 tokio workers is blocked: it sleeps in rates::reload.";
    check_verdict(&busy, text);
}

#[test]
fn all_is_well() {
    let text = [
        rests(1, "futex"),
        rests(2, "epoll"),
        runs(3, &["checkout | checkout::f"]),
    ];
    let expected = "
ok: Nothing waits for a lock; 1 thread runs and 2 are idle.

RUN   1 thread
   1  t           3
        checkout::f

IDLE   2 threads: 2 worker (one drives epoll)";
    check(&text, expected);
    check(&[], "ok: There are no threads to look at.");
}

#[test]
fn what_has_not_changed_for_long_is_worse() {
    let text = [1, 2, 3].map(|tid| waits(tid, 0x10, "checkout::a", START));
    let mut dump = sample::dump(&text.concat());
    for thread in &mut dump.threads {
        thread.unchanged_since_unix_ns = Some(sample::TAKEN - 65_000_000_000);
    }
    dump.threads[2].unchanged_since_unix_ns = Some(sample::TAKEN - 64_000_000_000);
    let expected = "
bad: 3 threads wait for one std Mutex, lock A.

WAIT FOR A LOCK   3 threads, lock A (std Mutex at 0x10)
   3  t           1 2 3   unchanged since 03:11:40Z
        checkout::a";
    check_dump(&dump, expected);
}

#[test]
fn threads_that_cannot_answer_say_why() {
    let text = [
        waits(1, 0x10, "checkout::a", START),
        "thread 2 deaf S epoll\nthread 3 disk D read 0x3 /mnt/x\nthread 4 stuck S futex 0x10 0x0 0x2 0x0\n".to_owned(),
    ];
    let mut dump = sample::dump(&text.concat());
    let answers = [
        Answered::Blocks,
        Answered::Uninterruptible,
        Answered::Silent,
    ];
    for (thread, answer) in dump.threads.iter_mut().skip(1).zip(answers) {
        thread.answer = answer;
        thread.cpu_ns = 100_000_000;
    }
    let expected = "
warn: 1 thread waits for a std Mutex, lock A; 1 thread is in uninterruptible sleep.

WAIT FOR A LOCK   1 thread, lock A (std Mutex at 0x10)
   1  t           1
        checkout::a

NO ANSWER   3 threads
   1  deaf        2   blocks our signal; in epoll, sleeping, 100 ms CPU
   1  disk        3   in uninterruptible sleep; reads from /mnt/x (fd 3), 100 ms CPU
   1  stuck       4   did not answer in time; waits for lock A, sleeping, 100 ms CPU";
    check_dump(&dump, expected);
}

#[test]
fn what_is_between_the_applications_functions_is_counted() {
    let text = runs(
        1,
        &[
            "libc.so.6 | __memmove_avx_unaligned_erms",
            "libc.so.6 | malloc",
            "checkout | alloc::vec::Vec<T>::push",
            "checkout | serde_json::de::from_str",
            "checkout | checkout::price::{{closure}}",
            "checkout | core::iter::Iterator::fold",
            "checkout | alloc::vec::from_iter",
            "checkout | checkout::price",
            "checkout | <checkout::_::<impl serde::Serialize for checkout::T>::s::T as serde::S>::s",
            "checkout | checkout::walk",
            "checkout | std::panicking::catch_unwind",
            "checkout | hyper::a",
            "checkout | tower::b",
            "checkout | checkout::walk",
            "checkout | checkout::walk",
            "checkout | checkout::walk",
            "checkout | hyper::a",
            "checkout | checkout::run",
        ],
    );
    let expected = "
RUN   1 thread
   1  t           1
        … 4 of libc, alloc, serde_json                     memmove_avx_unaligned_erms, malloc, push
        checkout::price{}
        checkout::price
        checkout::walk
        … 3 of hyper, tower
        checkout::walk
        … 2 of checkout
        hyper::a
        checkout::run";
    check(
        &[text],
        &format!("ok: Nothing waits for a lock; 1 thread runs.\n{expected}"),
    );
}

#[test]
fn a_deep_stack_loses_its_middle() {
    let functions: Vec<String> = (0..50)
        .map(|at| format!("checkout | checkout::f{at}"))
        .collect();
    let functions: Vec<&str> = functions.iter().map(String::as_str).collect();
    let folded = fold(&sample::dump(&runs(1, &functions)), &Options::default());
    let lines = &folded.sections[0].groups[0].lines;
    assert_eq!(lines.len(), lines::MOST + 1);
    let count = lines.iter().map(|line| match line {
        crate::model::stack::Line::Folded { count, .. } => *count,
        _ => 1,
    });
    assert_eq!(count.sum::<usize>(), 50);
}

#[test]
fn a_stack_that_breaks_off_says_so() {
    let text = [
        runs(1, &["checkout | ??checkout::f"]),
        runs(2, &["checkout | checkout::g"]),
    ];
    let mut dump = sample::dump(&text.concat());
    dump.threads[0].end = End::Cut;
    dump.threads[1].end = End::Lost;
    let expected = "
ok: Nothing waits for a lock; 2 threads run.

RUN   2 threads
   1  t           1
        checkout::f (?)
        (deeper than what is copied: callers are missing)
   1  t           2
        checkout::g
        (no way further: callers are missing)";
    check_dump(&dump, expected);
}

#[test]
fn without_names_there_are_addresses() {
    let text = "thread 1 t S futex 0x10 0x0 0x2 0x0
  libc.so.6 | syscall
  checkout | ?
  checkout | ?
  checkout | ?
  checkout | ?
  checkout | ?
  libc.so.6 | start_thread
thread 2 rdk:broker1 S 7
  libc.so.6 | poll
  librdkafka.so.1 | rd_kafka_transport_poll
  librdkafka.so.1 | rd_kafka_broker_serve
  librdkafka.so.1 | rd_kafka_broker_thread_main
  librdkafka.so.1 | thrd_start
  libc.so.6 | start_thread
";
    let expected = "
ok: 1 thread waits for a probable mutex, lock A.

WAIT FOR A LOCK   1 thread, lock A (probable mutex at 0x10)
   1  t           1
        checkout+0x1001
        checkout+0x1002
        checkout+0x1003
        … 2 of checkout

IDLE   1 thread: rdk:broker1";
    check(&[text.to_owned()], expected);
}

#[test]
fn locks_without_an_address_are_told_by_their_place() {
    let waits = |tid: u32, function: &str| {
        format!(
            "thread {tid} t S futex {tid:#x} 0x80 0x1 0x0
  libc.so.6 | syscall
  checkout | parking_lot::raw_mutex::RawMutex::lock_slow
  checkout | checkout::{function}
  (start)
"
        )
    };
    let text = [waits(1, "a"), waits(2, "b"), waits(3, "a")];
    let expected = "
warn: 2 threads wait for one parking_lot Mutex, lock A; 1 more waits for 1 other lock.

WAIT FOR A LOCK   2 threads, lock A (parking_lot Mutex; one as far as the place tells)
   2  t           1 3
        checkout::a

WAIT FOR A LOCK   1 thread, lock B (parking_lot Mutex; one as far as the place tells)
   1  t           2
        checkout::b";
    check(&text, expected);
}

#[test]
fn locks_of_c() {
    let waits = |tid: u32, functions: &[&str]| {
        let lines = functions
            .iter()
            .map(|name| format!("  libc.so.6 | {name}\n"));
        let lines: String = lines.collect();
        format!(
            "thread {tid} t S futex 0x{tid}0 0x80 0x2 0x0\n  libc.so.6 | __lll_lock_wait\n{lines}  checkout | checkout::f\n  (start)\n"
        )
    };
    let check = |functions: &[&str], expected: &str| {
        let dump = sample::dump(&waits(1, functions));
        let found = wait(&dump.threads[0]).lock().map(LockKind::name);
        assert_eq!(found, Some(expected), "{functions:?}");
    };
    check(&["__GI___pthread_mutex_lock"], "C mutex");
    check(&["malloc"], "malloc's lock");
    check(&["__libc_free"], "malloc's lock");
    check(&["_int_malloc", "__libc_calloc"], "malloc's lock");
    check(
        &["pthread_mutex_lock", "_dl_open", "dlopen"],
        "loader's lock",
    );
    check(&["pthread_rwlock_wrlock"], "C rwlock");
}

#[test]
fn threads_that_were_not_asked_are_known_by_their_calls() {
    let text = "thread 1 a S futex 0x10 0x0 0x2 0x0\nthread 2 b S futex 0x10 0x0 0x2 0x0\nthread 3 c R\nthread 4 d S epoll\n";
    let mut dump = sample::dump(text);
    for thread in &mut dump.threads {
        thread.answer = Answered::NotAsked;
    }
    let expected = "
warn: 2 threads wait for one probable mutex, lock A.

WAIT FOR A LOCK   2 threads, lock A (probable mutex at 0x10)
   2  a, b        1 2

RUN   1 thread
   1  c           3

IDLE   1 thread: d";
    check_dump(&dump, expected);
}

#[test]
fn a_filter_shows_less_and_judges_everything() {
    let text = [
        waits(1, 0x10, "checkout::a", START),
        waits(2, 0x10, "checkout::a", START),
    ];
    let options = Options {
        filter: Some(Filter::parse("2")),
        ..Options::default()
    };
    let folded = fold(&sample::dump(&text.concat()), &options);
    assert_eq!((folded.threads, folded.answered), (1, 1));
    let verdict = folded
        .verdict
        .map(|verdict| verdict.text)
        .unwrap_or_default();
    assert_eq!(verdict, "2 threads wait for one std Mutex, lock A.");
    assert_eq!(folded.sections[0].threads, 1);
}
