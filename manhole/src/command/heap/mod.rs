//! `heap` and its kind: who holds the memory, who allocates it, what grows.
//!
//! The sampling allocator counts, `probe::heap` reads it, `fold::heap` makes tables and profiles of that.

mod ask;
mod files;
mod http;
mod look;
mod run;
pub(super) mod sampling;
pub(super) mod save;
#[cfg(test)]
mod tests;

use super::{Command, Endpoint, Run};
use crate::model::{ArgSpec, ArgType, Example, Group, Impact, Level, Spec, heap::View};

/// What looking costs, names included.
const COST: &str = "10 to 100 ms, nearly all of it for names, on a thread of the console's; the application's \
                    notice nothing";

pub(super) static LIVE: Command = Command {
    spec: Spec {
        name: "heap",
        group: Group::Question,
        about: "who holds the memory: live bytes by the code that allocated them; heap SITE: its callers",
        args: &[
            ArgSpec::positional(
                "site",
                ArgType::Text,
                "a function, as heap prints it, or its end",
            ),
            FORMAT,
            ROWS,
            NAMES,
        ],
        level: Level::Inspect,
        impact: Impact::Reads,
        cost: COST,
        examples: &[
            Example::new("heap Cache::lookup", "who calls what holds the memory"),
            Example::new(
                "heap --format pprof > heap.pb.gz",
                "open with: manhole-cli view heap.pb.gz  or  go tool pprof",
            ),
        ],
        see_also: "heap leaks, heap diff, heap peak, heap allocs; memory (what the system sees)",
    },
    triage: true,
    endpoints: &[
        Endpoint {
            path: "/debug/pprof/heap",
            level: Level::Inspect,
            about: "memory of live objects, and all that was allocated; seconds=N a delta; debug=1 is text",
            run: http::heap,
        },
        Endpoint {
            path: "/debug/pprof/allocs",
            level: Level::Inspect,
            about: "the same, with all past allocations shown first",
            run: http::allocs,
        },
    ],
    run: Run::Both(
        |ctx, args| run::answer(View::Live, ctx, args),
        |ctx, args, reply| run::stream(View::Live, ctx, args, reply),
    ),
};

pub(super) static LEAKS: Command = Command {
    spec: Spec {
        name: "heap leaks",
        group: Group::Question,
        about: "what is old and keeps growing: where memory leaks, with the ages of what is live",
        args: &[
            ArgSpec::option(
                "min-age",
                ArgType::seconds(1, 7 * 86_400),
                "from which age on memory is old",
            )
            .form("--min-age T")
            .default("60s"),
            FORMAT,
            ROWS,
            NAMES,
        ],
        level: Level::Inspect,
        impact: Impact::Reads,
        cost: COST,
        examples: &[Example::new(
            "heap leaks --min-age 10m",
            "once the process has run for a while",
        )],
        see_also: "heap, heap diff",
    },
    triage: false,
    endpoints: &[],
    run: Run::Both(
        |ctx, args| run::answer(View::Leaks, ctx, args),
        |ctx, args, reply| run::stream(View::Leaks, ctx, args, reply),
    ),
};

pub(super) static DIFF: Command = Command {
    spec: Spec {
        name: "heap diff",
        group: Group::Question,
        about: "what changed between two looks: an hour ago and now, if nothing is said",
        args: &[
            ArgSpec::positional(
                "from",
                ArgType::Text,
                "an age (10m, 1h, 24h), start, a name of heap save, or +30s: wait so long",
            )
            .default("1h"),
            ArgSpec::positional("to", ArgType::Text, "the same, for the end").default("now"),
            FORMAT,
            ROWS,
            NAMES,
        ],
        level: Level::Inspect,
        impact: Impact::Reads,
        cost: COST,
        examples: &[
            Example::new("heap diff +30s", "what comes and stays in half a minute"),
            Example::new("heap diff before-deploy", "since heap save before-deploy"),
        ],
        see_also: "heap save, heap leaks",
    },
    triage: false,
    endpoints: &[],
    run: Run::Both(
        |ctx, args| run::answer(View::Diff, ctx, args),
        |ctx, args, reply| run::stream(View::Diff, ctx, args, reply),
    ),
};

pub(super) static ALLOCS: Command = Command {
    spec: Spec {
        name: "heap allocs",
        group: Group::Question,
        about: "who allocates, live or not: over N seconds, or since the start",
        args: &[
            ArgSpec::positional(
                "n",
                ArgType::seconds(1, 300),
                "how long; since the start if not given",
            ),
            FORMAT,
            ROWS,
            NAMES,
        ],
        level: Level::Inspect,
        impact: Impact::Reads,
        cost: COST,
        examples: &[Example::new(
            "heap allocs 10",
            "where allocations come from now",
        )],
        see_also: "heap, cpu",
    },
    triage: false,
    endpoints: &[],
    run: Run::Both(
        |ctx, args| run::answer(View::Allocs, ctx, args),
        |ctx, args, reply| run::stream(View::Allocs, ctx, args, reply),
    ),
};

pub(super) static PEAK: Command = Command {
    spec: Spec {
        name: "heap peak",
        group: Group::Question,
        about: "who held the memory when most of it was live",
        args: &[FORMAT, ROWS, NAMES],
        level: Level::Inspect,
        impact: Impact::Reads,
        cost: COST,
        examples: &[Example::new("heap peak", "after the peak is gone")],
        see_also: "heap, memory",
    },
    triage: false,
    endpoints: &[],
    run: Run::Both(
        |ctx, args| run::answer(View::Peak, ctx, args),
        |ctx, args, reply| run::stream(View::Peak, ctx, args, reply),
    ),
};

const FORMAT: ArgSpec = ArgSpec::option(
    "format",
    ArgType::Choice(&["top", "tree", "collapsed", "pprof", "json"]),
    "pprof is gzipped, for manhole-cli view and go tool pprof",
)
.form("--format F")
.default("top");

const ROWS: ArgSpec = ArgSpec::option(
    "rows",
    ArgType::Text,
    "lines of a table, or all; a tree has 60",
)
.form("--rows R")
.default("15");

const NAMES: ArgSpec = ArgSpec::option(
    "names",
    ArgType::Choice(&["short", "full"]),
    "full: with generic arguments and every segment",
)
.default("short");
