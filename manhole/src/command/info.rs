//! `info`: everything about this process and this console that does not change by the second, and
//! what is missing, with the line that would switch it on.

use super::{Command, Context, Endpoint, Query, Reply, Run, State, plural};
use crate::{
    app::{commands, messages, threads},
    model::{
        Answer, Args, Block, Cell, Column, Failure, Fields, Group, Impact, Level, Severity, Spec,
        Table, stack::Symbols,
    },
    names::{self, Detail, Quality},
    probe::identity::{self, Credentials, Identity},
    render::mask,
};
use std::sync::atomic::Ordering;

pub(super) static COMMAND: Command = Command {
    spec: Spec {
        name: "info",
        group: Group::Process,
        about: "program, user, uptime, who may come in, what is missing here and how to add it",
        args: &[],
        level: Level::View,
        impact: Impact::Reads,
        cost: "about 0.5 ms: it reads ten small files below /proc and the program's headers",
        examples: &[],
        see_also: "version, threads, limits",
    },
    triage: false,
    endpoints: &[Endpoint {
        path: "/debug/pprof/cmdline",
        level: Level::Inspect,
        about: "the command line, words separated by NUL, secrets masked",
        run: command_line,
    }],
    run: Run::Answer(answer),
};

/// As net/http/pprof serves it, but masked.
fn command_line(_: &Context, _: &Query, reply: &mut Reply<'_>) -> Result<(), Failure> {
    let words = mask::command_line(&identity::command_line());
    reply.file("text/plain; charset=utf-8", "", |out| {
        out.put(&words.join("\0"))
    })
}

fn answer(ctx: &Context, _: &Args) -> Result<Answer, Failure> {
    let identity = Identity::read();
    let state = &ctx.state;
    let missing = missing(state, &identity);
    let mut answer = Answer::about("this process and its console");
    match missing.len() {
        0 => answer.verdict(Severity::Ok, "The console has all it needs."),
        n => answer.verdict(
            Severity::Warn,
            format!("{} missing or limited here, see below.", plural(n, "thing")),
        ),
    }
    let inspect = ctx.may(Level::Inspect);
    answer.push(Block::Fields(process(state, &identity, inspect)));
    answer.push(Block::Fields(console(state)));
    answer.push(Block::Fields(application()));
    if !missing.is_empty() {
        let mut table = Table::new("missing", [Column::new("what", "missing or limited")]);
        missing
            .into_iter()
            .for_each(|line| table.row([Cell::Text(line)]));
        answer.push(Block::Table(table));
    }
    // Settings that reverted are named with their values.
    if let Some(table) = said().filter(|_| inspect) {
        answer.push(Block::Table(table));
    }
    Ok(answer)
}

fn process(state: &State, identity: &Identity, inspect: bool) -> Fields {
    let mut fields = Fields::under("process");
    fields.field("name", "service", Cell::text(&*state.name));
    match &state.version {
        Some(version) => fields.field("version", "version", Cell::text(&**version)),
        None => fields.remarked(
            "version",
            "version",
            Cell::Unknown,
            "manhole::builder().version(env!(\"CARGO_PKG_VERSION\"))",
        ),
    }
    let program = identity.executable.clone();
    fields.field(
        "executable",
        "program",
        Cell::or_unknown(program, Cell::Text),
    );
    let (quality, remedy) = names_of_functions(Quality::of_this_process());
    fields.remarked("names", "names in stacks", Cell::text(quality), remedy);
    // Masked for everybody: command lines carry passwords.
    let (label, line) = ("command line", mask::command_line(&identity.command_line));
    match inspect {
        true => fields.field("command_line", label, Cell::Text(line.join(" "))),
        false => fields.remarked("command_line", label, Cell::Unknown, "needs level inspect"),
    }
    fields.field(
        "uptime_ns",
        "up",
        Cell::or_unknown(identity.age_ns, Cell::Nanos),
    );
    let outer: Vec<String> = identity.pids.iter().map(u32::to_string).collect();
    let remark = match outer.len() {
        0 | 1 => String::new(),
        _ => format!("{} from the outermost namespace inwards", outer.join(", ")),
    };
    fields.remarked("pid", "pid", Cell::Id(state.pid.into()), remark);
    let id = |value: Option<u32>| Cell::or_unknown(value, |id| Cell::Id(id.into()));
    fields.field("uid", "uid", id(identity.leader.uid));
    fields.field("gid", "gid", id(identity.leader.gid));
    fields.field("sandbox", "sandbox", Cell::Text(sandbox(&identity.leader)));
    let container = identity.container.as_ref().map_or_else(
        || "none that shows".to_owned(),
        |container| match &container.id {
            Some(id) => format!("{} {}", container.maker, id.get(..12).unwrap_or(id)),
            None => container.maker.to_owned(),
        },
    );
    fields.field("container", "container", Cell::Text(container));
    fields
}

