//! The heap as a profile that other tools read: every frame, in full, with Go's four kinds of values.

use super::{leaf::DROP_FRAMES, sites::placeholder, words};
use crate::{
    fold::profile::convert::Maker,
    model::{
        heap::{Amount, Count, Heap, Place, View, Wish},
        profile::{Profile, Sample, ValueType},
    },
    render::units,
};

/// What `wish` asks for of `heap`. A view that compares has what came to it in the time.
pub fn profile(heap: &Heap, wish: &Wish) -> Profile {
    let mut maker = Maker::new(&heap.dump);
    for (stack, count) in heap.dump.threads.iter().zip(&heap.counts) {
        let instead = match stack.frames.is_empty() {
            true => placeholder(count.place).or(placeholder(Place::NoStack)),
            false => placeholder(count.place),
        };
        let frames = match instead {
            Some(name) => vec![maker.placeholder(name)],
            None => stack.frames.iter().map(|it| maker.frame(it)).collect(),
        };
        maker.samples.push(Sample {
            frames,
            values: values(count, wish.view, heap.report.window.is_some()),
            labels: Vec::new(),
        });
    }
    let report = &heap.report;
    let window = report.window.as_ref();
    Profile {
        sample_types: types(wish.view),
        default_type: (wish.view == View::Allocs).then_some("alloc_space"),
        period_type: Some(ValueType::new("space", "bytes")),
        period: i64::try_from(report.rate).unwrap_or(i64::MAX),
        time_unix_ns: window.map_or(report.taken_unix_ns, |window| window.from_unix_ns),
        duration_ns: window.map_or(0, |window| window.ns),
        comments: comments(heap, wish),
        drop_frames: DROP_FRAMES,
        ..maker.done()
    }
}

fn types(view: View) -> Vec<ValueType> {
    let objects = |kind| ValueType::new(kind, "count");
    let space = |kind| ValueType::new(kind, "bytes");
    match view {
        View::Peak => vec![objects("peak_objects"), space("peak_space")],
        View::Leaks => vec![objects("old_objects"), space("old_space")],
        View::Live | View::Allocs | View::Diff => vec![
            objects("alloc_objects"),
            space("alloc_space"),
            objects("inuse_objects"),
            space("inuse_space"),
        ],
    }
}

fn values(count: &Count, view: View, compared: bool) -> Vec<i64> {
    let now = [count.now.allocated, count.now.live()];
    let before = count.before.filter(|_| compared && view != View::Live);
    let before = before.unwrap_or_default();
    let before = [before.allocated, before.live()];
    match view {
        View::Peak => pair(count.peak, Amount::default()),
        View::Leaks => pair(count.old, Amount::default()),
        View::Live | View::Allocs | View::Diff => {
            let pairs = now.into_iter().zip(before);
            pairs.flat_map(|(now, before)| pair(now, before)).collect()
        }
    }
}

/// Objects and bytes of `now` less those of `before`.
fn pair(now: Amount, before: Amount) -> Vec<i64> {
    let less = |now: u64, before: u64| {
        let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        signed(now) - signed(before)
    };
    vec![
        less(now.count(), before.count()),
        less(now.bytes, before.bytes),
    ]
}

fn comments(heap: &Heap, wish: &Wish) -> Vec<String> {
    let report = &heap.report;
    let sampled = match report.rate {
        0 => "sampling is off: what was sampled before".to_owned(),
        1 => "every allocation was sampled".to_owned(),
        rate => format!("1 sample per {}, already scaled", units::bytes(rate)),
    };
    let mut variance = 0.0;
    heap.counts
        .iter()
        .for_each(|it| variance += it.now.variance);
    let live = report.live.bytes.max(1) as f64;
    let (kept, dropped) = (report.live_samples, report.dropped);
    let mut comments = vec![
        format!("manhole {} {}", env!("CARGO_PKG_VERSION"), wish.view.name()),
        format!(
            "{sampled}; {} live samples kept, {} dropped; live bytes are right to +-{}",
            units::count(kept),
            units::count(dropped),
            units::percent(variance.max(0.0).sqrt() * 100.0 / live),
        ),
        "seen: Rust's allocations; not seen: malloc of C libraries, mmap".to_owned(),
    ];
    comments.extend(words::cut(report));
    comments
}
