//! `fds`: open descriptors by kind, state and peer; how many of the limit, and how fast they grow.
//!
//! A leak shows as one large group: the connections to one peer that it closed, the files of one
//! directory. `--all` lists each descriptor, which is what `lsof` would show of the process.

mod all;
mod group;
mod past;
mod verdict;

use super::{Command, Context, Run, plural};
use crate::{
    model::{
        Answer, ArgSpec, Args, Block, Cell, Code, Column, Example, Failure, Fields, Impact, Level,
        Show, Spec, Table,
    },
    probe::{
        clock,
        fds::{self, Descriptors, Sockets},
        limits,
        vitals::{Sample, Trend, Vitals},
    },
    render::units,
};
use group::{Group, Rank};
pub(crate) use past::Past;
use std::time::Duration;

/// Lines of the table for people.
const ROWS: usize = 30;
/// How far back growth is looked for.
const WINDOW: Duration = Duration::from_secs(600);

pub(super) static COMMAND: Command = Command {
    spec: Spec {
        name: "fds",
        group: crate::model::Group::Question,
        about: "open descriptors by kind, state and peer, their limit and growth",
        args: &[ArgSpec::flag(
            "all",
            "one line for every descriptor, with full paths and addresses",
        )
        .level(Level::Inspect)],
        level: Level::View,
        impact: Impact::Reads,
        cost: "5 us for each descriptor, and the tables of sockets up to the last one found",
        examples: &[
            Example::new("fds", "groups, leaks first"),
            Example::new("fds --all", "each of them"),
        ],
        see_also: "limits (nofile), threads (who waits on which)",
    },
    triage: true,
    endpoints: &[],
    run: Run::Answer(answer),
};

/// Everything that the answer is made of.
#[derive(Clone, Debug, Default)]
struct Facts {
    /// Open now.
    open: u64,
    /// The soft limit; `None` is unlimited or unknown.
    limit: Option<u64>,
    /// How far the process may raise it.
    hard: Option<u64>,
    /// Open ten minutes ago.
    before: Option<u64>,
    trend: Option<Trend>,
    groups: Vec<Group>,
    /// How long ago the look was that the groups were compared with, in nanoseconds.
    compared_ns: Option<u64>,
    truncated: bool,
}

fn answer(ctx: &Context, args: &Args) -> Result<Answer, Failure> {
    let keep_going = || ctx.check().is_ok();
    let Some(descriptors) = fds::list(&keep_going) else {
        ctx.check()?;
        let text = "fds: /proc/self/fd cannot be read; is /proc mounted?";
        return Err(Failure::new(Code::Unsupported, text));
    };
    let sockets = sockets(&descriptors, &keep_going);
    ctx.check()?;
    let mut facts = facts(&descriptors, &sockets, &ctx.state.vitals);
    facts.compared_ns = ctx
        .state
        .fds
        .compare(clock::monotonic_ns(), &mut facts.groups);
    let mut answer = report(&facts);
    if args.flag("all") {
        answer
            .blocks
            .retain(|block| !matches!(block, Block::Table(table) if table.show == Show::Text));
        answer
            .blocks
            .insert(0, Block::Table(all::table(&descriptors.list, &sockets)));
        answer.next.retain(|next| next != "fds --all");
    }
    Ok(answer)
}

fn sockets(descriptors: &Descriptors, keep_going: &dyn Fn() -> bool) -> Sockets {
    let list = descriptors.list.iter();
    let inodes = list.filter_map(|descriptor| descriptor.link.socket());
    Sockets::find(inodes.collect(), keep_going)
}

fn facts(descriptors: &Descriptors, sockets: &Sockets, vitals: &Vitals) -> Facts {
    let limit = limits::descriptors();
    let listed = descriptors.list.len() as u64;
    // Beyond the list only the kernel's count knows; below it that one counts reserved numbers too.
    let open = match descriptors.truncated {
        true => fds::count().unwrap_or(listed).max(listed),
        false => listed,
    };
    let now = Sample {
        at_ns: clock::monotonic_ns(),
        fds: Some(open),
        ..Sample::default()
    };
    Facts {
        open,
        limit: limit.as_ref().and_then(|limit| limit.soft),
        hard: limit.and_then(|limit| limit.hard),
        before: vitals.ago(WINDOW).and_then(|sample| sample.fds),
        trend: vitals.trend(WINDOW, &now, |sample| sample.fds),
        groups: group::groups(&descriptors.list, sockets),
        compared_ns: None,
        truncated: descriptors.truncated,
    }
}

fn report(facts: &Facts) -> Answer {
    let mut about = plural(facts.open as usize, "descriptor");
    if let Some(before) = facts.before {
        let change = facts.open as i64 - before as i64;
        about.push_str(&format!(", {} in 10 min", units::count_change(change)));
    }
    let mut answer = Answer::about(about);
    let (severity, text) = verdict::verdict(facts);
    let compared = facts.compared_ns.is_some();
    answer.verdict(severity, text);
    answer.push(Block::Table(
        table("text", merged(&facts.groups), compared).show(Show::Text),
    ));
    answer.push(Block::Table(
        table("groups", facts.groups.clone(), compared).show(Show::Json),
    ));
    answer.push(Block::Fields(figures(facts)));
    notes(&mut answer, facts);
    answer.next("fds --all");
    if facts.limit.is_some() {
        answer.next("limits");
    }
    answer
}

