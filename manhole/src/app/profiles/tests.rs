//! Things that come and go, who added them, and the names of their profiles.

use super::*;
use std::thread;

#[inline(never)]
fn opens(profile: Profile) -> Tracked {
    std::hint::black_box(profile.track())
}

#[inline(never)]
fn adds(profile: Profile, key: &str) {
    profile.add(key);
    std::hint::black_box(());
}

/// How many things have a stack whose leaf is in `function`.
fn of(snapshot: &Snapshot, function: usize) -> u64 {
    let starts = [opens as *const () as usize, adds as *const () as usize];
    let own = |frames: &[u64]| {
        let leaf = frames.first().copied().unwrap_or(0);
        let before = starts.iter().filter(|start| **start as u64 <= leaf);
        before.max() == Some(&function)
    };
    let stacks = snapshot.stacks.iter();
    let own = stacks.filter(|(frames, _)| own(frames));
    own.map(|(_, count)| count).sum()
}

#[test]
fn things_are_counted_by_who_added_them() {
    let things = profile("test/things").unwrap();
    let open: Vec<Tracked> = (0..3).map(|_| opens(things)).collect();
    adds(things, "a");
    adds(things, "b");
    adds(things, "b");
    let snapshot = things.snapshot();
    assert_eq!(of(&snapshot, opens as *const () as usize), 3);
    assert_eq!(of(&snapshot, adds as *const () as usize), 2);
    assert_eq!((things.count(), snapshot.lost), (5, 0));
    things.remove("a");
    things.remove("never added");
    thread::spawn(move || drop(open)).join().unwrap();
    assert_eq!(things.count(), 1);
    things.remove("b");
    assert_eq!(things.snapshot(), Snapshot::default());
}

#[test]
fn names_are_checked_and_each_is_there_once() {
    let check = |name: &str, expected: Option<ErrorKind>| {
        let made = profile(name);
        assert_eq!(made.as_ref().err().map(Error::kind), expected, "{name}");
    };
    check("test/names", None);
    check("test/names", Some(ErrorKind::Taken));
    for ours in ["heap", "wall", "profile", "trace"] {
        check(ours, Some(ErrorKind::Taken));
    }
    for none in ["", "a b", "a//b", "/a", "a/", "../a", "zähler", "a?"] {
        check(none, Some(ErrorKind::Invalid));
    }
    check(&"x".repeat(129), Some(ErrorKind::Invalid));
    assert!(all().iter().any(|one| one.name() == "test/names"));
    assert_eq!(
        find("test/names").map(|one| one.path()),
        Some("/debug/pprof/test/names")
    );
    assert!(find("test/nope").is_none());
}

#[test]
fn many_threads_lose_nothing_that_is_not_counted() {
    let busy = profile("test/busy").unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(move || (0..500).for_each(|_| drop(busy.track())));
        }
    });
    assert_eq!(busy.count(), 0);
    let kept: Vec<Tracked> = thread::scope(|scope| {
        let one = || scope.spawn(move || (0..200).map(|_| busy.track()).collect::<Vec<_>>());
        let all: Vec<_> = (0..4).map(|_| one()).collect();
        all.into_iter()
            .flat_map(|one| one.join().unwrap())
            .collect()
    });
    assert_eq!(busy.count() as u64 + busy.snapshot().lost, 800);
    drop(kept);
    assert_eq!(busy.count(), 0);
}
