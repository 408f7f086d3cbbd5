//! The heap as files: for pprof, and collapsed for programs that draw flame graphs.

use crate::{
    command::Reply,
    fold,
    model::{
        Failure,
        heap::{Heap, View, Wish},
        profile::Profile,
    },
    render::{collapsed, escape, pprof},
};

/// What a file is called.
pub(super) const NAME: &str = "heap.pb.gz";

/// Sends `profile` gzipped.
pub(super) fn pprof(profile: &Profile, reply: &mut Reply<'_>) -> Result<(), Failure> {
    reply.bytes(pprof::MEDIA_TYPE, NAME, |sink| pprof::render(profile, sink))
}

/// Sends a line for each stack with its bytes.
pub(super) fn collapsed(heap: &Heap, wish: &Wish, reply: &mut Reply<'_>) -> Result<(), Failure> {
    let mut profile = fold::heap::profile(heap, wish);
    if !wish.full_names {
        profile.frames.iter_mut().for_each(fold::profile::shorten);
    }
    let value = match wish.view {
        View::Live | View::Diff => 3,
        View::Allocs | View::Peak | View::Leaks => 1,
    };
    reply.text(|out| {
        collapsed::render(&profile, value, &mut |line| {
            escape::put(line, escape::line, out)?;
            out.put("\n")
        })
    })
}
