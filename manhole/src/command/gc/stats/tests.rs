//! The answer of made-up figures.

use super::*;
use crate::{
    probe::{
        allocator::{Figures, Known},
        cgroup::Memory,
    },
    render::text::{TextStyle, shown},
};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const PRICE: &str = "about 0.7 s on a fragmented heap of 4 GiB; threads that allocate wait";

fn known(name: &str, figures: Figures, price: Option<&'static str>) -> Option<Known> {
    Some(Known {
        name: name.to_owned(),
        figures,
        price,
    })
}

/// A process of 3 GiB on glibc's allocator, not sampled.
fn plain() -> Facts {
    Facts {
        look: Look {
            rust: known("glibc 2.36 malloc", Figures::default(), Some(PRICE)),
            ..Look::default()
        },
        usage: Usage {
            resident: Some(3 * GIB),
            anonymous: Some(2900 * MIB),
            ..Usage::default()
        },
        reclaimers: vec!["page cache", "rules"],
        ..Facts::default()
    }
}

/// The same sampled, within a limit.
fn sampled() -> Facts {
    Facts {
        totals: Some(Totals {
            live_bytes: 2365 * MIB,
            live_objects: 3_604_112,
            allocated_bytes: 48 << 40,
            freed_bytes: (48 << 40) - 2365 * MIB,
            error_bytes: Some(33.0 * MIB as f64),
            rate: 512 << 10,
            ..Totals::default()
        }),
        rates: Some(Rates {
            span_ns: 34_100_000_000,
            allocated_bytes: 192.0 * MIB as f64,
            allocated_objects: 2.1e6,
            freed_bytes: 191.0 * MIB as f64,
            freed_objects: 2.1e6,
        }),
        up_ns: 274_000_000_000_000,
        group: Cgroup {
            memory: Memory {
                current: Some(3100 * MIB),
                limit: Some(4 * GIB),
                ..Memory::default()
            },
            ..Cgroup::default()
        },
        ..plain()
    }
}

fn text(facts: &Facts) -> String {
    shown(&answer(facts), TextStyle { next: true })
}

#[test]
fn what_is_not_known_is_said_to_be_unknown() {
    assert_eq!(
        text(&plain()),
        "\
Rust has no garbage collector: memory returns when its owner drops it. This is the allocator's side.

allocator      glibc 2.36 malloc
live           -  nothing counts allocations in this process
allocated      -
freed          -
free but held  -  gc stats --deep measures it (about 0.7 s on a fragmented heap of 4 GiB; threads that allocate wait)
resident       3.00 GiB
reclaimers     2  page cache, rules    (the application's on_reclaim)
last gc run    never
# to know what is live: #[global_allocator] static ALLOC: manhole::Alloc = manhole::Alloc::system();
# next: gc run
"
    );
}

#[test]
fn the_sampled_heap_stands_beside_the_allocators_and_the_kernels_view() {
    assert_eq!(
        text(&sampled()),
        "\
Rust has no garbage collector: memory returns when its owner drops it. This is the allocator's side.

allocator            glibc 2.36 malloc  behind manhole::Alloc (sampling on, 1 per 512 KiB)
live                 2.31 GiB           in 3.6 M objects, sampled, +-1.4 %
allocated            192 MiB/s          in 2.1 M/s    (mean of the last 34 s)
freed                191 MiB/s          in 2.1 M/s
since start          48.0 TiB           allocated, in 3d 4h
free but held        -                  gc stats --deep measures it (about 0.7 s on a fragmented heap of 4 GiB; threads that allocate wait)
outside Rust's heap  707 MiB            of what is resident: what the allocator holds free, C code, stacks, files
resident             3.00 GiB           75 % of the cgroup's 4.00 GiB, 996 MiB left
reclaimers           2                  page cache, rules    (the application's on_reclaim)
last gc run          never
# next: gc run; heap
"
    );
}

#[test]
fn jemallocs_books_are_read_without_being_asked_for() {
    let mut facts = sampled();
    let figures = Figures {
        used: Some(2370 * MIB),
        resident: Some(2870 * MIB),
        free: Some(480 * MIB),
        purgeable: Some(400 * MIB),
        ..Figures::default()
    };
    facts.look.rust = known("jemalloc 5.3.1", figures, None);
    facts.look.c = known("glibc 2.36 malloc", Figures::default(), Some(PRICE));
    let text = text(&facts);
    for line in [
        "drops it. But the allocator holds 480 MiB free: try gc run, which gives back 400 MiB.\n",
        "handed out           2.31 GiB           by the allocator's books, its own overhead included\n",
        "held                 2.80 GiB           of its pages, in memory\n",
        "free but held        480 MiB            in memory; 400 MiB of it in whole pages, which gc run gives back\n",
        "of C code            glibc 2.36 malloc  its figures: gc stats --deep\n",
        "outside Rust's heap  202 MiB            of what is resident: other allocators, stacks, files\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

#[test]
fn deep_tells_what_is_free_or_why_that_is_not_known() {
    let mut facts = plain();
    let figures = Figures {
        used: Some(2000 * MIB),
        free: Some(800 * MIB),
        apart: Some(4 * MIB),
        ..Figures::default()
    };
    facts.look.rust = known("glibc 2.36 malloc", figures, None);
    facts.look.walked_ns = Some(12_000_000);
    let deep = text(&facts);
    for line in [
        "But the allocator holds 800 MiB free: try gc run.",
        "1.95 GiB  by the allocator's books, its own overhead included, 4.00 MiB of it in",
        "free but held  800 MiB   in memory, fragmented or kept for reuse",
        "measured in    12 ms",
    ] {
        assert!(deep.contains(line), "{deep}");
    }
    facts.look.rust = None;
    let unknown = text(&facts);
    assert!(
        unknown.contains("allocator      -  not one that is known here"),
        "{unknown}"
    );
    facts.look.rust = known("malloc of libtcmalloc.so.4", Figures::default(), None);
    assert!(text(&facts).contains("this allocator does not count it"));
}

#[test]
fn what_could_not_be_sampled_is_said() {
    let mut facts = sampled();
    if let Some(totals) = &mut facts.totals {
        totals.dropped = 1204;
    }
    let text = text(&facts);
    assert!(
        text.contains("+-1.4 %; more by 1,204 samples that found no room"),
        "{text}"
    );
}

#[test]
fn much_that_is_not_live_is_worth_asking_the_allocator() {
    let mut facts = sampled();
    if let Some(totals) = &mut facts.totals {
        totals.live_bytes = 900 * MIB;
    }
    let text = text(&facts);
    let question = "But 1.95 GiB in memory is not live in Rust: gc stats --deep tells what the allocator holds free.";
    assert!(text.contains(question), "{text}");
}

#[test]
fn sampling_that_is_off_and_rates_that_are_not_there_yet_are_said() {
    let mut facts = sampled();
    facts.rates = None;
    facts.totals = Some(Totals::default());
    let text = text(&facts);
    for line in [
        "behind manhole::Alloc (sampling off)",
        "allocated            -                  shows within a minute",
    ] {
        assert!(text.contains(line), "{text}");
    }
}
