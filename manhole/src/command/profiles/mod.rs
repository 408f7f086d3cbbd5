//! `cpu`, `wall`, `block`, `mutex`: where the time goes; and what net/http/pprof serves of that.
//!
//! Two samplers bring [`Samples`](crate::model::samples::Samples); `fold` makes tables and profiles of
//! them, the same for all four.

mod ask;
mod custom;
mod file;
mod http;
pub(super) mod nothing;
mod run;
mod symbol;

pub(crate) use custom::serve as serve_custom;
pub(super) use http::{Shape, send};

use super::{Command, Endpoint, Run};
use crate::model::{
    ArgSpec, ArgType, Complete, Example, Failure, Group, Impact, Level, Spec, wish::Kind,
};

pub(super) static CPU: Command = Command {
    spec: Spec {
        name: "cpu",
        group: Group::Question,
        about: "where the processor time goes: samples every running thread for N seconds",
        args: &args("99"),
        level: Level::Inspect,
        impact: Impact::Signals,
        cost: "about 3 us per sample in the sampled thread; at 99 Hz 0.03 % of each busy core. Concurrent \
               callers share the samples; if --hz differs all get the higher rate and are told",
        examples: &[
            Example::new("cpu", "five seconds, as a table"),
            Example::new(
                "cpu 30 --format pprof > cpu.pb.gz",
                "open with: manhole-cli view cpu.pb.gz  or  go tool pprof",
            ),
            Example::new(
                "cpu 10 --thread worker --format tree",
                "the runtime's workers only",
            ),
        ],
        see_also: "wall (includes waiting), threads (who is busy now)",
    },
    triage: false,
    endpoints: &[
        Endpoint {
            path: "/debug/pprof/profile",
            level: Level::Inspect,
            about: "processor time over seconds=30, for go tool pprof; also hz, thread",
            run: http::cpu,
        },
        Endpoint {
            path: "/debug/pprof/trace",
            level: Level::Inspect,
            about: "an execution trace over seconds=1: empty as yet",
            run: nothing::trace,
        },
    ],
    run: Run::Stream(|ctx, args, reply| run::run(Kind::Cpu, ctx, args, reply)),
};

pub(super) static WALL: Command = Command {
    spec: Spec {
        name: "wall",
        group: Group::Question,
        about: "where the time goes, waiting included: samples all threads for N seconds",
        args: &args("49"),
        level: Level::Inspect,
        impact: Impact::Signals,
        cost: "about 3 % of a core for a hundred threads that mostly wait; a thread that has not moved is not \
               interrupted again",
        examples: &[
            Example::new("wall", "what threads do, and where"),
            Example::new("wall 10 --thread worker", "what holds up the runtime"),
        ],
        see_also: "cpu (running only), block and mutex (waiting only), stacks (this very moment)",
    },
    triage: false,
    endpoints: &[
        Endpoint {
            path: "/debug/pprof/wall",
            level: Level::Inspect,
            about: "time of all threads over seconds=30, running or not; also hz, thread; debug=1 is text",
            run: http::wall,
        },
        Endpoint {
            path: "/debug/fgprof",
            level: Level::Inspect,
            about: "the same as fgprof serves it: format=pprof or folded",
            run: http::fgprof,
        },
    ],
    run: Run::Stream(|ctx, args, reply| run::run(Kind::Wall, ctx, args, reply)),
};

pub(super) static BLOCK: Command = Command {
    spec: Spec {
        name: "block",
        group: Group::Question,
        about: "where threads wait, but not for work: how often, and how long, over N seconds",
        args: &args("49"),
        level: Level::Inspect,
        impact: Impact::Signals,
        cost: "as wall. Waits are sampled: of those that are shorter than the time between two looks, 20 ms at \
               49 Hz, only some are seen",
        examples: &[
            Example::new("block 10", "locks, channels, sleep, I/O, by your code"),
            Example::new("block --thread worker", "what blocks the runtime's workers"),
        ],
        see_also: "mutex (locks only), wall (running as well), stacks",
    },
    triage: false,
    endpoints: &[Endpoint {
        path: "/debug/pprof/block",
        level: Level::Inspect,
        about: "contentions and delay of threads that wait, over seconds=1; debug=1 is text",
        run: http::block,
    }],
    run: Run::Stream(|ctx, args, reply| run::run(Kind::Block, ctx, args, reply)),
};

pub(super) static MUTEX: Command = Command {
    spec: Spec {
        name: "mutex",
        group: Group::Question,
        about: "where threads wait for locks: how often, and how long, over N seconds",
        args: &args("49"),
        level: Level::Inspect,
        impact: Impact::Signals,
        cost: "as wall. Counted is who waits, not who holds; waits are sampled, as those of block",
        examples: &[Example::new(
            "mutex 10",
            "locks of std, parking_lot and C, by your code",
        )],
        see_also: "stacks (who waits for whom now), block",
    },
    triage: false,
    endpoints: &[Endpoint {
        path: "/debug/pprof/mutex",
        level: Level::Inspect,
        about: "contentions and delay of threads that wait for locks, over seconds=1; debug=1 is text",
        run: http::mutex,
    }],
    run: Run::Stream(|ctx, args, reply| run::run(Kind::Mutex, ctx, args, reply)),
};

/// What all four take.
const fn args(hz: &'static str) -> [ArgSpec; 6] {
    [
        ArgSpec::positional(
            "n",
            ArgType::seconds(1, 300),
            "how long; plain numbers are seconds",
        )
        .default("5s"),
        ArgSpec::option(
            "hz",
            ArgType::Int { min: 1, max: 1000 },
            "samples per second and thread",
        )
        .form("--hz H")
        .default(hz),
        ArgSpec::option(
            "thread",
            ArgType::Text,
            "thread ids, names, or roles: 4713,image-worker-*,worker,blocking",
        )
        .form("--thread T,...")
        .complete(Complete::Threads),
        ArgSpec::option(
            "format",
            ArgType::Choice(&["top", "tree", "collapsed", "pprof", "json"]),
            "pprof is gzipped, for manhole-cli view and go tool pprof",
        )
        .form("--format F")
        .default("top"),
        ArgSpec::option(
            "rows",
            ArgType::Text,
            "lines of a table, or all; a tree has 60",
        )
        .form("--rows R")
        .default("15"),
        ArgSpec::option(
            "names",
            ArgType::Choice(&["short", "full"]),
            "full: with generic arguments and every segment",
        )
        .default("short"),
    ]
}

/// What is not measured here.
const fn empty(path: &'static str, about: &'static str, run: Serve) -> Endpoint {
    Endpoint {
        path,
        level: Level::Inspect,
        about,
        run,
    }
}

type Serve = fn(&super::Context, &super::Query, &mut super::Reply<'_>) -> Result<(), Failure>;

/// Who made threads.
pub(super) const THREADCREATE: Endpoint = empty(
    "/debug/pprof/threadcreate",
    "who made threads: not measured here, a valid empty profile",
    nothing::threadcreate,
);

/// Names of addresses.
pub(super) const SYMBOL: Endpoint = Endpoint {
    path: "/debug/pprof/symbol",
    level: Level::Inspect,
    about: "names of addresses, as 0x1f00+0x2e00; GET or POST",
    run: symbol::serve,
};
