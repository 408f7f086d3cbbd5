//! What net/http/pprof serves of the heap.

use super::{
    ask::{Ask, Span},
    look,
};
use crate::{
    command::{
        Context, Query, Reply,
        profiles::{Shape, nothing, send},
    },
    fold,
    model::{
        Failure,
        heap::{View, Wish},
    },
    render::legacy,
};
use std::time::Duration;

/// `/debug/pprof/heap`.
pub(super) fn heap(ctx: &Context, query: &Query, reply: &mut Reply<'_>) -> Result<(), Failure> {
    match crate::probe::heap::is_installed() {
        true => serve(View::Live, ["heap", "heap-delta"], ctx, query, reply),
        false => nothing::heap(ctx, query, reply),
    }
}

/// `/debug/pprof/allocs`.
pub(super) fn allocs(ctx: &Context, query: &Query, reply: &mut Reply<'_>) -> Result<(), Failure> {
    match crate::probe::heap::is_installed() {
        true => serve(View::Allocs, ["allocs", "allocs-delta"], ctx, query, reply),
        false => nothing::allocs(ctx, query, reply),
    }
}

fn serve(
    view: View,
    [now, delta]: [&'static str; 2],
    ctx: &Context,
    query: &Query,
    reply: &mut Reply<'_>,
) -> Result<(), Failure> {
    let shape = Shape::of(query)?;
    let (view, span, name) = match shape {
        Shape::Now { .. } => (view, Span::Usual, now),
        Shape::Delta { seconds } => {
            let view = match view {
                View::Allocs => View::Allocs,
                _ => View::Diff,
            };
            (view, Span::Next(Duration::from_secs(seconds)), delta)
        }
    };
    let ask = Ask {
        wish: Wish {
            view,
            ..Wish::default()
        },
        span,
    };
    let mut heap = look::take(&ask, ctx, &mut |_| {})?;
    if matches!(shape, Shape::Now { .. }) {
        // As it is: what it was an hour ago is no part of the file.
        heap.report.window = None;
    }
    let mut profile = fold::heap::profile(&heap, &ask.wish);
    if query.first("gc").is_some() {
        profile.comments.push(nothing::NO_GC.to_owned());
    }
    match shape {
        Shape::Now { debug } if debug != 0 => {
            reply.file(legacy::MEDIA_TYPE, "", |out| legacy::heap(&profile, out))
        }
        _ => send(&profile, name, reply),
    }
}
