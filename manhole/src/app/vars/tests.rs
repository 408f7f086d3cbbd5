//! Variables from their registration to a reader; hangs, duplicates and reverts.

use super::*;
use crate::app::{self, messages};
use serde_json::json;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

const SOON: Duration = Duration::from_secs(20);

fn activate() {
    crate::sys::origin::claim();
    app::activate();
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !done() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn told(text: &str) -> usize {
    let recent = messages::recent();
    recent
        .iter()
        .filter(|message| message.text.contains(text))
        .count()
}

#[test]
fn a_static_appears_at_its_first_use_and_in_order() {
    static SECOND: Counter = Counter::new("test.order.b");
    static FIRST: Float = Float::new("test.order.a");
    assert_eq!(get("test.order.b"), None);
    SECOND.add(3);
    FIRST.set(0.5);
    let mut seen = Vec::new();
    each(|name, value| {
        if name.starts_with("test.order.") {
            seen.push((name.to_owned(), value.clone()));
        }
    });
    let expected = [
        ("test.order.a", Value::Float(0.5)),
        ("test.order.b", Value::Counter(3)),
    ];
    assert_eq!(seen, expected.map(|(name, value)| (name.to_owned(), value)));
}

#[test]
fn of_two_with_the_same_name_the_first_is_shown_and_both_count() {
    static FIRST: Counter = Counter::new("test.twice");
    static SECOND: Gauge = Gauge::new("test.twice");
    FIRST.add(1);
    SECOND.set(7);
    SECOND.set(8);
    assert_eq!(get("test.twice"), Some(Value::Counter(1)));
    assert_eq!(SECOND.get(), 8);
    assert_eq!(told("\"test.twice\": the name is taken"), 1);
}

#[test]
fn a_name_that_is_none_is_told_and_harms_nobody() {
    static BAD: Counter = Counter::new("test bad\n");
    BAD.add(1);
    assert_eq!(BAD.get(), 1);
    assert_eq!(told("\"test bad\\n\": a name is"), 1);
    assert_eq!(get("test bad\n"), None);
}

#[test]
fn many_threads_may_register_at_once() {
    static COUNTERS: [Counter; 8] = [
        Counter::new("test.race.0"),
        Counter::new("test.race.1"),
        Counter::new("test.race.2"),
        Counter::new("test.race.3"),
        Counter::new("test.race.same"),
        Counter::new("test.race.same"),
        Counter::new("test.race.same"),
        Counter::new("test.race.same"),
    ];
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..1000).for_each(|i| COUNTERS[i % 8].add(1)));
        }
    });
    let readings: Vec<_> = read_all(|name| name.starts_with("test.race.")).collect();
    assert_eq!(readings.len(), 5);
    assert!(
        readings
            .iter()
            .all(|reading| reading.value == Value::Counter(1000))
    );
}

#[test]
fn what_is_removed_frees_its_name_without_growth() {
    for round in 0..3 {
        publish("test.removed", move || round);
        activate();
        wait_for("the value", || {
            get("test.removed") == Some(Value::Published(json!(round)))
        });
        assert!(remove("test.removed"));
        assert!(!remove("test.removed"));
        assert_eq!(get("test.removed"), None);
    }
}

#[test]
fn names_that_come_and_go_for_ever_come_to_no_bound() {
    // More than there may be at a time.
    for number in 0..5000 {
        let name = format!("test.passing.{number}");
        publish(name.clone(), move || number);
        assert!(registry::find(&name).is_some());
        assert!(remove(&name), "{name}");
    }
    assert_eq!(told("test.passing"), 0);
}

#[test]
fn so_many_variables_at_a_time_and_no_more() {
    crate::sys::testing::in_a_child(|| {
        let names: Vec<String> = (0..4200)
            .map(|number| format!("test.many.{number}"))
            .collect();
        for name in &names {
            publish(name.clone(), || 0);
        }
        let kept = || {
            registry::names()
                .filter(|name| name.starts_with("test.many."))
                .count()
        };
        let full = kept();
        // Whatever becomes free can be used under another name.
        let freed = names.iter().take(10).filter(|name| remove(name)).count();
        for number in 0..20 {
            publish(format!("test.many.more.{number}"), || 0);
        }
        (4000..=4096).contains(&full) && freed == 10 && kept() == full
    });
}

