//! Looks at an allocator whose figures are known.

use super::{
    Source,
    baselines::{Baselines, NAMED},
    look::Look,
    snapshot::{STACKS, Snapshot},
};
use crate::{
    alloc::read::{self, Counts, Live, Totals},
    model::heap::{Amount, Count, OBJECT, Place},
};

fn amount(objects: u64, size: u64) -> read::Amount {
    read::Amount {
        bytes: objects * size,
        objects: objects * OBJECT,
    }
}

/// Stack 3: 10 objects of 1 MiB, of which 4 were freed. Stack 7: 1000 of 1 KiB. No id is in order.
fn stacks(each: &mut dyn FnMut(Counts<'_>)) {
    let stack = |id, place, frames, allocated, freed| Counts {
        id,
        place,
        frames,
        whole: id != 3,
        allocated,
        freed,
        peak: allocated,
        samples: 10,
    };
    let none = read::Amount::default();
    let kib = amount(1000, 1 << 10);
    each(stack(7, read::Place::Stack, &[0x101, 0x201], kib, none));
    let (all, freed) = (amount(10, 1 << 20), amount(4, 1 << 20));
    each(stack(3, read::Place::Stack, &[0x301], all, freed));
    each(stack(1, read::Place::BeforeInstall, &[], none, none));
}

fn live(each: &mut dyn FnMut(Live)) {
    let live = |stack, size, rate, age_ds| Live {
        stack,
        size,
        rate,
        age_ds,
    };
    for age_ds in [50, 500, 5000, 50_000, 600, 599] {
        each(live(3, 1 << 20, 1, age_ds));
    }
    each(live(7, 1 << 10, 1 << 19, 100));
    each(live(99, 5, 1, 0)); // came after the stacks were read
}

fn totals() -> Option<Totals> {
    Some(Totals {
        allocated: amount(1010, 1),
        freed: amount(4, 1),
        peak_bytes: 0,
        peak_age_ds: 0,
        rate: 1 << 19,
        samples: 20,
        live_samples: 16,
        dropped: 0,
        stacks: 3,
    })
}

const SOURCE: Source = Source {
    totals,
    stacks,
    live,
};

fn live_bytes(count: &Count) -> u64 {
    count.now.live().bytes
}

const MINUTE: u64 = 60_000_000_000;

#[test]
fn a_snapshot_has_ages_errors_and_frames_of_each_stack() {
    let snapshot = Snapshot::take(&SOURCE, MINUTE).unwrap().unwrap();
    let (frames, counts, report) = snapshot.choose(&SOURCE, live_bytes).unwrap();
    assert_eq!(report.rate, 1 << 19);
    assert_eq!(report.cut_bytes, 6 << 20);
    let frames: Vec<&[u64]> = frames.iter().map(|frames| &**frames).collect();
    assert_eq!(
        frames,
        [&[0x301][..], &[0x101, 0x201]],
        "empty ones are left out"
    );
    let [large, small] = &counts[..] else {
        panic!("{counts:?}")
    };
    assert_eq!(large.now.live().bytes, 6 << 20);
    assert_eq!(large.ages, [1, 2, 2, 0, 1].map(|n| n << 20));
    assert_eq!((large.old.bytes, large.old.count()), (3 << 20, 3));
    assert!(
        large.now.variance == 0.0 && large.old_variance == 0.0,
        "exact"
    );
    assert_eq!(small.old, Amount::default());
    // One sample that stands for half a MiB.
    let deviation = small.now.variance.sqrt();
    assert!((deviation / 524_288.0 - 1.0).abs() < 0.01, "{deviation}");
}

#[test]
fn a_look_that_was_cut_knows_what_it_left_out() {
    let whole = Look::take(&SOURCE).unwrap();
    assert_eq!(whole.states.len(), 3);
    assert_eq!(whole.state(50), Some(Default::default()), "it came later");
    let cut = whole.cut(1).unwrap();
    assert_eq!(cut.states[0].0, 3);
    assert_eq!(cut.rest.map(|rest| rest.live().bytes), Some(1000 << 10));
    assert_eq!(cut.state(7), None);
    let mut snapshot = Snapshot::take(&SOURCE, MINUTE).unwrap().unwrap();
    snapshot.compare(&cut);
    snapshot.since(&cut);
    let (_, counts, _) = snapshot.choose(&SOURCE, live_bytes).unwrap();
    let found = counts
        .iter()
        .map(|count| (count.place, count.before.is_some(), count.recent));
    let expected = [
        (Place::Stack, true, Some(0)),
        (Place::Stack, false, None),
        (Place::Rest, true, None),
    ];
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

#[test]
fn stacks_with_little_are_added_up() {
    fn many(each: &mut dyn FnMut(Counts<'_>)) {
        for id in 0..STACKS as u32 + 10 {
            each(Counts {
                id,
                place: read::Place::Stack,
                frames: &[1],
                whole: true,
                allocated: amount(1, u64::from(id) + 1),
                freed: read::Amount::default(),
                peak: read::Amount::default(),
                samples: 1,
            });
        }
    }
    let source = Source {
        stacks: many,
        live: |_| {},
        ..SOURCE
    };
    let snapshot = Snapshot::take(&source, 0).unwrap().unwrap();
    let (frames, counts, _) = snapshot.choose(&source, live_bytes).unwrap();
    assert_eq!((frames.len(), counts.len()), (STACKS + 1, STACKS + 1));
    let rest = counts.last().unwrap();
    assert_eq!((rest.place, rest.now.live().bytes), (Place::Rest, 55));
}

#[test]
fn looks_are_kept_under_names_and_the_oldest_makes_room() {
    let baselines = Baselines::default();
    baselines.tick(&SOURCE).unwrap();
    assert_eq!(baselines.save("a", &SOURCE).unwrap(), None);
    assert_eq!(baselines.save("a", &SOURCE).unwrap(), None);
    assert_eq!(baselines.words(), ["a", "start"]);
    assert_eq!(baselines.find("a").unwrap().from, "named a");
    assert_eq!(baselines.find("start").unwrap().from, "kept by itself");
    assert!(baselines.find("1h").is_none() && baselines.usual().is_none());
    for number in 1..NAMED {
        assert_eq!(baselines.save(&number.to_string(), &SOURCE).unwrap(), None);
    }
    let gone = baselines.save("last", &SOURCE).unwrap();
    assert_eq!(gone.as_deref(), Some("a"));
}

#[test]
fn where_there_is_no_allocator_nothing_is_kept() {
    let source = Source {
        totals: || None,
        ..SOURCE
    };
    let baselines = Baselines::default();
    baselines.tick(&source).unwrap();
    assert!(baselines.words().is_empty());
    assert!(Snapshot::take(&source, 0).unwrap().is_none());
}
