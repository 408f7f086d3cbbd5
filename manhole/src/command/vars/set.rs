//! `vars set`: changes a setting, which changes back by itself.

use super::{
    Command, Context, Run,
    show::{clock, plain},
    unknown,
};
use crate::{
    app::vars::{self, Change, Hold, Hook},
    model::{
        Answer, ArgSpec, ArgType, Args, Block, Cell, Code, Complete, Example, Failure, Fields,
        Group, Impact, Level, Show, Spec, parse_duration,
    },
};
use std::time::Duration;

/// How long a change holds if nothing else is said.
const USUAL: Duration = Duration::from_secs(600);
/// The longest time that can be asked for; beyond it one means for ever.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

pub(in crate::command) static COMMAND: Command = Command {
    spec: Spec {
        name: "vars set",
        group: Group::Question,
        about: "change a setting; it reverts by itself after 10 min unless told otherwise",
        args: &[
            ArgSpec::positional("name", ArgType::Text, "which tunable")
                .required()
                .complete(Complete::Tunables),
            ArgSpec::positional("value", ArgType::Text, "the new value").required(),
            ArgSpec::positional("hold", ArgType::Text, "how long it holds, 1s to 7d")
                .form("for DURATION | forever")
                .default("for 10m")
                .rest(),
        ],
        level: Level::Control,
        impact: Impact::Changes,
        cost: "one atomic store; on_change, if there is one, runs on a thread of the application",
        examples: &[
            Example::new("vars set pricing.batch 64", "64 for ten minutes"),
            Example::new("vars set pricing.batch 64 for 2h", "64 for two hours"),
            Example::new(
                "vars set pricing.batch 64 forever",
                "64 until the process ends",
            ),
        ],
        see_also: "vars (shows what reverts when)",
    },
    triage: false,
    endpoints: &[],
    run: Run::Answer(run),
};

fn run(_: &Context, args: &Args) -> Result<Answer, Failure> {
    let (name, value) = (
        args.text("name").unwrap_or(""),
        args.text("value").unwrap_or(""),
    );
    let hold = hold(args.joined("hold").as_deref())?;
    let mut tunables = vars::tunables().into_iter();
    let Some((name, knob)) = tunables.find(|(known, _)| **known == *name) else {
        return Err(no_tunable(name));
    };
    let change = knob
        .set(value, hold)
        .map_err(|why| usage(format!("{name}: {why}")))?;
    Ok(answer(&name, value, &change))
}

fn hold(words: Option<&str>) -> Result<Hold, Failure> {
    let words = match words {
        None | Some("for 10m") => return Ok(Hold::For(USUAL)),
        Some("forever") => return Ok(Hold::Forever),
        Some(words) => words,
    };
    let time = words
        .strip_prefix("for ")
        .and_then(parse_duration)
        .map(Duration::from_nanos);
    match time {
        Some(time) if (Duration::from_secs(1)..=LONGEST).contains(&time) => Ok(Hold::For(time)),
        _ => {
            let words = super::super::shown(words);
            Err(usage(format!(
                "{words:?} is no time to hold it; use for 1h (1s to 7d) or forever"
            )))
        }
    }
}

fn usage(why: String) -> Failure {
    Failure::new(Code::Usage, format!("vars set: {why}"))
        .hint(format!("usage: {}", COMMAND.spec.usage()))
}

fn no_tunable(name: &str) -> Failure {
    if vars::is_public(name).is_none() {
        return unknown("vars set", name);
    }
    let tunables = vars::tunables();
    let names: Vec<&str> = tunables.iter().map(|(name, _)| &**name).collect();
    let which = match names.as_slice() {
        [] => "the application declares none (manhole::vars::tunable)".to_owned(),
        names => format!("tunables are {}", names.join(", ")),
    };
    usage(format!("{name} is read only; {which}"))
}

fn answer(name: &str, word: &str, change: &Change) -> Answer {
    let mut answer = Answer::short();
    answer.push(Block::Lines(lines(name, word, change)));
    let mut fields = Fields {
        show: Show::Json,
        ..Fields::new()
    };
    fields.field("name", "", Cell::text(name));
    fields.field("before", "", Cell::Json(change.before.clone()));
    fields.field("after", "", Cell::Json(change.after.clone()));
    let reverts = change.reverts.as_ref();
    fields.field(
        "reverts_to",
        "",
        Cell::or_unknown(reverts, |pending| Cell::Json(pending.base.clone())),
    );
    fields.field(
        "reverts_at",
        "",
        Cell::or_unknown(reverts, |pending| Cell::Time(pending.at_unix_ns)),
    );
    let problem = problem(&change.hook);
    fields.field("on_change", "", problem.map_or(Cell::Empty, Cell::Text));
    answer.push(Block::Fields(fields));
    answer
}

