//! What a dump would collect: decided from the console's own table, so that a dump grows with the
//! service. Nothing that changes or pauses the process is ever part of it.

use crate::table::{Arg, Entry};

/// One command of a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// The file it goes to.
    pub(super) file: String,
    /// The file for what people read, when that is made here from the answer.
    pub(super) text: Option<String>,
    /// The command.
    pub(super) words: Vec<String>,
    /// What it does to the process.
    pub(super) impact: String,
    /// What it costs.
    pub(super) cost: String,
}

/// What is collected, in order, and what is not, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Plan {
    /// `triage` comes first.
    pub(super) items: Vec<Item>,
    /// Commands that belong into a dump but are not open to us.
    pub(super) missing: Vec<(String, String)>,
}

/// Answers that say nothing about the process.
const POINTLESS: [&str; 4] = ["help", "quit", "commands", "triage"];

/// Profiles that are a part of another: of `wall`, which shows the same waits.
const PARTS: [&str; 2] = ["block", "mutex"];

/// The commands whose text is made here from their data.
const MADE_HERE: [&str; 3] = [STACKS, HEAP, "heap leaks"];
const STACKS: &str = "stacks";
/// What not every process can answer: its allocator has to be one that samples.
const HEAP: &str = "heap";

/// The flag by which a command does without interrupting threads.
const QUIET: &str = "no-signal";

/// The profile of what threads stand at, which no command gives: it is served over HTTP.
const GOROUTINE: &str = "goroutine.pb.gz";

/// The word before a path that is asked for instead of a command; no command is written so.
pub(super) const GET: &str = "GET";

/// The files that every dump has besides its answers.
const OWN_FILES: [&str; 3] = ["README.txt", "manifest.json", GOROUTINE];

/// Makes the plan for a caller of this level.
pub(super) fn plan(table: &[Entry], level: &str) -> Plan {
    let mut plan = Plan::default();
    let triage = table.iter().find(|entry| entry.name == "triage");
    plan.items.push(Item {
        file: "triage.txt".to_owned(),
        text: None,
        words: vec!["triage".to_owned()],
        impact: triage.map_or("reads".to_owned(), |entry| entry.impact.clone()),
        cost: String::new(),
    });
    let profiles = table.iter().any(Entry::gives_pprof);
    for entry in table.iter().filter(|entry| belongs(entry)) {
        match entry.allowed {
            true => {
                add(&mut plan.items, entry, level);
                if entry.name == STACKS && profiles {
                    plan.items.push(goroutine(entry));
                }
            }
            false => {
                let reason = format!("needs level {}, you have {level}", entry.level);
                plan.missing.push((entry.name.clone(), reason));
            }
        }
    }
    plan
}

/// Whether a command belongs into a dump at all.
fn belongs(entry: &Entry) -> bool {
    let harmless = !matches!(entry.impact.as_str(), "changes" | "pauses" | "");
    let ours = entry.group != "application";
    let complete = !entry.args.iter().any(|arg| arg.required);
    harmless
        && ours
        && (!entry.stream || entry.gives_pprof())
        && !PARTS.contains(&entry.name.as_str())
        && complete
        && entry.level != "control"
        && !POINTLESS.contains(&entry.name.as_str())
}

fn add(items: &mut Vec<Item>, entry: &Entry, level: &str) {
    let name = stem(items, &entry.name);
    let mut words: Vec<String> = entry.name.split(' ').map(str::to_owned).collect();
    let item = |file: String, words: &[String]| Item {
        file,
        text: None,
        words: words.to_vec(),
        impact: entry.impact.clone(),
        cost: entry.cost.clone(),
    };
    if MADE_HERE.contains(&entry.name.as_str()) {
        // Threads are interrupted once, and names may be known here only.
        let words = [&words[..], &["--json".to_owned()]].concat();
        items.push(Item {
            text: Some(format!("{name}.txt")),
            ..item(format!("{name}.json"), &words)
        });
        if entry.name != HEAP {
            return;
        }
    } else if is_of_heap(&entry.name) {
        // Its profile is that of the heap.
        items.push(item(format!("{name}.txt"), &words));
        return;
    }
    if entry.gives_pprof() {
        words.extend(["--format", "pprof"].map(str::to_owned));
        items.push(item(format!("{name}.pb.gz"), &words));
        return;
    }
    if entry.args.iter().any(|arg| gives_more(arg, level)) {
        words.push("--all".to_owned());
    }
    items.push(item(format!("{name}.txt"), &words));
    // What takes time or samples is done once; text is what people read first.
    let quiet = entry.args.iter().any(|arg| arg.name == QUIET);
    if entry.impact == "reads" || quiet {
        words.extend(quiet.then(|| format!("--{QUIET}")));
        words.push("--json".to_owned());
        items.push(item(format!("{name}.json"), &words));
    }
}

/// Whether a command is one of those about the heap.
pub(super) fn is_of_heap(command: &str) -> bool {
    command.split(' ').next() == Some(HEAP)
}

/// The same look as `stacks`, as a profile.
fn goroutine(stacks: &Entry) -> Item {
    Item {
        file: GOROUTINE.to_owned(),
        text: None,
        words: vec![GET.to_owned(), "/debug/pprof/goroutine".to_owned()],
        impact: stacks.impact.clone(),
        cost: stacks.cost.clone(),
    }
}

