//! Profiles as files: for pprof, and collapsed for programs that draw flame graphs.

use crate::{
    command::Reply,
    fold,
    model::{
        Failure,
        profile::Profile,
        samples::Samples,
        wish::{Kind, Wish},
    },
    render::{collapsed, escape, pprof},
};

/// What a file of `kind` is called.
pub(super) fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Cpu => "cpu.pb.gz",
        Kind::Wall => "wall.pb.gz",
        Kind::Block => "block.pb.gz",
        Kind::Mutex => "mutex.pb.gz",
    }
}

/// Sends `profile` gzipped.
pub(super) fn pprof(profile: &Profile, kind: Kind, reply: &mut Reply<'_>) -> Result<(), Failure> {
    reply.bytes(pprof::MEDIA_TYPE, name(kind), |sink| {
        pprof::render(profile, sink);
    })
}

/// Sends a line for each stack: its samples, of waits their time in nanoseconds.
pub(super) fn collapsed(
    samples: &Samples,
    wish: &Wish,
    reply: &mut Reply<'_>,
) -> Result<(), Failure> {
    let mut profile = fold::profile::profile(samples, wish);
    if !wish.full_names {
        profile.frames.iter_mut().for_each(fold::profile::shorten);
    }
    let value = match wish.kind {
        Kind::Cpu | Kind::Wall => 0,
        Kind::Block | Kind::Mutex => 1,
    };
    reply.text(|out| {
        collapsed::render(&profile, value, &mut |line| {
            escape::put(line, escape::line, out)?;
            out.put("\n")
        })
    })
}
