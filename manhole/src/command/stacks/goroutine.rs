//! `/debug/pprof/goroutine`: stacks for what knows Go's.

use super::{Context, Depth, look};
use crate::{
    command::{
        Query, Reply,
        profiles::{Shape, send},
    },
    fold,
    model::{
        Failure,
        profile::Profile,
        stack::{Asked, Dump},
    },
    render::goroutine,
};
use std::time::Duration;

pub(super) fn serve(ctx: &Context, query: &Query, reply: &mut Reply<'_>) -> Result<(), Failure> {
    match Shape::of(query)? {
        Shape::Now { debug: 0 } => send(&profile(ctx)?, "goroutine", reply),
        Shape::Now { debug } => text(look(ctx, Depth::Cheap)?, debug >= 2, reply),
        Shape::Delta { seconds } => {
            let before = profile(ctx)?;
            ctx.sleep(Duration::from_secs(seconds))?;
            let change = fold::profile::difference(&before, profile(ctx)?);
            send(&change, "goroutine-delta", reply)
        }
    }
}

fn profile(ctx: &Context) -> Result<Profile, Failure> {
    Ok(fold::profile::of_threads(&look(ctx, Depth::Cheap)?))
}

/// One by one, or equal ones merged.
fn text(dump: Dump, each: bool, reply: &mut Reply<'_>) -> Result<(), Failure> {
    let full = Asked {
        full: true,
        ..Asked::default()
    };
    let now = dump.taken_unix_ns;
    let folded = fold::fold(&dump, &fold::Options::of(&full));
    drop(dump);
    reply.file("text/plain; charset=utf-8", "", |out| match each {
        true => goroutine::each(&folded.full, now, out),
        false => goroutine::merged(&folded.full, out),
    })
}
