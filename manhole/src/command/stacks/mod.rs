//! `stacks`: what every thread is doing, and who waits for whom.
//!
//! Each thread copies its own stack and goes on; unwinding, naming and folding happen here. The same
//! look serves `threads`, `triage` and the paths that net/http/pprof has for goroutines.

mod goroutine;
mod look;

pub(crate) use look::Setting;
pub(super) use look::{Depth, look};

use super::{Command, Context, Endpoint, Run};
use crate::{
    fold,
    model::{
        Answer, ArgSpec, ArgType, Args, Block, Code, Complete, Example, Failure, Group, Impact,
        Level, Spec,
        stack::{Asked, Dump},
    },
};

pub(super) static COMMAND: Command = Command {
    spec: Spec {
        name: "stacks",
        group: Group::Question,
        about: "what every thread is doing, and who waits for whom",
        args: &[
            ArgSpec::option(
                "thread",
                ArgType::Text,
                "ids, patterns for names, roles: 4713,image-*,worker,blocking",
            )
            .form("--thread T,...")
            .complete(Complete::Threads),
            ArgSpec::flag("full", "one by one, with every frame"),
            ArgSpec::flag("idle", "only those that wait for work, with their stacks"),
            ArgSpec::flag(
                "lines",
                "source lines and inlined functions, whatever they take",
            ),
            ArgSpec::flag(
                "no-signal",
                "interrupt nobody: what /proc knows, without stacks",
            ),
            ArgSpec::option(
                "names",
                ArgType::Choice(&["short", "full"]),
                "full: with generic arguments and every segment",
            )
            .default("short"),
        ],
        level: Level::Inspect,
        impact: Impact::Signals,
        cost: "20 ms for a hundred threads, 0.1 s for a thousand; each is interrupted for about 4 us, none is \
               stopped; lines and inlined functions take at most 0.3 s and 64 MiB more, unless --lines is given",
        examples: &[
            Example::new("stacks", "all threads, equal ones merged"),
            Example::new("stacks --thread worker", "the workers of tokio's runtimes"),
            Example::new("stacks --thread 4766 --full", "one thread, every frame"),
            Example::new("stacks --json", "every thread, frame and module"),
        ],
        see_also: "threads (who uses the processor), triage",
    },
    triage: true,
    endpoints: &[
        Endpoint {
            path: "/debug/pprof/goroutine",
            level: Level::Inspect,
            about: "the stacks of all threads; debug=1 merged, debug=2 one by one, as texts",
            run: goroutine::serve,
        },
        super::profiles::SYMBOL,
    ],
    run: Run::Answer(answer),
};

fn answer(ctx: &Context, args: &Args) -> Result<Answer, Failure> {
    let asked = asked(args)?;
    let depth = match (args.flag("no-signal"), args.flag("lines")) {
        (true, _) => Depth::Kernel,
        (false, true) => Depth::Lines,
        (false, false) => Depth::Cheap,
    };
    let dump = look(ctx, depth).map_err(named)?;
    let unknown = asked
        .thread
        .as_deref()
        .map(|thread| unknown("stacks", thread, &dump));
    let answer = fold::answer(dump, asked, None);
    match (unknown, answer.blocks.first()) {
        (Some(failure), Some(Block::Stacks(found))) if found.folded.threads == 0 => Err(failure),
        _ => Ok(answer),
    }
}

fn asked(args: &Args) -> Result<Asked, Failure> {
    let thread = args.text("thread").map(str::to_owned);
    if thread
        .as_deref()
        .is_some_and(|text| text.trim_matches([',', ' ']).is_empty())
    {
        let text = "stacks: --thread is empty; it takes ids, names or roles: 4713,image-*,worker";
        return Err(Failure::new(Code::Usage, text));
    }
    Ok(Asked {
        thread,
        full: args.flag("full"),
        idle: args.flag("idle"),
        full_names: args.text("names") == Some("full"),
    })
}

/// An error begins with the command that it is of.
fn named(mut failure: Failure) -> Failure {
    if failure.code != Code::Cancelled {
        failure.text = format!("stacks: {}", failure.text);
    }
    failure
}

/// No thread is called `thread`, which `command` was told, but there are these.
pub(super) fn unknown(command: &str, thread: &str, dump: &Dump) -> Failure {
    let names = super::threads::words::names(dump.threads.iter().map(|thread| &*thread.name));
    let text = format!(
        "{command}: --thread {}: no thread has this id, name or role; threads lists them",
        super::shown(thread)
    );
    Failure::new(Code::Unknown, text).hint(format!(
        "names: {}; roles: main, worker, blocking, idle blocking",
        super::shown(&names)
    ))
}