/// What the files of a command are called. A name that reduces to that of another
/// command, to none or to one of ours must not cost the others their place.
fn stem(items: &[Item], command: &str) -> String {
    let plain = manhole::client::safe_name(&command.replace(' ', "-"));
    let plain = if plain.is_empty() { "unnamed" } else { &plain };
    let taken = |name: &str| {
        let begins = |file: &str| {
            file.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('.'))
        };
        OWN_FILES.into_iter().any(begins) || items.iter().any(|item| begins(&item.file))
    };
    let mut name = plain.to_owned();
    // Not from 2 on: with thousands of equal names that would take for ever.
    let mut number = items.len();
    while taken(&name) {
        name = format!("{plain}-{number}");
        number += 1;
    }
    name
}

fn gives_more(arg: &Arg, level: &str) -> bool {
    let rank = |level: &str| {
        ["", "view", "inspect", "control"]
            .iter()
            .position(|l| *l == level)
    };
    arg.kind == "flag" && arg.name == "all" && rank(&arg.level) <= rank(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Vec<Entry> {
        let entry = |name: &str, level: &str, impact: &str, args: &[Arg]| Entry {
            name: name.into(),
            level: level.into(),
            allowed: level != "control",
            impact: impact.into(),
            args: args.to_vec(),
            ..Entry::default()
        };
        let arg = |name: &str, kind: &str| Arg {
            name: name.into(),
            kind: kind.into(),
            ..Arg::default()
        };
        let required = Arg {
            required: true,
            ..arg("name", "positional")
        };
        let format = Arg {
            choices: vec!["top".into(), "pprof".into()],
            ..arg("format", "option")
        };
        vec![
            entry("triage", "view", "reads", &[]),
            entry("help", "view", "reads", &[]),
            entry("threads", "view", "reads", &[arg("all", "flag")]),
            entry("vars get", "view", "reads", &[required]),
            entry(
                "stacks",
                "inspect",
                "signals threads",
                &[arg(QUIET, "flag")],
            ),
            entry("locks", "view", "signals threads", &[arg(QUIET, "flag")]),
            Entry {
                stream: true,
                ..entry(
                    "cpu",
                    "inspect",
                    "signals threads",
                    std::slice::from_ref(&format),
                )
            },
            entry("mutex", "inspect", "signals threads", &[format]),
            entry("memory deep", "view", "pauses", &[]),
            entry("gc run", "control", "changes", &[]),
            Entry {
                stream: true,
                ..entry("vars watch", "view", "reads", &[])
            },
            Entry {
                group: "application".into(),
                ..entry("queue show", "view", "reads", &[])
            },
        ]
    }

    fn files(plan: &Plan) -> Vec<String> {
        let text = |item: &Item| match &item.text {
            Some(text) => format!(" + {text}"),
            None => String::new(),
        };
        let lines = plan
            .items
            .iter()
            .map(|item| format!("{}{}: {}", item.file, text(item), item.words.join(" ")));
        lines.collect()
    }

    #[test]
    fn everything_harmless_is_collected_and_triage_comes_first() {
        let plan = plan(&table(), "inspect");
        assert_eq!(
            files(&plan),
            [
                "triage.txt: triage",
                "threads.txt: threads --all",
                "threads.json: threads --all --json",
                "stacks.json + stacks.txt: stacks --json",
                "goroutine.pb.gz: GET /debug/pprof/goroutine",
                "locks.txt: locks",
                "locks.json: locks --no-signal --json",
                "cpu.pb.gz: cpu --format pprof",
            ]
        );
        assert_eq!(plan.missing, []);
    }

    #[test]
    fn what_is_not_open_to_us_is_missing_and_says_why() {
        let mut table = table();
        table[6].allowed = false;
        table[2].args[0].level = "inspect".into();
        let plan = plan(&table, "view");
        let reason = "needs level inspect, you have view".to_owned();
        assert_eq!(plan.missing, [("cpu".to_owned(), reason)]);
        assert_eq!(plan.items[1].words, ["threads"], "--all needs more");
    }

    #[test]
    fn a_commands_name_cannot_choose_where_its_file_goes() {
        let evil = Entry {
            name: "../../etc/x".into(),
            allowed: true,
            impact: "samples".into(),
            ..Entry::default()
        };
        assert_eq!(plan(&[evil], "view").items[1].file, "etcx.txt");
    }

    #[test]
    fn names_that_reduce_to_the_same_one_get_files_of_their_own() {
        let entry = |name: &str| Entry {
            name: name.into(),
            allowed: true,
            impact: "samples".into(),
            ..Entry::default()
        };
        let names = ["a/b", "ab", "..", "/", "README", "triage!"].map(entry);
        let plan = plan(&names, "view");
        let files: Vec<&str> = plan.items.iter().map(|item| item.file.as_str()).collect();
        let expected = [
            "triage.txt",
            "ab.txt",
            "ab-2.txt",
            "unnamed.txt",
            "unnamed-4.txt",
            "README-5.txt",
            "triage-6.txt",
        ];
        assert_eq!(files, expected);
    }
}
