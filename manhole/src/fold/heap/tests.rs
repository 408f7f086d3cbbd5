//! What people are told of a heap whose figures are known.

use super::{answer, profile};
use crate::{
    fold::tests::sample::dump,
    model::{
        Severity,
        heap::{Amount, Count, Heap, OBJECT, Place, Report, State, View, Window, Wish},
        profile::Profile,
    },
    render::text::{TextStyle, shown},
};

const MIB: u64 = 1 << 20;
const HOUR: u64 = 3_600_000_000_000;

/// Five stacks: a cache, the same by another way, a table that was loaded once, a place that allocates
/// much and holds little, and one of tokio's own; all end in the hook and in what calls it.
const STACKS: &str = "
thread 0 - ?
  checkout | <manhole::alloc::Alloc<A> as core::alloc::global::GlobalAlloc>::alloc
  checkout | alloc::raw_vec::RawVecInner<A>::try_allocate_in
  + | alloc::vec::Vec<T>::with_capacity
  + | checkout::cache::Cache::lookup | /srv/checkout/src/cache.rs:41
  + | checkout::price | /srv/checkout/src/main.rs:14
  (start)
thread 0 - ?
  checkout | __rustc::__rust_alloc | /srv/checkout/src/main.rs:13
  checkout | checkout::cache::Cache::lookup | /srv/checkout/src/cache.rs:41
  checkout | checkout::warm_up | /srv/checkout/src/main.rs:30
  (start)
thread 0 - ?
  checkout | alloc::alloc::alloc
  + | checkout::rates::load | /srv/checkout/src/rates.rs:77
  (start)
thread 0 - ?
  checkout | manhole::alloc::alloc | /srv/manhole/src/alloc/mod.rs:90
  + | checkout::__rust_alloc | /srv/checkout/src/main.rs:13
  + | alloc::alloc::alloc
  + | checkout::pricing::reprice | /srv/checkout/src/pricing.rs:3
  (start)
thread 0 - ?
  checkout | alloc::alloc::alloc
  + | tokio::runtime::task::core::Cell<T,S>::new
  (start)
thread 0 - ?
";

fn amount(mib: u64, objects: u64) -> Amount {
    Amount {
        bytes: mib * MIB,
        objects: objects * OBJECT,
    }
}

/// `allocated` and `freed` MiB of objects of 4 KiB; each sample that lives stands for half a MiB.
fn state(allocated: u64, freed: u64) -> State {
    let deviation = (MIB / 2) as f64;
    State {
        allocated: amount(allocated, allocated * 256),
        freed: amount(freed, freed * 256),
        samples: allocated * 2,
        variance: (allocated - freed) as f64 * 2.0 * deviation * deviation,
    }
}

fn count(before: (u64, u64), now: (u64, u64), old: u64) -> Count {
    let old = amount(old, old * 256);
    Count {
        now: state(now.0, now.1),
        before: Some(state(before.0, before.1)),
        recent: Some((now.0 - before.0) * MIB / 120),
        peak: amount(now.0 - now.1 + 1, 1),
        ages: [0, MIB, 0, 8 * MIB, 4 * MIB],
        old,
        old_variance: 0.0,
        ..Count::default()
    }
}

fn heap() -> Heap {
    let counts = vec![
        count((500, 0), (1500, 0), 1480),
        count((140, 0), (180, 4), 170),
        count((322, 0), (322, 0), 322),
        count((90_000, 89_900), (180_000, 179_879), 2),
        count((12, 0), (12, 0), 12),
        Count {
            place: Place::BeforeInstall,
            ..count((3, 0), (3, 0), 3)
        },
    ];
    Heap {
        dump: dump(STACKS),
        report: Report {
            rate: 512 << 10,
            live_samples: 4802,
            live: amount(2130, 2130),
            peak_bytes: 2136 * MIB,
            peak_age_ns: 125_000_000_000,
            recent_ns: 30_000_000_000,
            window: Some(Window {
                from_unix_ns: 1_795_227_164_000_000_000,
                to_unix_ns: 1_795_230_764_000_000_000,
                ns: HOUR,
                from: "kept by itself".to_owned(),
                to: String::new(),
            }),
            baselines: vec!["start".to_owned(), "1h".to_owned()],
            age_ns: Some(3 * HOUR),
            ..Report::default()
        },
        counts,
    }
}

