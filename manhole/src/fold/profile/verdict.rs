//! The one sentence about a profile: how much, who, where, and what dominates there.

use super::{
    code::Row,
    doing::Class,
    tables::Scale,
    walk::{Site, Stack, Walk},
};
use crate::{
    fold::{path, words::list},
    model::{
        Severity, Verdict, order,
        samples::Report,
        wish::{Kind, Wish},
    },
    render::{
        units::{self, hundredths, percent},
        words::{plural, sentence},
    },
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

/// What a place calls is named from this share of all on.
const WORTH_NAMING: f64 = 10.0;
/// So much of the cores that there are is too much, in percent.
const FULL: f64 = 90.0;
/// So many of the periods, in percent, make a limit worth a word.
const HELD_BACK: f64 = 5.0;

/// The sentence about `walk`, whose places are `rows`.
pub(super) fn verdict(
    walk: &Walk<'_>,
    rows: &[Row],
    scale: &Scale,
    report: &Report,
    wish: &Wish,
) -> Verdict {
    let (severity, text) = match wish.kind {
        Kind::Cpu => cpu(walk, rows, scale, report, wish),
        Kind::Wall => (Severity::Ok, wall(walk, rows, scale)),
        Kind::Block => (Severity::Ok, waits(walk, rows, scale, "waits")),
        Kind::Mutex => (Severity::Ok, waits(walk, rows, scale, "waits for a lock")),
    };
    Verdict {
        severity,
        text: sentence(&text),
    }
}

fn cpu(
    walk: &Walk<'_>,
    rows: &[Row],
    scale: &Scale,
    report: &Report,
    wish: &Wish,
) -> (Severity, String) {
    // What the kernel counted knows also of threads that were too short for the sampler.
    let all = report.cpu_ns.filter(|_| wish.thread.is_none());
    let busy = scale.mean(all.unwrap_or(scale.total_ns));
    let used = match wish.cores {
        Some(cores) => format!("{} of {} cores busy", hundredths(busy), units::float(cores)),
        None => format!("{} cores busy", hundredths(busy)),
    };
    let full = wish.cores.is_some_and(|cores| busy * 100.0 >= cores * FULL);
    let held = report.throttled.filter(|held| held.periods > 0);
    let held = held.map(|held| (held, held.throttled as f64 * 100.0 / held.periods as f64));
    let held = held.filter(|(_, share)| *share >= HELD_BACK);
    let mut parts = vec![used];
    parts.extend(rows.first().map(|row| who(row, walk, scale)));
    if rows.is_empty() {
        parts.push("no sample was taken of these threads".to_owned());
    }
    parts.extend(held.map(|(held, _)| {
        let (throttled, periods) = (held.throttled, held.periods);
        format!("the cgroup held it back in {throttled} of {periods} periods: see cgroup")
    }));
    let severity = match full || held.is_some() {
        true => Severity::Warn,
        false => Severity::Ok,
    };
    (severity, parts.join("; "))
}

/// `96 % is image-worker-0..3 in pricing::reprice: serde_json 62 %, malloc 22 %`.
fn who(row: &Row, walk: &Walk<'_>, scale: &Scale) -> String {
    let (share, threads) = (percent(scale.share(row.ns)), row.threads(walk));
    let Some(place) = place(row, walk) else {
        return format!("{share} is {threads}, outside your code");
    };
    let below = below(row, walk, scale);
    match below.is_empty() {
        true => format!("{share} is {threads} in {place}"),
        false => format!("{share} is {threads} in {place}: {}", below.join(", ")),
    }
}

/// The function in two words.
fn place(row: &Row, walk: &Walk<'_>) -> Option<String> {
    let (Site::Function(number) | Site::Hidden(number, _)) = row.site else {
        return None;
    };
    let name = &walk.function(number)?.name;
    Some(path::tail(name).trim_end_matches("{}").to_owned())
}

/// What takes the time in a place: the crates and functions of C that it calls, itself as "own code".
fn below(row: &Row, walk: &Walk<'_>, scale: &Scale) -> Vec<String> {
    let Site::Function(site) = row.site else {
        return Vec::new();
    };
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for stack in walk.stacks.iter().filter(|stack| stack.site == row.site) {
        *sums.entry(callee(stack, site, walk)).or_default() += stack.ns;
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    order::sort_by_key(&mut sums, |(_, ns)| Reverse(*ns));
    let worth = sums
        .iter()
        .map(|(name, ns)| (name, scale.share(*ns)))
        .filter(|(_, share)| *share >= WORTH_NAMING)
        .take(2);
    worth
        .map(|(name, share)| format!("{name} {}", percent(share)))
        .collect()
}

/// What the function `site` called in `stack`, by crate or symbol.
fn callee<'w>(stack: &Stack, site: u32, walk: &'w Walk<'_>) -> &'w str {
    let below = stack.functions.iter().take_while(|number| **number != site);
    let functions: Vec<_> = below.filter_map(|number| walk.function(*number)).collect();
    let mut from_site = functions.iter().rev();
    let telling = from_site.find(|function| !function.plumbing && !function.of.is_empty());
    telling.map_or("own code", |function| function.of.as_str())
}

fn wall(walk: &Walk<'_>, rows: &[Row], scale: &Scale) -> String {
    let mut sums: BTreeMap<Class, u64> = BTreeMap::new();
    for stack in &walk.stacks {
        *sums.entry(stack.class).or_default() += stack.ns;
    }
    let words = [
        (Class::Running, "running"),
        (Class::Lock, "waiting for locks"),
        (Class::Condvar, "for other threads"),
        (Class::Sleep, "asleep"),
        (Class::Io, "in I/O"),
        (Class::Poll, "in poll"),
        (Class::Other, "in other calls"),
        (Class::Idle, "waiting for work"),
    ];
    let parts = words.iter().filter_map(|(class, word)| {
        let mean = scale.mean(*sums.get(class)?);
        (mean >= 0.005).then(|| format!("{} {word}", hundredths(mean)))
    });
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() {
        return "no thread was seen".to_owned();
    }
    let all = format!(
        "of {} threads on average {}",
        hundredths(scale.mean(scale.total_ns)),
        list(&parts)
    );
    match rows.iter().find(|row| row.class != Class::Running) {
        Some(row) => {
            let mean = hundredths(scale.mean(row.ns));
            format!(
                "{all}; most waiting is {}, {mean} at a time",
                waiting(row, walk)
            )
        }
        None => all,
    }
}

/// `worker in Cache::lookup (std Mutex)`.
fn waiting(row: &Row, walk: &Walk<'_>) -> String {
    let threads = row.threads(walk);
    match place(row, walk) {
        Some(place) => format!("{threads} in {place} ({})", row.doing),
        None => format!("{threads} ({})", row.doing),
    }
}

fn waits(walk: &Walk<'_>, rows: &[Row], scale: &Scale, does: &str) -> String {
    let Some(row) = rows.first() else {
        return format!("no thread was seen that {does}");
    };
    let mean = hundredths(scale.mean(scale.total_ns));
    let tids: BTreeSet<u32> = walk.stacks.iter().map(|stack| stack.tid).collect();
    let share = percent(scale.share(row.ns));
    let seen = match tids.len() {
        1 => format!("1 thread was seen that {does}"),
        many => {
            let wait = does.replacen("waits", "wait", 1);
            format!("{} were seen that {wait}", plural(many, "thread"))
        }
    };
    let most = waiting(row, walk);
    format!("{seen}, {mean} at a time; {share} of it is {most}")
}
