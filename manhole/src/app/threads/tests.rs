//! Calls, hangs and losses, on pools of their own so that tests do not disturb each other.

use super::*;
use std::{
    sync::{Arc, Mutex, mpsc},
    thread,
};

const SOON: Duration = Duration::from_secs(20);

/// A pool that nobody else uses; its threads end with the test process.
fn pool() -> &'static Pool {
    let pool: &'static Pool = Box::leak(Box::new(Pool::new()));
    pool.open();
    pool.populate();
    pool
}

fn call<T: Send + 'static>(
    pool: &'static Pool,
    gate: &Arc<Gate>,
    patience: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Outcome<T> {
    match gate.start_in(pool, Kind::Closure, patience, || "test".to_owned(), work) {
        Ok(started) => started.wait(patience).unwrap_or_else(|| started.busy()),
        Err(outcome) => outcome,
    }
}

/// Work that hangs until the returned sender is dropped.
fn hanging() -> (mpsc::Sender<()>, impl FnOnce() + Send + 'static) {
    let (release, wait) = mpsc::channel::<()>();
    (release, move || {
        let _ = wait.recv();
    })
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !done() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_call_runs_on_a_thread_of_its_own_with_signals_blocked() {
    let gate = Arc::new(Gate::default());
    let (name, blocked) = match call(pool(), &gate, SOON, || {
        let set = nix::sys::signal::SigSet::thread_get_mask();
        let blocked = set.is_ok_and(|set| set.contains(nix::sys::signal::Signal::SIGTERM));
        (thread::current().name().map(str::to_owned), blocked)
    }) {
        Outcome::Done(done) => done,
        other => panic!("{other:?}"),
    };
    assert_eq!((name.as_deref(), blocked), (Some("manhole-app"), true));
}

#[test]
fn a_panic_is_told_and_the_thread_goes_on() {
    let (pool, gate) = (pool(), Arc::new(Gate::default()));
    let outcome = call(pool, &gate, SOON, || -> u8 { panic!("on purpose") });
    assert_eq!(outcome, Outcome::Panicked("on purpose".to_owned()));
    assert_eq!(call(pool, &gate, SOON, || 1), Outcome::Done(1));
    assert_eq!(pool.status().threads, 2);
}

#[test]
fn a_hanging_closure_is_busy_at_once_for_every_reader() {
    let (pool, gate) = (pool(), Arc::new(Gate::default()));
    let (release, hang) = hanging();
    let patience = Duration::from_millis(50);
    assert!(matches!(call(pool, &gate, patience, hang), Outcome::Busy(since) if since >= patience));
    let before = Instant::now();
    for _ in 0..100 {
        assert!(matches!(
            call(pool, &gate, patience, || ()),
            Outcome::Busy(_)
        ));
    }
    assert!(before.elapsed() < Duration::from_secs(2), "each waited");
    drop(release);
    wait_for("the gate opens", || {
        call(pool, &gate, patience, || 5) == Outcome::Done(5)
    });
}

#[test]
fn readers_that_come_together_take_turns() {
    let (pool, gate) = (pool(), Arc::new(Gate::default()));
    let inside = Arc::new(Mutex::new(()));
    thread::scope(|scope| {
        for _ in 0..8 {
            let (gate, inside) = (Arc::clone(&gate), Arc::clone(&inside));
            scope.spawn(move || {
                let outcome = call(pool, &gate, SOON, move || {
                    let alone = inside.try_lock().is_ok();
                    thread::sleep(Duration::from_millis(1));
                    alone
                });
                assert_eq!(outcome, Outcome::Done(true));
            });
        }
    });
}

#[test]
fn another_thread_is_free_whatever_hangs_until_the_bound() {
    let pool = pool();
    let mut held = Vec::new();
    for n in 1..=4 {
        let (release, hang) = hanging();
        let gate = Arc::new(Gate::default());
        assert!(matches!(
            call(pool, &gate, Duration::from_millis(20), hang),
            Outcome::Busy(_)
        ));
        held.push((release, gate));
        wait_for("its successor", || {
            pool.status().threads == (n + 1).clamp(2, 4)
        });
    }
    thread::sleep(PATIENCE + Duration::from_millis(20));
    let gate = Arc::new(Gate::default());
    let before = Instant::now();
    let outcome = call(pool, &gate, SOON, || ());
    assert_eq!(outcome, Outcome::Refused(Refusal::Full));
    assert!(
        before.elapsed() < Duration::from_secs(2),
        "it was refused at once"
    );
    held.clear();
    wait_for("all come back", || {
        call(pool, &gate, SOON, || 1) == Outcome::Done(1)
    });
}

#[test]
fn two_commands_run_and_a_third_is_refused_while_closures_go_on() {
    let pool = pool();
    let start = |work: Box<dyn FnOnce() + Send>| {
        let gate = Arc::new(Gate::default());
        let kind = Kind::Command(SOON);
        gate.start_in(pool, kind, PATIENCE, || "command x".to_owned(), work)
    };
    let (release, hang) = hanging();
    let (release_too, hang_too) = hanging();
    let first = start(Box::new(hang)).ok().unwrap();
    let second = start(Box::new(hang_too)).ok().unwrap();
    assert!(matches!(
        start(Box::new(|| ())),
        Err(Outcome::Refused(Refusal::Full))
    ));
    let gate = Arc::new(Gate::default());
    assert_eq!(call(pool, &gate, SOON, || 1), Outcome::Done(1));
    drop((release, release_too));
    assert_eq!(first.wait(SOON), Some(Outcome::Done(())));
    assert_eq!(second.wait(SOON), Some(Outcome::Done(())));
}

#[test]
fn a_closed_pool_refuses_until_it_is_opened_again() {
    let (pool, gate) = (pool(), Arc::new(Gate::default()));
    assert_eq!(call(pool, &gate, SOON, || 1), Outcome::Done(1));
    pool.close();
    assert_eq!(
        call(pool, &gate, SOON, || 1),
        Outcome::Refused(Refusal::Inactive)
    );
    wait_for("its threads end", || pool.status().threads == 0);
    pool.open();
    pool.populate();
    assert_eq!(call(pool, &gate, SOON, || 2), Outcome::Done(2));
}

#[test]
fn an_alarm_goes_off_once_and_an_earlier_one_stays() {
    use std::sync::atomic::{AtomicU32, Ordering};
    static RUNG: AtomicU32 = AtomicU32::new(0);
    let pool = pool();
    let ring: fn() = || {
        RUNG.fetch_add(1, Ordering::SeqCst);
    };
    pool.alarm(Instant::now() + Duration::from_millis(30), ring);
    pool.alarm(Instant::now() + Duration::from_secs(3600), ring);
    wait_for("the alarm", || RUNG.load(Ordering::SeqCst) == 1);
    thread::sleep(Duration::from_millis(20));
    assert_eq!(RUNG.load(Ordering::SeqCst), 1);
}

#[test]
fn who_was_forbidden_is_told_why() {
    let (pool, gate) = (pool(), Arc::new(Gate::default()));
    pool.refuse("threads of another uid".into());
    let outcome = call(pool, &gate, SOON, || 1);
    let why = Refusal::Forbidden("threads of another uid".into());
    assert_eq!(outcome, Outcome::Refused(why));
    assert_eq!(
        pool.status().refused.as_deref(),
        Some("threads of another uid")
    );
}

#[test]
fn a_new_installation_has_threads_with_the_rights_of_the_process() {
    crate::sys::testing::in_a_child(|| {
        crate::sys::origin::claim();
        activate();
        want();
        refuse("the process changed its uid");
        let gate = Arc::new(Gate::default());
        let call = || gate.call(|| "test".to_owned(), || 1);
        let refused = matches!(call(), Outcome::Refused(Refusal::Forbidden(_)));
        deactivate();
        activate();
        let end = Instant::now() + SOON;
        while call() != Outcome::Done(1) && Instant::now() < end {}
        refused && call() == Outcome::Done(1)
    });
}

#[test]
fn a_forked_child_has_no_pool_until_it_activates_one() {
    crate::sys::origin::claim();
    activate();
    want();
    let parents = std::ptr::from_ref(current().unwrap());
    crate::sys::testing::in_a_child(|| {
        let inert = current().is_none() && status().is_none();
        want(); // and no thread comes of it
        crate::sys::origin::claim();
        let still_inert = current().is_none();
        activate();
        let gate = Arc::new(Gate::default());
        let answer = gate.start(Kind::Closure, SOON, || "test".to_owned(), || 1);
        let done = answer.ok().and_then(|started| started.wait(SOON));
        inert
            && still_inert
            && done == Some(Outcome::Done(1))
            && current().is_some_and(|pool| !std::ptr::eq(pool, parents))
    });
    assert!(current().is_some_and(|pool| std::ptr::eq(pool, parents)));
}
