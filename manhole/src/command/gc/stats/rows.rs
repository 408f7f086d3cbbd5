//! The lines of `gc stats`, from what was counted.

use super::{
    super::{UNKNOWN, behind},
    Facts,
};
use crate::{
    app::reclaim::LastRun,
    model::{Cell, Fields},
    probe::{allocator::Held, heap_sums::Totals},
    render::units,
};

pub(super) fn fields(facts: &Facts) -> Fields {
    let mut fields = Fields::new();
    allocator(&mut fields, facts);
    sampled(&mut fields, facts);
    books(&mut fields, facts);
    of_c(&mut fields, facts);
    kernel(&mut fields, facts);
    if let Some(walked) = facts.look.walked_ns {
        fields.field("measured_ns", "measured in", Cell::Nanos(walked));
    }
    reclaimers(&mut fields, facts);
    last_run(&mut fields, facts.last);
    fields
}

fn allocator(fields: &mut Fields, facts: &Facts) {
    let behind = behind(facts.totals.as_ref());
    let (name, remark) = match &facts.look.rust {
        Some(known) => (Cell::text(&*known.name), behind),
        None if behind.is_empty() => (Cell::Unknown, UNKNOWN.to_owned()),
        None => (Cell::Unknown, format!("{UNKNOWN}; {behind}")),
    };
    fields.remarked("allocator", "allocator", name, remark);
}

/// What the sampling allocator has counted.
fn sampled(fields: &mut Fields, facts: &Facts) {
    let totals = facts.totals.as_ref();
    let live = Cell::or_unknown(facts.live(), Cell::Bytes);
    let remark = totals.map_or(
        "nothing counts allocations in this process".to_owned(),
        |totals| {
            let error = totals
                .error_percent()
                .map(|error| format!(", +-{}", units::percent(error)));
            let mut text = format!(
                "in {} objects, sampled{}",
                units::estimate(totals.live_objects),
                error.unwrap_or_default()
            );
            if totals.dropped > 0 {
                let dropped = units::count(totals.dropped);
                text.push_str(&format!("; more by {dropped} samples that found no room"));
            }
            text
        },
    );
    fields.remarked("live_bytes", "live", live, remark);
    let objects = Cell::or_unknown(totals.map(|totals| totals.live_objects), Cell::Count);
    fields.field("live_objects", "", objects);
    let error = totals.and_then(Totals::error_percent);
    fields.field(
        "live_error_percent",
        "",
        Cell::or_unknown(error, Cell::Percent),
    );
    rates(fields, facts);
    if let Some(totals) = totals {
        let remark = format!("allocated, in {}", units::nanos(facts.up_ns));
        fields.remarked(
            "allocated_bytes",
            "since start",
            Cell::Bytes(totals.allocated_bytes),
            remark,
        );
        fields.field("freed_bytes", "", Cell::Bytes(totals.freed_bytes));
        fields.field("sampling_bytes", "", Cell::Bytes(totals.rate));
        fields.field("dropped_samples", "", Cell::Count(totals.dropped));
    }
}

fn rates(fields: &mut Fields, facts: &Facts) {
    let rates = facts.rates.as_ref();
    let objects = |per_second: f64| format!("in {}/s", units::estimate(per_second.round() as u64));
    let (allocated, freed) = match (rates, facts.totals) {
        (Some(rates), _) => (
            format!(
                "{}    (mean of the last {})",
                objects(rates.allocated_objects),
                units::nanos(rates.span_ns / 1_000_000_000 * 1_000_000_000)
            ),
            objects(rates.freed_objects),
        ),
        (None, Some(_)) => (
            "shows within a minute of the start".to_owned(),
            String::new(),
        ),
        (None, None) => Default::default(),
    };
    let rate = |rate: Option<f64>| Cell::or_unknown(rate, Cell::BytesRate);
    let bytes = rate(rates.map(|rates| rates.allocated_bytes));
    fields.remarked("allocated_bytes_per_s", "allocated", bytes, allocated);
    let bytes = rate(rates.map(|rates| rates.freed_bytes));
    fields.remarked("freed_bytes_per_s", "freed", bytes, freed);
    let rate = |rate: Option<f64>| Cell::or_unknown(rate, Cell::Float);
    let objects = rate(rates.map(|rates| rates.allocated_objects));
    fields.field("allocated_objects_per_s", "", objects);
    fields.field(
        "freed_objects_per_s",
        "",
        rate(rates.map(|rates| rates.freed_objects)),
    );
}