#[test]
fn of_many_that_take_a_name_at_once_one_has_it() {
    for round in 0..200 {
        let name = format!("test.contested.{}", round % 3);
        let had: usize = thread::scope(|scope| {
            let threads: Vec<_> = (0..4_u64)
                .map(|_| scope.spawn(|| registry::add(name.clone().into(), body()).is_ok()))
                .collect();
            threads
                .into_iter()
                .map(|thread| usize::from(thread.join().unwrap()))
                .sum()
        });
        assert_eq!((had, remove(&name), remove(&name)), (1, true, false));
    }
}

fn body() -> registry::Body {
    static COUNTER: Counter = Counter::new("test.body");
    registry::Body::Counter(&COUNTER)
}

#[test]
fn a_change_that_would_revert_reverts_when_the_tunable_is_removed() {
    static LAST: AtomicU64 = AtomicU64::new(0);
    activate();
    let size = tunable("test.gone", 10_u64, ..).on_change(|new| LAST.store(*new, Ordering::SeqCst));
    let (_, knob) = find("test.gone");
    knob.set("20", Hold::For(SOON)).unwrap();
    assert!(remove("test.gone"));
    assert_eq!(size.get(), 10);
    wait_for("on_change", || LAST.load(Ordering::SeqCst) == 10);
    wait_for("the message", || {
        told("test.gone was removed, and reverted: 20 -> 10") == 1
    });
    // A console that found it before it went is told so, and nothing is left pending.
    let error = knob.set("30", Hold::For(SOON)).unwrap_err();
    assert_eq!(error, "the application has removed it");
    assert_eq!((size.get(), knob.pending()), (10, None));
    let kept = tunable("test.gone", 1_u64, ..);
    find("test.gone").1.set("2", Hold::Forever).unwrap();
    assert!(remove("test.gone"));
    assert_eq!(kept.get(), 2, "what was made for good stays");
}

#[test]
fn a_closure_that_hangs_is_busy_at_once_and_its_late_answer_is_used() {
    activate();
    let (release, wait) = mpsc::channel::<u32>();
    let wait = Mutex::new(wait);
    publish("test.hangs", move || {
        wait.lock().ok().and_then(|wait| wait.recv().ok())
    });
    assert!(matches!(get("test.hangs"), Some(Value::Busy(_))));
    let before = Instant::now();
    assert!(
        matches!(get("test.hangs"), Some(Value::Busy(since)) if since >= Duration::from_millis(100))
    );
    assert!(
        before.elapsed() < Duration::from_millis(90),
        "the second reader waited"
    );
    release.send(5).unwrap();
    wait_for("the late answer", || {
        get("test.hangs") == Some(Value::Published(json!(5)))
    });
}

#[test]
fn a_closure_that_panics_says_so() {
    activate();
    publish("test.panics", || -> u8 { panic!("on purpose") });
    wait_for("the message", || {
        get("test.panics") == Some(Value::Failed("the closure panicked: on purpose".to_owned()))
    });
}

#[test]
fn level_view_sees_numbers_only() {
    static TEXT: Text = Text::new("test.level.text");
    static COUNT: Counter = Counter::new("test.level.count");
    static SECRET: Text = Text::new("test.level.password");
    TEXT.set("x");
    SECRET.set("hunter2");
    COUNT.add(1);
    publish("test.level.closure", || -> u8 {
        panic!("view must not call it")
    });
    let _size = tunable("test.level.size", 1, ..);
    let _mode = tunable("test.level.mode", "fast".to_owned(), ..);
    let seen = numbers(|name| name.starts_with("test.level."));
    let seen: Vec<_> = seen.map(|reading| reading.name.to_string()).collect();
    assert_eq!(seen, ["test.level.count", "test.level.size"]);
    assert_eq!(
        get("test.level.password"),
        Some(Value::Text("***".to_owned()))
    );
}