/// How good the names of functions can be, and what would make them better.
fn names_of_functions(quality: Quality) -> (&'static str, String) {
    match (quality.symbols, quality.detail) {
        (Symbols::Gone | Symbols::NotRead, _) => {
            ("none: the program's file cannot be read", String::new())
        }
        (Symbols::Stripped, Detail::Nothing) => (
            "only of what is exported: the program is stripped",
            "[profile.release] strip = \"none\", or manhole-cli with its debug file".to_owned(),
        ),
        (_, Detail::Full) => ("with inlined functions and lines", String::new()),
        (_, Detail::Bare) => (
            "with lines; inlined functions without their types",
            names::DEBUG.to_owned(),
        ),
        (_, Detail::Unreadable) => (
            "without lines: they are in .dwo files or compressed",
            "[profile.release] split-debuginfo = \"off\"".to_owned(),
        ),
        (_, Detail::Nothing) => {
            let remedy = match quality.legacy {
                true => format!("{}; or at least {}", names::DEBUG, names::MANGLING),
                false => names::DEBUG.to_owned(),
            };
            ("without inlined functions and lines", remedy)
        }
    }
}

fn sandbox(credentials: &Credentials) -> String {
    let seccomp = match (credentials.seccomp, credentials.seccomp_filters) {
        (None | Some(0), _) => "no seccomp".to_owned(),
        (Some(1), _) => "seccomp strict".to_owned(),
        (Some(_), None) => "seccomp filtered".to_owned(),
        (Some(_), Some(filters)) => format!("seccomp, {}", plural(filters as usize, "filter")),
    };
    let capabilities = match credentials.capabilities {
        None => "capabilities unknown".to_owned(),
        Some(0) => "no capabilities".to_owned(),
        Some(mask) => {
            plural(mask.count_ones() as usize, "capability").replace("capabilitys", "capabilities")
        }
    };
    match credentials.no_new_privileges {
        Some(true) => format!("{seccomp}, {capabilities}, no new privileges"),
        _ => format!("{seccomp}, {capabilities}"),
    }
}

fn console(state: &State) -> Fields {
    let mut fields = Fields::under("console");
    fields.field("manhole", "manhole", Cell::text(env!("CARGO_PKG_VERSION")));
    let path = state.path().map(|path| path.display().to_string());
    fields.field("socket", "socket", Cell::or_unknown(path, Cell::Text));
    fields.field(
        "installed",
        "installed",
        Cell::Time(state.installed_unix_ns),
    );
    let island = state.island();
    let table = match &island.shared_table {
        None => "private",
        Some(_) => "shared with the process",
    };
    fields.field("descriptor_table", "descriptors", Cell::text(table));
    let owner = state.euid.load(Ordering::Relaxed);
    fields.field("who_may", "who may", Cell::Text(who_may(state, owner)));
    let access = state.access_now();
    let cap = access.cap.map_or("control", Level::name);
    fields.remarked(
        "max_level",
        "level at most",
        Cell::text(cap),
        access.cap_reason.unwrap_or(""),
    );
    let features = [
        ("tracing", cfg!(feature = "tracing")),
        ("log", cfg!(feature = "log")),
        ("jemalloc", cfg!(feature = "jemalloc")),
        ("mimalloc", cfg!(feature = "mimalloc")),
    ];
    let on: Vec<&str> = features
        .iter()
        .filter(|(_, on)| *on)
        .map(|(name, _)| *name)
        .collect();
    let on = if on.is_empty() {
        "none".to_owned()
    } else {
        on.join(", ")
    };
    fields.field("features", "features", Cell::Text(on));
    let count = |value: &std::sync::atomic::AtomicU64| Cell::Count(value.load(Ordering::Relaxed));
    fields.field("connections", "connections", count(&state.connections));
    fields.field("commands", "commands run", count(&state.commands));
    fields
}

fn who_may(state: &State, owner: u32) -> String {
    let access = state.access_now();
    let who = |level| access.who_has(level, owner);
    if who(Level::Control) == who(Level::View) {
        return format!("{}: everything", who(Level::View));
    }
    let parts = Level::ALL
        .into_iter()
        .rev()
        .map(|level| format!("{level}: {}", who(level)));
    parts.collect::<Vec<_>>().join("; ")
}