fn wish(view: View) -> Wish {
    Wish {
        view,
        rows: Some(3),
        min_age_ns: 60_000_000_000,
        ..Wish::default()
    }
}

#[track_caller]
fn check(heap: Heap, wish: Wish, expected: &str) {
    let text = shown(&answer(heap, wish, None), TextStyle::default());
    assert_eq!(text, expected, "\n{text}");
}

#[test]
fn who_holds_the_memory() {
    check(heap(), wish(View::Live), "\
2.08 GiB live; 1.64 GiB (79 %) is held by Cache::lookup and grows 1.01 GiB/h: probably a leak.

    live    err     %  objects     in 1 h     alloc/s  site (first frame of the application)
1.64 GiB         78.5  429,056  +1.01 GiB   296 KiB/s  checkout::cache::Cache::lookup         src/cache.rs:41
 322 MiB         15.1   82,432          0           0  checkout::rates::load                  src/rates.rs:77
 121 MiB  6.4 %   5.7   30,976  +21.0 MiB  25.0 MiB/s  checkout::pricing::reprice             src/pricing.rs:3
15.0 MiB   18 %   0.7    3,840          0           0  2 smaller sites                        heap --rows all
# seen: Rust's allocations; not seen: malloc of C libraries, mmap (memory: the rest)
");
}

#[test]
fn what_grew() {
    check(heap(), wish(View::Diff), "\
+1.03 GiB live in 1h 0m; 98 % of the growth is Cache::lookup, and hardly any of it was freed.

   change      live   objects  freed again  site
+1.01 GiB  1.64 GiB  +265,216        0.4 %  checkout::cache::Cache::lookup               src/cache.rs:41
+21.0 MiB         -         -            -  1 site changed less than its sampling error  --rows all
# baselines: start, 1h
");
}

#[test]
fn what_leaks() {
    check(heap(), wish(View::Leaks), "\
1.94 GiB is older than 1m 00s; Cache::lookup keeps growing, +0.99 GiB in 1h 0m, 0.4 % freed again: probably a leak.

     old     %  objects       grew  goes on  freed again  by age  site (first frame of the application)
1.61 GiB  83.0  422,400  +0.99 GiB  yes            0.4 %   ▂ █▅   checkout::cache::Cache::lookup         src/cache.rs:41
 322 MiB  16.2   82,432          0  no                 -   ▂ █▅   checkout::rates::load                  src/rates.rs:77
12.0 MiB   0.6    3,072          0  no                 -   ▂ █▅   no frame of the application            mostly tokio's own
5.00 MiB   0.3    1,280          0  no             100 %   ▂ █▅   2 smaller sites                        heap leaks --rows all
# baselines: start, 1h
");
}

#[test]
fn who_allocates() {
    check(heap(), wish(View::Allocs), "\
88.9 GiB allocated in 1h 0m, 25.3 MiB/s; 99 % by pricing::reprice.

allocated     %     objects     alloc/s     stayed  site (first frame of the application)
 87.9 GiB  98.9  23,040,000  25.0 MiB/s  +21.0 MiB  checkout::pricing::reprice             src/pricing.rs:3
 1.02 GiB   1.1     266,240   296 KiB/s  +1.01 GiB  checkout::cache::Cache::lookup         src/cache.rs:41
");
}

#[test]
fn who_held_it_at_the_peak() {
    check(
        heap(),
        wish(View::Peak),
        "\
2.09 GiB were live 2m 05s ago, 2.08 GiB are now; 78 % was held by Cache::lookup.

at the peak     %  objects  live now  site (first frame of the application)
   1.64 GiB  78.4        2  1.64 GiB  checkout::cache::Cache::lookup         src/cache.rs:41
    323 MiB  15.1        1   322 MiB  checkout::rates::load                  src/rates.rs:77
    122 MiB   5.7        1   121 MiB  checkout::pricing::reprice             src/pricing.rs:3
   17.0 MiB   0.8        2  15.0 MiB  2 smaller sites                        heap peak --rows all
",
    );
}

#[test]
fn who_calls_a_place() {
    let callers = |site: &str| Wish {
        site: Some(site.to_owned()),
        tree: true,
        ..wish(View::Live)
    };
    check(
        heap(),
        callers("Cache::lookup"),
        "\
1.64 GiB (79 %) is held by checkout::cache::Cache::lookup.

CALLERS   each function below the one that it called
    live     %  function
1.64 GiB  78.5  checkout::cache::Cache::lookup  src/cache.rs:41
1.46 GiB  70.3    checkout::price               src/main.rs:14
 176 MiB   8.2    checkout::warm_up             src/main.rs:30
",
    );
    check(
        heap(),
        callers("nowhere"),
        "\
No stack that allocates has nowhere.
",
    );
}

#[test]
fn the_tree_leads_down_to_the_allocation() {
    let tree = Wish {
        tree: true,
        ..wish(View::Live)
    };
    check(
        heap(),
        tree,
        "\
2.08 GiB live; 1.64 GiB (79 %) is held by Cache::lookup and grows 1.01 GiB/h: probably a leak.

TREE   each function below the one that called it
    live     %  function
1.46 GiB  70.3  checkout::price                   src/main.rs:14
1.46 GiB  70.3    checkout::cache::Cache::lookup  src/cache.rs:41
 322 MiB  15.1  checkout::rates::load             src/rates.rs:77
... branches below 8.2 % are left out: --rows
# seen: Rust's allocations; not seen: malloc of C libraries, mmap (memory: the rest)
",
    );
}

#[test]
fn the_profile_has_the_four_kinds_of_values() {
    let values = |view: View| -> (Vec<&str>, Vec<i64>, Vec<i64>) {
        let Profile {
            sample_types,
            samples,
            ..
        } = profile(&heap(), &wish(view));
        let kinds = sample_types.iter().map(|it| it.kind).collect();
        (kinds, samples[1].values.clone(), samples[5].values.clone())
    };
    let (kinds, lookup, before) = values(View::Live);
    let all = [
        "alloc_objects",
        "alloc_space",
        "inuse_objects",
        "inuse_space",
    ];
    assert_eq!(kinds, all);
    let mib = MIB as i64;
    assert_eq!(lookup, [180 * 256, 180 * mib, 176 * 256, 176 * mib]);
    assert_eq!(before, [768, 3 * mib, 768, 3 * mib]);
    let (_, lookup, _) = values(View::Diff);
    assert_eq!(lookup, [40 * 256, 40 * mib, 36 * 256, 36 * mib]);
    let (kinds, lookup, _) = values(View::Peak);
    assert_eq!(kinds, ["peak_objects", "peak_space"]);
    assert_eq!(lookup, [1, 177 * mib]);
}

#[test]
fn the_profile_says_what_stands_in_place_of_stacks_and_what_to_drop() {
    let profile = profile(&heap(), &wish(View::Allocs));
    let last = profile.samples.last().unwrap();
    let frame = &profile.frames[last.frames[0] as usize];
    assert_eq!(
        frame.functions[0].name,
        "[before the console was installed]"
    );
    assert_eq!(profile.default_type, Some("alloc_space"));
    assert!(profile.drop_frames.contains("manhole::alloc"));
    assert_eq!(
        profile.comments[1],
        "1 sample per 512 KiB, already scaled; 4,802 live samples kept, 0 dropped; live bytes are right to +-1.5 %"
    );
}

/// The verdict on the heap with `change`.
fn verdict(view: View, change: &dyn Fn(&mut Heap)) -> (Severity, String) {
    let mut heap = heap();
    change(&mut heap);
    let verdict = answer(heap, wish(view), None).verdict.unwrap();
    (verdict.severity, verdict.text)
}

#[test]
fn verdicts() {
    let check = |view: View, change: &dyn Fn(&mut Heap), severity: Severity, expected: &str| {
        assert_eq!(verdict(view, change), (severity, expected.to_owned()));
    };
    let calm = |heap: &mut Heap| {
        for count in &mut heap.counts {
            count.before = Some(count.now);
        }
    };
    let alone = |heap: &mut Heap| heap.report.window = None;
    let empty = |heap: &mut Heap| {
        heap.counts.clear();
        heap.dump.threads.clear();
    };
    let off = |heap: &mut Heap| {
        empty(heap);
        heap.report.rate = 0;
    };
    // It filled up in the first half of the hour.
    let filled = |heap: &mut Heap| {
        for count in &mut heap.counts {
            count.middle = Some(count.now.live().bytes);
        }
    };
    // All of it is old, and nobody looked in between.
    let loaded = |heap: &mut Heap| {
        for count in &mut heap.counts {
            count.old = count.now.live();
        }
    };
    // Most of what it took it gave back.
    let returned = |heap: &mut Heap| {
        heap.counts[0].now = state(10_000, 8_500);
        heap.counts[0].now.variance = 0.0;
    };
    let held = "2.08 GiB live; 1.64 GiB (79 %) is held by Cache::lookup.";
    check(View::Live, &calm, Severity::Ok, held);
    check(View::Live, &alone, Severity::Ok, held);
    let grows = "2.08 GiB live; 1.64 GiB (79 %) is held by Cache::lookup and grows 1.01 GiB/h.";
    check(View::Live, &returned, Severity::Warn, grows);
    check(View::Live, &empty, Severity::Ok, "Nothing was sampled yet.");
    let sampling = "Nothing was sampled: sampling is off (heap sampling 512KiB).";
    check(View::Live, &off, Severity::Ok, sampling);
    let same = "As much live as 1h 0m before.";
    check(View::Diff, &calm, Severity::Ok, same);
    check(View::Diff, &alone, Severity::Ok, "Nothing to compare with.");
    let once = "1.94 GiB is older than 1m 00s; nothing of it kept growing in the last 1h 0m.";
    check(View::Leaks, &filled, Severity::Ok, once);
    let at_once = "2.08 GiB is older than 1m 00s; nothing of it kept growing in the last 1h 0m.";
    check(View::Leaks, &loaded, Severity::Ok, at_once);
    let leak = "1.94 GiB is older than 1m 00s; Cache::lookup keeps growing, +0.99 GiB in 1h 0m, 89 % freed again: \
                probably a leak.";
    check(View::Leaks, &returned, Severity::Warn, leak);
    let young =
        "1.94 GiB is older than 1m 00s; whether it grows is not known yet: no look is old enough.";
    check(View::Leaks, &alone, Severity::Ok, young);
}

#[test]
fn stacks_that_the_earlier_look_did_not_keep_are_compared_as_a_sum() {
    let mut heap = heap();
    heap.counts[2].before = None;
    heap.counts[4].before = None;
    heap.counts[5] = Count {
        place: Place::Rest,
        before: Some(state(300, 0)),
        ..Count::default()
    };
    let diff = Wish {
        rows: None,
        ..wish(View::Diff)
    };
    let text = shown(&answer(heap, diff, None), TextStyle::default());
    let rest = text
        .lines()
        .find(|line| line.contains("[stacks with little]"));
    let rest = rest.unwrap_or_default();
    assert!(
        rest.trim_start().starts_with("+34.0 MiB   334 MiB"),
        "{text}"
    );
    assert!(!text.contains("rates::load"), "{text}");
}

#[test]
fn a_small_difference_is_no_growth() {
    // 21 MiB more at a place whose figures may be off by as much.
    let text = verdict(View::Live, &|heap| {
        heap.counts[0].before = Some(heap.counts[0].now);
        heap.counts[1].before = Some(heap.counts[1].now);
    });
    assert_eq!(text.0, Severity::Ok, "{}", text.1);
}

#[test]
fn figures_that_nobody_can_have_are_shown_all_the_same() {
    for view in View::ALL.map(|(view, _)| view) {
        for tree in [false, true] {
            let mut heap = heap();
            let most = Amount {
                bytes: u64::MAX,
                objects: u64::MAX,
            };
            for count in &mut heap.counts {
                count.now.allocated = most;
                count.now.variance = f64::MAX;
                (count.peak, count.old) = (most, most);
                (count.middle, count.recent) = (Some(u64::MAX), Some(u64::MAX));
                count.ages = [u64::MAX; 5];
            }
            let wish = Wish { tree, ..wish(view) };
            profile(&heap, &wish);
            let text = shown(&answer(heap, wish, None), TextStyle::default());
            assert!(
                text.contains("16.0 EiB") || text.contains("8.00 EiB"),
                "{text}"
            );
        }
    }
}