/// Old and new, how to undo it or to keep it, and what became of the application's reaction.
fn lines(name: &str, word: &str, change: &Change) -> Vec<String> {
    let (before, after) = (plain(&change.before), plain(&change.after));
    let undo = match &change.reverts {
        Some(pending) => {
            let back = match pending.base == change.before {
                true => String::new(),
                false => format!(" to {}", plain(&pending.base)),
            };
            // A masked value cannot be pasted back.
            let keep = if after == word { word } else { "VALUE" };
            let keep = crate::protocol::words::quote(keep);
            let at = clock(pending.at_unix_ns);
            format!("reverts{back} by itself at {at}; keep it with: vars set {name} {keep} forever")
        }
        None if change.before == change.after => "it was that already, and stays".to_owned(),
        None => {
            let back = crate::protocol::words::quote(&before);
            format!("stays; undo with: vars set {name} {back} forever")
        }
    };
    let mut lines = vec![format!("{name}   {before} -> {after}     {undo}")];
    lines.extend(problem(&change.hook));
    lines
}

fn problem(hook: &Hook) -> Option<String> {
    match hook {
        Hook::Done => None,
        Hook::Busy(since) => Some(format!(
            "the value is set; the application's on_change, called {} ms ago, has not returned yet",
            since.as_millis()
        )),
        Hook::Failed(why) => Some(format!("the value is set, but its on_change failed: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::vars::Pending;
    use serde_json::{Value as Json, json};

    const AT: u64 = 1_795_270_330_000_000_000;

    fn change(before: Json, after: Json, base: Option<Json>) -> Change {
        Change {
            before,
            after,
            reverts: base.map(|base| Pending {
                base,
                at_unix_ns: AT,
            }),
            hook: Hook::Done,
        }
    }

    #[test]
    fn a_confirmation_says_old_new_and_how_to_undo() {
        let check = |word: &str, change: Change, expected: &str| {
            assert_eq!(lines("pricing.batch", word, &change), [expected]);
        };
        check(
            "64",
            change(json!(32), json!(64), Some(json!(32))),
            "pricing.batch   32 -> 64     reverts by itself at 14:12:10Z; keep it with: vars set pricing.batch 64 forever",
        );
        check(
            "128",
            change(json!(64), json!(128), Some(json!(32))),
            "pricing.batch   64 -> 128     reverts to 32 by itself at 14:12:10Z; keep it with: vars set pricing.batch 128 forever",
        );
        check(
            "64",
            change(json!(32), json!(64), None),
            "pricing.batch   32 -> 64     stays; undo with: vars set pricing.batch 32 forever",
        );
        check(
            "b c",
            change(json!("a"), json!("***"), Some(json!("a"))),
            "pricing.batch   a -> ***     reverts by itself at 14:12:10Z; keep it with: vars set pricing.batch VALUE forever",
        );
    }

    #[test]
    fn a_reaction_that_fails_is_told() {
        let hook = Hook::Failed("it panicked: oh".to_owned());
        let change = Change {
            hook,
            ..change(json!(1), json!(2), None)
        };
        let told = lines("x", "2", &change);
        assert_eq!(
            told[1],
            "the value is set, but its on_change failed: it panicked: oh"
        );
    }

    #[test]
    fn the_time_is_ten_minutes_a_time_or_for_ever() {
        let check = |words: Option<&str>, expected: Option<Hold>| {
            assert_eq!(hold(words).ok(), expected, "{words:?}");
        };
        check(None, Some(Hold::For(USUAL)));
        check(Some("for 2h"), Some(Hold::For(Duration::from_secs(7200))));
        check(Some("forever"), Some(Hold::Forever));
        check(Some("for"), None);
        check(Some("for 0s"), None);
        check(Some("for 8d"), None);
        check(Some("2h"), None);
        check(Some("for ever and ever"), None);
    }

    #[test]
    fn what_is_no_tunable_is_told_apart_from_what_is_not_there() {
        static READ_ONLY: vars::Counter = vars::Counter::new("test.set.read_only");
        READ_ONLY.add(1);
        let _size = vars::tunable("test.set.size", 1, ..);
        let failure = no_tunable("test.set.read_only");
        assert_eq!(failure.code, Code::Usage);
        assert!(
            failure.text.contains("is read only; tunables are "),
            "{failure}"
        );
        assert!(failure.text.contains("test.set.size"), "{failure}");
        assert_eq!(no_tunable("test.set.nowhere").code, Code::Unknown);
    }
}