#[test]
fn a_tunable_takes_what_its_bounds_allow() {
    let batch = tunable("test.tune.batch", 32_i64, 1..=1024);
    let (_, knob) = find("test.tune.batch");
    assert_eq!(knob.wanted(), "1 to 1024");
    let refused = knob.set("0", Hold::Forever).unwrap_err();
    assert_eq!(refused, "\"0\" is not acceptable, it takes 1 to 1024");
    assert!(knob.set("many", Hold::Forever).is_err());
    let change = knob.set("64", Hold::Forever).unwrap();
    assert_eq!(
        (change.before, change.after, change.reverts),
        (json!(32), json!(64), None)
    );
    assert_eq!((batch.get(), knob.default()), (64, json!(32)));
    let check = |wanted: String, expected: &str| assert_eq!(wanted, expected);
    let _any = tunable("test.tune.any", 1.5, ..);
    check(find("test.tune.any").1.wanted(), "a number");
    let _least = tunable("test.tune.least", 1_u64, 1..);
    check(
        find("test.tune.least").1.wanted(),
        "a whole number from 0, at least 1",
    );
}

fn find(name: &str) -> (Arc<str>, Arc<dyn Knob>) {
    tunables()
        .into_iter()
        .find(|(known, _)| **known == *name)
        .unwrap()
}

#[test]
fn a_change_reverts_by_itself_to_what_was_before_the_first() {
    static LAST: AtomicU64 = AtomicU64::new(0);
    activate();
    let size =
        tunable("test.revert.size", 10_u64, ..).on_change(|new| LAST.store(*new, Ordering::SeqCst));
    let (_, knob) = find("test.revert.size");
    let first = knob.set("20", Hold::For(SOON)).unwrap();
    assert_eq!(first.reverts.map(|pending| pending.base), Some(json!(10)));
    wait_for("on_change", || LAST.load(Ordering::SeqCst) == 20);
    let second = knob
        .set("30", Hold::For(Duration::from_millis(30)))
        .unwrap();
    assert_eq!(second.reverts.map(|pending| pending.base), Some(json!(10)));
    wait_for("the revert", || size.get() == 10);
    wait_for("on_change", || LAST.load(Ordering::SeqCst) == 10);
    assert!(knob.pending().is_none());
    wait_for("the message", || {
        told("test.revert.size reverted by itself: 30 -> 10") == 1
    });
}

#[test]
fn what_code_sets_stays() {
    let size = tunable("test.stays", 1_u64, ..);
    let (_, knob) = find("test.stays");
    knob.set("2", Hold::For(Duration::ZERO)).unwrap();
    size.set(3);
    assert!(knob.revert(Instant::now() + SOON, Duration::ZERO).is_none());
    assert_eq!(size.get(), 3);
}

#[test]
fn a_reaction_that_fails_does_not_undo_the_change() {
    activate();
    let size = tunable("test.reaction", 1_u64, ..).on_change(|_| panic!("on purpose"));
    let change = find("test.reaction").1.set("2", Hold::Forever).unwrap();
    assert!(
        matches!(change.hook, Hook::Failed(_) | Hook::Busy(_)),
        "{:?}",
        change.hook
    );
    assert_eq!(size.get(), 2);
}

#[test]
fn a_counter_has_a_rate_soon_after_it_appeared() {
    static EVENTS: Counter = Counter::new("test.rate");
    EVENTS.add(1);
    thread::sleep(Duration::from_millis(510));
    let rate = read("test.rate").and_then(|reading| reading.rate).unwrap();
    assert!(rate.per_second > 0.0 && rate.per_second <= 2.0, "{rate:?}");
    tick();
}

#[test]
fn a_reaction_that_is_slow_sees_the_last_value_in_the_end() {
    static LAST: AtomicU64 = AtomicU64::new(0);
    activate();
    let (release, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let _size = tunable("test.slow", 1_u64, ..).on_change(move |new| {
        let _ = wait.lock().map(|wait| wait.recv());
        LAST.store(*new, Ordering::SeqCst);
    });
    let (_, knob) = find("test.slow");
    for word in ["2", "3", "4"] {
        let change = knob.set(word, Hold::Forever).unwrap();
        assert!(matches!(change.hook, Hook::Busy(_)), "{:?}", change.hook);
    }
    drop(release);
    wait_for("the last value", || LAST.load(Ordering::SeqCst) == 4);
}