fn application() -> Fields {
    let mut fields = Fields::under("application");
    fields.field(
        "commands",
        "own commands",
        Cell::Count(commands::all().len() as u64),
    );
    let status = threads::status().unwrap_or_default();
    let remark = match status.lost {
        0 => String::new(),
        lost => format!("{} lost in code that hangs", plural(lost, "thread")),
    };
    fields.remarked(
        "threads",
        "its threads",
        Cell::Count(status.threads as u64),
        remark,
    );
    let running: Vec<String> = status
        .running
        .iter()
        .map(|(what, since)| format!("{what} for {} s", since.as_secs()))
        .collect();
    if !running.is_empty() {
        fields.field("running", "runs now", Cell::Text(running.join(", ")));
    }
    fields
}

/// Every limitation, a sentence each, with the remedy.
fn missing(state: &State, identity: &Identity) -> Vec<String> {
    let island = state.island();
    let mut missing = island.missing;
    if let Some(why) = island.shared_table {
        missing.push(format!(
            "the descriptor table is shared with the process ({why}): at its limit no client can connect, and if it closes what is not its own the console ends"
        ));
    }
    missing.extend(
        island
            .passed_over
            .into_iter()
            .map(|place| format!("not listening in {place}")),
    );
    let differing = identity.leader.differences(&identity.own);
    if !differing.is_empty() {
        missing.push(format!(
            "the console's threads differ from the process in {}, so application code is refused; call install() after dropping privileges",
            differing.join(", ")
        ));
    }
    let refused = threads::status().and_then(|status| status.refused);
    if let Some(why) = refused.filter(|_| threads::wanted()) {
        missing.push(format!("application code is refused: {why}"));
    }
    let dropped = |count: u64, what: &str, who: &str| {
        let what = plural(usize::try_from(count).unwrap_or(usize::MAX), what);
        let or = match cfg!(any(feature = "tracing", feature = "log")) {
            true => " or a subscriber",
            false => "",
        };
        let sentence =
            || format!("{what} of the console were dropped: {who}{or} is slow or panics");
        (count > 0).then(sentence)
    };
    missing.extend(dropped(messages::dropped(), "message", "log_to"));
    let audit = state.audit.dropped();
    missing.extend(dropped(audit, "audit record", "the audit callback"));
    if identity.age_ns.is_none() {
        missing.push(
            "/proc cannot be read, so threads, memory, fds and maps know little; mount it"
                .to_owned(),
        );
    }
    missing.extend(super::gc::missing());
    missing
}

/// What the console said about itself lately.
fn said() -> Option<Table> {
    let recent = messages::recent();
    let mut table = Table::new(
        "messages",
        [Column::new("time", "time"), Column::new("text", "message")],
    );
    for message in recent.iter().rev().take(8).rev() {
        table.row([Cell::Time(message.time_unix_ns), Cell::text(&*message.text)]);
    }
    (!recent.is_empty()).then_some(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        command::{Access, Nobody},
        model::Caller,
    };

    #[test]
    fn level_view_sees_no_command_line_and_no_values() {
        let state = State::new("x".into(), None, Access::default(), Box::new(Nobody));
        let state = std::sync::Arc::new(state);
        messages::note("test.info reverted by itself: \"a\" -> \"b\"");
        let shown = |level| {
            let caller = Caller {
                uid: 0,
                gid: 0,
                pid: 0,
                level,
                connection: 1,
            };
            let ctx = Context::new(caller, state.clone());
            let answer = answer(&ctx, &Args::default()).unwrap();
            let text = format!("{answer:?}");
            let program = std::env::args().next().unwrap();
            let line = format!("\"command_line\", \"command line\", Text(\"{program}");
            (text.contains(&line), text.contains("test.info reverted"))
        };
        assert_eq!(shown(Level::Inspect), (true, true));
        assert_eq!(shown(Level::View), (false, false));
    }

    #[test]
    fn a_sandbox_is_told_in_a_few_words() {
        let check =
            |credentials: Credentials, expected: &str| assert_eq!(sandbox(&credentials), expected);
        check(Credentials::default(), "no seccomp, capabilities unknown");
        let jailed = Credentials {
            capabilities: Some(0),
            seccomp: Some(2),
            seccomp_filters: Some(1),
            no_new_privileges: Some(true),
            ..Credentials::default()
        };
        check(
            jailed,
            "seccomp, 1 filter, no capabilities, no new privileges",
        );
        let root = Credentials {
            capabilities: Some(0b111),
            seccomp: Some(0),
            ..Credentials::default()
        };
        check(root, "no seccomp, 3 capabilities");
    }
}
