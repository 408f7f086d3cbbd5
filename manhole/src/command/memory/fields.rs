//! The lines below the table of `memory`, and what programs want besides.

use super::{
    super::gc::{UNKNOWN, behind},
    Facts,
};
use crate::{
    model::{Cell, Fields, Show},
    probe::allocator::Known,
    render::units,
};

/// The lines below the table.
pub(super) fn shown(facts: &Facts) -> Fields {
    let mut fields = Fields {
        show: Show::Text,
        ..Fields::new()
    };
    let memory = &facts.group.memory;
    if let Some(current) = memory.current {
        fields.remarked("", "cgroup", Cell::Bytes(current), group_remark(facts));
    } else if let Some(total) = facts.machine.total {
        let available = facts.machine.available.map_or(String::new(), |bytes| {
            format!("of the machine; {} available", units::bytes(bytes))
        });
        fields.remarked("", "machine", Cell::Bytes(total), available);
    }
    allocators(&mut fields, facts);
    fields
}

/// Who allocates, Rust's and C code's where these are two.
fn allocators(fields: &mut Fields, facts: &Facts) {
    let (rust, c) = (&facts.look.rust, &facts.look.c);
    let behind = behind(facts.totals.as_ref());
    match rust {
        Some(known) => fields.remarked("", "allocator", Cell::text(&*known.name), behind),
        None => fields.remarked("", "allocator", Cell::Unknown, UNKNOWN),
    }
    if let Some(known) = c {
        fields.field("", "of C code", Cell::text(&*known.name));
    }
}

fn group_remark(facts: &Facts) -> String {
    let memory = &facts.group.memory;
    let mut parts = vec!["with cached files".to_owned()];
    if let Some(cache) = memory.cache {
        parts = vec![format!("with {} of cached files", units::bytes(cache))];
    }
    parts.push(match memory.limit {
        Some(limit) => format!(
            "max {}, {} left",
            units::bytes(limit),
            units::bytes(left(facts, limit))
        ),
        None => "no limit".to_owned(),
    });
    if let Some(group) = &memory.limit_above {
        parts.push(format!("set at {group}"));
    }
    if let Some(kills) = memory.oom_kills {
        parts.push(format!("oom_kill {kills}"));
    }
    if let Some(pressure) = &facts.group.pressure.memory {
        let whose = if facts.group.pressure.of_system {
            "the machine's pressure"
        } else {
            "pressure"
        };
        parts.push(format!(
            "{whose} {} of the last 10 s",
            units::percent(pressure.some.last_10_s)
        ));
    }
    parts.join(", ")
}

/// How far the limit is: what can be had beyond what cannot simply be taken back.
fn left(facts: &Facts, limit: u64) -> u64 {
    let held = facts.group.memory.held().unwrap_or(0);
    limit.saturating_sub(held.max(facts.usage.resident.unwrap_or(0)))
}

/// What programs want besides the table.
pub(super) fn figures(facts: &Facts) -> Fields {
    let mut fields = Fields::under("limits");
    let bytes = |value: Option<u64>| Cell::or_unknown(value, Cell::Bytes);
    let memory = &facts.group.memory;
    fields.field("cgroup_current_bytes", "", bytes(memory.current));
    fields.field("cgroup_cache_bytes", "", bytes(memory.cache));
    fields.field("cgroup_limit_bytes", "", bytes(memory.limit));
    let left = memory.limit.map(|limit| left(facts, limit));
    fields.field("cgroup_left_bytes", "", bytes(left));
    fields.field(
        "oom_kills",
        "",
        Cell::or_unknown(memory.oom_kills, Cell::Count),
    );
    fields.field("machine_bytes", "", bytes(facts.machine.total));
    fields.field(
        "machine_available_bytes",
        "",
        bytes(facts.machine.available),
    );
    let growth = facts.trends.resident.map(|trend| trend.per_second);
    fields.field(
        "growth_bytes_per_s",
        "",
        Cell::or_unknown(growth, Cell::BytesRate),
    );
    let before = facts
        .before
        .map(|(sample, _)| facts.now.at_ns.saturating_sub(sample.at_ns));
    fields.field("before_age_ns", "", Cell::or_unknown(before, Cell::Nanos));
    fields.field("virtual_bytes", "", bytes(facts.usage.virtual_size));
    fields.field("page_tables_bytes", "", bytes(facts.usage.page_tables));
    fields.field(
        "deep_took_ns",
        "",
        facts
            .deep
            .as_ref()
            .map_or(Cell::Empty, |deep| Cell::Nanos(deep.took_ns)),
    );
    fields
}

/// The heap for programs: here what is not known has its place, too.
pub(super) fn heap(facts: &Facts) -> Fields {
    let mut fields = Fields::under("heap");
    let bytes = |value: Option<u64>| Cell::or_unknown(value, Cell::Bytes);
    let name =
        |known: Option<&Known>| Cell::or_unknown(known.map(|known| known.name.clone()), Cell::Text);
    let (rust, c) = (facts.look.rust.as_ref(), facts.look.c.as_ref());
    let figures = rust.map(|known| known.figures).unwrap_or_default();
    let totals = facts.totals;
    fields.field(
        "live_bytes",
        "",
        bytes(totals.map(|totals| totals.live_bytes)),
    );
    let error = totals.and_then(|totals| totals.error_percent());
    fields.field(
        "live_error_percent",
        "",
        Cell::or_unknown(error, Cell::Percent),
    );
    fields.field("rest_bytes", "", bytes(facts.rest()));
    fields.field("allocator", "", name(rust));
    fields.field("c_allocator", "", name(c));
    fields.field("used_bytes", "", bytes(figures.used));
    fields.field("held_bytes", "", bytes(figures.resident));
    let held = facts.held();
    fields.field("free_bytes", "", bytes(held.map(|held| held.free)));
    fields.field(
        "purgeable_bytes",
        "",
        bytes(held.and_then(|held| held.purgeable)),
    );
    fields
}
