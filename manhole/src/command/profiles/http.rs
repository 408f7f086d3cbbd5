//! What net/http/pprof serves, with its parameters, names of files and words for what is wrong.

use super::{ask::Ask, file};
use crate::{
    command::{Context, Query, Reply},
    fold,
    model::{
        Code, Failure,
        profile::Profile,
        samples::Samples,
        wish::{Kind, Wish},
    },
    probe::cores::Cores,
    render::{legacy, pprof},
};
use std::time::Duration;

pub(super) type Served = Result<(), Failure>;

pub(super) const TEXT: &str = legacy::MEDIA_TYPE;
/// How long a profile of time is, if nothing is said, in seconds.
const USUAL: u64 = 30;
/// The longest, in seconds.
pub(super) const LONGEST: u64 = 300;
/// How long waits are looked at, if nothing is said: scrapers give up after ten seconds.
const GLANCE: u64 = 1;

/// What Go's server would say of a profile that takes longer than a reply may.
pub(super) fn too_long() -> Failure {
    usage("profile duration exceeds server's WriteTimeout")
}

pub(super) fn usage(text: &str) -> Failure {
    Failure::new(Code::Usage, text)
}

/// What a profile is to be: that of the moment, or what it comes to in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::command) enum Shape {
    /// As it is; 0 is a file, everything else a text.
    Now { debug: i64 },
    /// What comes to it in so many seconds.
    Delta { seconds: u64 },
}

impl Shape {
    /// Reads the parameters as Go does.
    ///
    /// # Errors
    /// `usage` in its words.
    pub(in crate::command) fn of(query: &Query) -> Result<Self, Failure> {
        let debug = query.first("debug").and_then(|text| text.parse().ok());
        let debug: i64 = debug.unwrap_or(0);
        let Some(text) = query.first("seconds").filter(|text| !text.is_empty()) else {
            return Ok(Shape::Now { debug });
        };
        match text
            .parse::<i64>()
            .ok()
            .and_then(|seconds| u64::try_from(seconds).ok())
        {
            None | Some(0) => Err(usage(
                "invalid value for \"seconds\" - must be a positive integer",
            )),
            Some(seconds) if seconds > LONGEST => Err(too_long()),
            Some(_) if debug != 0 => Err(usage("seconds and debug params are incompatible")),
            Some(seconds) => Ok(Shape::Delta { seconds }),
        }
    }
}

/// `/debug/pprof/profile`.
pub(super) fn cpu(ctx: &Context, query: &Query, reply: &mut Reply<'_>) -> Served {
    let mut ask = timed(Kind::Cpu, query)?;
    let samples = ask.take(ctx, &|_| {})?;
    send(
        &fold::profile::profile(&samples, &ask.wish),
        "profile",
        reply,
    )
}

/// `/debug/pprof/wall`.
pub(super) fn wall(ctx: &Context, query: &Query, reply: &mut Reply<'_>) -> Served {
    let mut ask = timed(Kind::Wall, query)?;
    let samples = ask.take(ctx, &|_| {})?;
    let profile = fold::profile::profile(&samples, &ask.wish);
    match debug(query) {
        0 => send(&profile, "wall", reply),
        _ => reply.file(TEXT, "", |out| legacy::counts(&profile, "wall", 0, out)),
    }
}

/// `/debug/fgprof`.
pub(super) fn fgprof(ctx: &Context, query: &Query, reply: &mut Reply<'_>) -> Served {
    if let Some(text) = query.first("seconds").filter(|text| !text.is_empty())
        && !text.parse::<i64>().is_ok_and(|seconds| seconds > 0)
    {
        return Err(usage(&format!(
            "bad seconds: {}",
            crate::command::shown(text)
        )));
    }
    let folded = match query.first("format").unwrap_or("") {
        "" | "pprof" => false,
        "folded" => true,
        other => {
            let other = crate::command::shown(other);
            return Err(usage(&format!("bad format: {other}, use pprof or folded")));
        }
    };
    let mut ask = timed(Kind::Wall, query)?;
    let samples = ask.take(ctx, &|_| {})?;
    match folded {
        true => file::collapsed(&samples, &ask.wish, reply),
        false => send(
            &fold::profile::profile(&samples, &ask.wish),
            "fgprof",
            reply,
        ),
    }
}

/// A profile of time: what is no length is the usual one, as Go has it.
fn timed(kind: Kind, query: &Query) -> Result<Ask, Failure> {
    let seconds = query
        .first("seconds")
        .and_then(|text| text.parse::<i64>().ok());
    let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
    match seconds.filter(|seconds| *seconds > 0).unwrap_or(USUAL) {
        seconds if seconds > LONGEST => Err(too_long()),
        seconds => ask(kind, seconds, query),
    }
}