/// What the allocator itself has counted.
fn books(fields: &mut Fields, facts: &Facts) {
    let known = facts.look.rust.as_ref();
    let figures = known.map(|known| known.figures).unwrap_or_default();
    let bytes = |value: Option<u64>| Cell::or_unknown(value, Cell::Bytes);
    if figures.used.is_some() {
        let apart = figures.apart.map_or(String::new(), |apart| {
            format!(", {} of it in mappings of their own", units::bytes(apart))
        });
        fields.remarked(
            "used_bytes",
            "handed out",
            bytes(figures.used),
            format!("by the allocator's books, its own overhead included{apart}"),
        );
    }
    if figures.resident.is_some() {
        let remark = "of its pages, in memory";
        fields.remarked("held_bytes", "held", bytes(figures.resident), remark);
    } else if figures.taken.is_some() {
        let remark = "taken from the system, in memory or not";
        fields.remarked("taken_bytes", "taken", bytes(figures.taken), remark);
    }
    let held = facts.held();
    fields.remarked(
        "free_bytes",
        "free but held",
        bytes(held.map(|held| held.free)),
        free_remark(facts, held),
    );
    fields.field(
        "purgeable_bytes",
        "",
        bytes(held.and_then(|held| held.purgeable)),
    );
    let others = [
        ("free_in_books_bytes", figures.free),
        ("mapped_bytes", figures.apart),
        ("metadata_bytes", figures.metadata),
        ("retained_bytes", figures.retained),
    ];
    for (key, value) in others {
        if value.is_some() {
            fields.field(key, "", bytes(value));
        }
    }
}

/// What the free memory is, or how to be told.
fn free_remark(facts: &Facts, held: Option<Held>) -> String {
    match (held, &facts.look.rust) {
        (Some(held), _) => match held.purgeable {
            Some(purgeable) => format!(
                "in memory; {} of it in whole pages, which gc run gives back",
                units::bytes(purgeable)
            ),
            None => "in memory, fragmented or kept for reuse".to_owned(),
        },
        (None, Some(known)) => match known.price {
            Some(price) => format!("gc stats --deep measures it ({price})"),
            None if known.figures.taken.is_some() => {
                "it does not count it; known with manhole::Alloc over it".to_owned()
            }
            None => "this allocator does not count it".to_owned(),
        },
        (None, None) => String::new(),
    }
}

/// The allocator of C code, where that is another.
fn of_c(fields: &mut Fields, facts: &Facts) {
    let Some(known) = &facts.look.c else {
        return;
    };
    let (used, free) = (known.figures.used, known.figures.free);
    let remark = match (used, free, known.price) {
        (Some(used), Some(free), _) => {
            format!(
                "{} handed out, {} free in it",
                units::bytes(used),
                units::bytes(free)
            )
        }
        (_, _, Some(_)) => "its figures: gc stats --deep".to_owned(),
        _ => String::new(),
    };
    fields.remarked("c_allocator", "of C code", Cell::text(&*known.name), remark);
    let bytes = |value: Option<u64>| Cell::or_unknown(value, Cell::Bytes);
    fields.field("c_used_bytes", "", bytes(used));
    fields.field("c_free_bytes", "", bytes(free));
}

/// The kernel's side: what is in memory, what of it is not Rust's, how far the limit is.
fn kernel(fields: &mut Fields, facts: &Facts) {
    let bytes = |value: Option<u64>| Cell::or_unknown(value, Cell::Bytes);
    let resident = facts.usage.resident;
    let figures = facts
        .look
        .rust
        .as_ref()
        .map(|known| known.figures)
        .unwrap_or_default();
    let held = figures
        .outside(resident)
        .map(|outside| (outside, "other allocators, stacks, files"));
    let live = || {
        resident
            .zip(facts.live())
            .and_then(|(all, live)| all.checked_sub(live))
    };
    let outside = held.or_else(|| {
        live().map(|left| (left, "what the allocator holds free, C code, stacks, files"))
    });
    if facts.totals.is_some() || outside.is_some() {
        let (value, remark) = outside.unzip();
        let remark = remark.map_or(String::new(), |what| format!("of what is resident: {what}"));
        fields.remarked("outside_bytes", "outside Rust's heap", bytes(value), remark);
    }
    let limit = facts.group.memory.limit;
    let left = limit.map(|limit| {
        let held = facts
            .group
            .memory
            .held()
            .unwrap_or(0)
            .max(resident.unwrap_or(0));
        limit.saturating_sub(held)
    });
    let remark =
        limit
            .zip(left)
            .zip(resident)
            .map_or(String::new(), |((limit, left), resident)| {
                let share = units::percent(resident as f64 * 100.0 / limit.max(1) as f64);
                format!(
                    "{share} of the cgroup's {}, {} left",
                    units::bytes(limit),
                    units::bytes(left)
                )
            });
    fields.remarked("resident_bytes", "resident", bytes(resident), remark);
    fields.field("limit_bytes", "", bytes(limit));
    fields.field("left_bytes", "", bytes(left));
}

fn reclaimers(fields: &mut Fields, facts: &Facts) {
    let names = match facts.reclaimers.as_slice() {
        [] => "the application has none (manhole::on_reclaim)".to_owned(),
        names => format!("{}    (the application's on_reclaim)", names.join(", ")),
    };
    fields.remarked(
        "reclaimers",
        "reclaimers",
        Cell::Count(facts.reclaimers.len() as u64),
        names,
    );
}

fn last_run(fields: &mut Fields, last: Option<LastRun>) {
    match last {
        None => fields.remarked("last_run_at", "last gc run", Cell::text("never"), ""),
        Some(run) => {
            let change = run.change.map(units::bytes_change);
            let remark = change.map_or_else(String::new, |change| format!("resident {change}"));
            fields.remarked(
                "last_run_at",
                "last gc run",
                Cell::Time(run.at_unix_ns),
                remark,
            );
        }
    }
}
