//! What net/http/pprof serves and nobody measures here: valid and empty, since scrapers take an error
//! for one of the whole process.

use super::http::{LONGEST, Served, Shape, TEXT, send, too_long};
use crate::{
    command::{Context, Query, Reply},
    model::profile::{Profile, ValueType},
    render::pprof,
    sys::unix_now_ns,
};
use std::time::Duration;

/// Between two samples of an allocator that took some, in bytes: what Go's would.
const HEAP_PERIOD: i64 = 512 << 10;

/// What is said where a collection is asked for.
pub(in crate::command) const NO_GC: &str =
    "gc does nothing here: in-use figures need no collection";

/// `/debug/pprof/heap`.
pub(in crate::command) fn heap(ctx: &Context, query: &Query, reply: &mut Reply<'_>) -> Served {
    // The last type is what viewers show first.
    let mut profile = memory(None);
    if query.first("gc").is_some() {
        profile.comments.push(NO_GC.to_owned());
    }
    empty(
        profile,
        ["heap", "heap-delta"],
        HEAP_TEXT,
        ctx,
        query,
        reply,
    )
}

/// `/debug/pprof/allocs`.
pub(in crate::command) fn allocs(ctx: &Context, query: &Query, reply: &mut Reply<'_>) -> Served {
    let profile = memory(Some("alloc_space"));
    empty(
        profile,
        ["allocs", "allocs-delta"],
        HEAP_TEXT,
        ctx,
        query,
        reply,
    )
}

const HEAP_TEXT: &str =
    "heap profile: 0: 0 [0: 0] @ heap/1048576\n\n# not measured in this process\n";

fn memory(default_type: Option<&'static str>) -> Profile {
    Profile {
        sample_types: vec![
            ValueType::new("alloc_objects", "count"),
            ValueType::new("alloc_space", "bytes"),
            ValueType::new("inuse_objects", "count"),
            ValueType::new("inuse_space", "bytes"),
        ],
        default_type,
        period_type: Some(ValueType::new("space", "bytes")),
        period: HEAP_PERIOD,
        ..Profile::default()
    }
}

/// `/debug/pprof/threadcreate`.
pub(super) fn threadcreate(ctx: &Context, query: &Query, reply: &mut Reply<'_>) -> Served {
    const TEXT: &str = "threadcreate profile: total 0\n";
    let threads = ValueType::new("threadcreate", "count");
    let profile = Profile {
        sample_types: vec![threads],
        period_type: Some(threads),
        period: 1,
        ..Profile::default()
    };
    let names = ["threadcreate", "threadcreate-delta"];
    empty(profile, names, TEXT, ctx, query, reply)
}

/// Serves `profile`, which is empty, in the shape that is asked for.
fn empty(
    mut profile: Profile,
    [now, delta]: [&'static str; 2],
    text: &str,
    ctx: &Context,
    query: &Query,
    reply: &mut Reply<'_>,
) -> Served {
    let name = match Shape::of(query)? {
        Shape::Now { debug: 0 } => now,
        Shape::Now { .. } => return reply.file(TEXT, "", |out| out.put(text)),
        Shape::Delta { seconds } => {
            let time = Duration::from_secs(seconds);
            ctx.sleep(time)?;
            profile.duration_ns = u64::try_from(time.as_nanos()).unwrap_or(0);
            delta
        }
    };
    profile.time_unix_ns = unix_now_ns();
    profile
        .comments
        .push("not measured in this process".to_owned());
    send(&profile, name, reply)
}

/// `/debug/pprof/trace`: nothing was traced.
pub(super) fn trace(ctx: &Context, query: &Query, reply: &mut Reply<'_>) -> Served {
    let seconds = query
        .first("seconds")
        .and_then(|text| text.parse::<f64>().ok());
    let seconds = seconds.filter(|seconds| *seconds > 0.0).unwrap_or(1.0);
    if seconds > LONGEST as f64 {
        return Err(too_long());
    }
    ctx.sleep(Duration::from_secs_f64(seconds))?;
    reply.file(pprof::MEDIA_TYPE, "trace", |out| {
        out.put("{\"traceEvents\":[]}")
    })
}