fn ask(kind: Kind, seconds: u64, query: &Query) -> Result<Ask, Failure> {
    let usual = match kind {
        Kind::Cpu => 99,
        Kind::Wall | Kind::Block | Kind::Mutex => 49,
    };
    let hz = match query.first("hz") {
        None | Some("") => usual,
        Some(text) => text
            .parse()
            .ok()
            .filter(|hz| (1..=1000).contains(hz))
            .ok_or_else(|| usage("invalid value for \"hz\" - must be an integer from 1 to 1000"))?,
    };
    let thread = query.first("thread").map(str::to_owned);
    Ok(Ask {
        window: Duration::from_secs(seconds),
        hz,
        wish: Wish {
            kind,
            thread: thread.filter(|thread| !super::ask::is_empty(thread)),
            cores: Cores::read().most(),
            ..Wish::default()
        },
    })
}

/// `/debug/pprof/block`.
pub(super) fn block(ctx: &Context, query: &Query, reply: &mut Reply<'_>) -> Served {
    const HEAD: &str = "--- contention:\ncycles/second=1000000000\n";
    waits(
        Kind::Block,
        ["block", "block-delta"],
        HEAD,
        ctx,
        query,
        reply,
    )
}

/// `/debug/pprof/mutex`.
pub(super) fn mutex(ctx: &Context, query: &Query, reply: &mut Reply<'_>) -> Served {
    const HEAD: &str = "--- mutex:\ncycles/second=1000000000\nsampling period=1\n";
    waits(
        Kind::Mutex,
        ["mutex", "mutex-delta"],
        HEAD,
        ctx,
        query,
        reply,
    )
}

/// Nothing is counted while nobody asks, so a profile is always that of a time.
fn waits(
    kind: Kind,
    [now, delta]: [&'static str; 2],
    head: &str,
    ctx: &Context,
    query: &Query,
    reply: &mut Reply<'_>,
) -> Served {
    let shape = Shape::of(query)?;
    let (seconds, name) = match shape {
        Shape::Now { .. } => (GLANCE, now),
        Shape::Delta { seconds } => (seconds, delta),
    };
    let mut ask = ask(kind, seconds, query)?;
    let samples: Samples = ask.take(ctx, &|_| {})?;
    let mut profile = fold::profile::profile(&samples, &ask.wish);
    match shape {
        Shape::Now { debug: 0 } => {
            let said =
                "of the last second: nothing is counted while nobody asks; seconds=N looks longer";
            profile.comments.push(said.to_owned());
            send(&profile, name, reply)
        }
        Shape::Now { .. } => reply.file(TEXT, "", |out| legacy::contentions(&profile, head, out)),
        Shape::Delta { .. } => send(&profile, name, reply),
    }
}

fn debug(query: &Query) -> i64 {
    let debug = query.first("debug").and_then(|text| text.parse().ok());
    debug.unwrap_or(0)
}

/// Sends `profile` gzipped, as the file `name`.
pub(in crate::command) fn send(
    profile: &Profile,
    name: &'static str,
    reply: &mut Reply<'_>,
) -> Served {
    reply.bytes(pprof::MEDIA_TYPE, name, |sink| pprof::render(profile, sink))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_go_reads_them() {
        let check = |query: &str, expected: Result<Shape, &str>| {
            let found = Shape::of(&Query::parse(query)).map_err(|failure| failure.text);
            assert_eq!(found, expected.map_err(str::to_owned), "{query}");
        };
        let now = |debug| Ok(Shape::Now { debug });
        let positive = Err("invalid value for \"seconds\" - must be a positive integer");
        check("", now(0));
        check("debug=2", now(2));
        check("debug=x&seconds=", now(0));
        check("seconds=5", Ok(Shape::Delta { seconds: 5 }));
        check("seconds=0", positive);
        check("seconds=1.5", positive);
        check("seconds=-1&debug=1", positive);
        check(
            "seconds=1&debug=1",
            Err("seconds and debug params are incompatible"),
        );
        check(
            "seconds=301",
            Err("profile duration exceeds server's WriteTimeout"),
        );
    }

    #[test]
    fn a_profile_of_time_takes_what_is_no_number_for_nothing() {
        let check = |query: &str, expected: Result<(u64, u32), &str>| {
            let found = timed(Kind::Cpu, &Query::parse(query));
            let found = found.map(|ask| (ask.window.as_secs(), ask.hz));
            assert_eq!(
                found.map_err(|failure| failure.text),
                expected.map_err(str::to_owned),
                "{query}"
            );
        };
        check("", Ok((30, 99)));
        check("seconds=abc", Ok((30, 99)));
        check("seconds=-5", Ok((30, 99)));
        check("seconds=2&hz=1000", Ok((2, 1000)));
        let hz = "invalid value for \"hz\" - must be an integer from 1 to 1000";
        check("hz=0", Err(hz));
        check("hz=x", Err(hz));
        let long = "profile duration exceeds server's WriteTimeout";
        check("seconds=1000", Err(long));
    }
}