/// For people: what runtimes use inside is one line, what listens is one line for each protocol, and
/// what is beyond the length of the table is one line.
fn merged(groups: &[Group]) -> Vec<Group> {
    let of = |rank| groups.iter().filter(move |group| group.rank == rank);
    let mut lines: Vec<Group> = of(Rank::Leaked).chain(of(Rank::Named)).cloned().collect();
    if lines.len() > ROWS {
        let rest = lines.split_off(ROWS - 1);
        lines.push(rest_line(&rest));
    }
    if let Some(first) = of(Rank::Inside).next().cloned() {
        let kinds: Vec<&str> = of(Rank::Inside).map(|group| group.kind).collect();
        let all = || of(Rank::Inside);
        lines.push(Group {
            count: all().map(|group| group.count).sum(),
            change: all().map(|group| group.change).sum(),
            place: kinds.join(", "),
            kind: "internal",
            ..first
        });
    }
    let mut listening: Vec<Group> = Vec::new();
    for group in of(Rank::Listening) {
        match listening.iter_mut().find(|line| line.kind == group.kind) {
            Some(line) => {
                line.count += group.count;
                line.change = line.change.zip(group.change).map(|(a, b)| a + b);
                line.unread += group.unread;
                line.place.push_str(&format!(", {}", group.place));
            }
            None => listening.push(group.clone()),
        }
    }
    lines.extend(listening);
    lines
}

fn rest_line(rest: &[Group]) -> Group {
    Group {
        kind: "others",
        state: String::new(),
        place: format!("{} more groups: fds --all, or --json", rest.len()),
        count: rest.iter().map(|group| group.count).sum(),
        change: rest.iter().map(|group| group.change).sum(),
        unread: 0,
        unsent: 0,
        peers: 0,
        deleted_bytes: rest.iter().map(|group| group.deleted_bytes).sum(),
        rank: Rank::Named,
    }
}

fn table(key: &'static str, groups: Vec<Group>, compared: bool) -> Table {
    let columns = [
        Column::new("count", "count"),
        Column::new("change", "change"),
        Column::new("kind", "kind"),
        Column::new("state", "state"),
        Column::json("unread_sockets"),
        Column::json("unsent_sockets"),
        Column::json("peers"),
        Column::new("deleted_bytes", "on disk"),
        Column::new("place", "peer or path"),
        Column::only_text("remark", ""),
    ];
    let text = |text: String| {
        if text.is_empty() {
            Cell::Empty
        } else {
            Cell::Text(text)
        }
    };
    let mut table = Table::new(key, columns);
    for group in groups {
        let remark = remark(&group);
        table.row([
            Cell::Count(group.count),
            match compared {
                true => Cell::or_unknown(group.change, Cell::CountChange),
                false => Cell::Empty,
            },
            Cell::text(group.kind),
            text(group.state),
            Cell::Count(group.unread),
            Cell::Count(group.unsent),
            Cell::Count(group.peers),
            match group.deleted_bytes {
                0 => Cell::Empty,
                bytes => Cell::Bytes(bytes),
            },
            text(group.place),
            text(remark),
        ]);
    }
    table
}

fn remark(group: &Group) -> String {
    if group.rank == Rank::Listening {
        let queue = format!("{} with connections not yet accepted", group.unread);
        return if group.unread > 0 {
            queue
        } else {
            String::new()
        };
    }
    let mut parts = Vec::new();
    if group.place.starts_with("accepted on :") {
        parts.push(format!(
            "from {}",
            plural(group.peers as usize, "address").replace("addresss", "addresses")
        ));
    }
    if group.rank == Rank::Leaked || group.unread + group.unsent > 0 {
        parts.push(format!(
            "unread data in {}, unsent in {}",
            group.unread, group.unsent
        ));
    }
    parts.join(", ")
}

fn figures(facts: &Facts) -> Fields {
    let mut fields = Fields::new();
    let count = |value: Option<u64>| Cell::or_unknown(value, Cell::Count);
    fields.field("open", "", Cell::Count(facts.open));
    fields.field("limit", "", count(facts.limit));
    fields.field("hard_limit", "", count(facts.hard));
    fields.field("open_10_min_ago", "", count(facts.before));
    let growth = facts.trend.map(|trend| trend.per_second);
    fields.field(
        "compared_age_ns",
        "",
        Cell::or_unknown(facts.compared_ns, Cell::Nanos),
    );
    fields.field("growth_per_s", "", Cell::or_unknown(growth, Cell::Rate));
    fields
}

fn notes(answer: &mut Answer, facts: &Facts) {
    if let Some(age) = facts.compared_ns {
        answer.note(format!(
            "change: since fds or triage looked {} ago",
            units::nanos(age)
        ));
    }
    if facts.truncated {
        let listed: u64 = facts.groups.iter().map(|group| group.count).sum();
        answer.note(format!(
            "looked at the first {} of them only",
            units::count(listed)
        ));
    }
    if facts.groups.iter().any(|group| group.rank == Rank::Leaked) {
        answer.note("CLOSE-WAIT: the peer hung up, nobody here called close");
    }
    let full = facts.limit.is_some_and(|limit| facts.open * 5 >= limit * 4);
    if let Some(hard) = facts
        .hard
        .filter(|hard| full && facts.limit.is_some_and(|soft| soft < *hard))
    {
        let hard = units::count(hard);
        answer.note(format!(
            "the process may raise its limit to {hard} (setrlimit, or LimitNOFILE= in its unit)"
        ));
    }
}

#[cfg(test)]
mod tests;
