//! `stacks`, `cpu`, `wall`, `block`, `mutex` and `heap`, with names from the binary on this host where the
//! process has only some.
//!
//! The console is asked once, for data: threads are not interrupted twice. What it could not or would
//! not find out, lines and inlined functions above all, is read here, and then the library's own code
//! folds and renders, so that the text is the one that the console would have sent. Where anything is
//! odd about the data the console is asked for its text.

mod parse;
mod show;

pub(crate) use parse::Found;
pub(crate) use show::{print, text};

use manhole::client::names::{Dump, Lines, Names, Symbols};

use crate::{interrupt, progress::Progress, symbolize, target::Opened};

/// The longest answer that is looked at; what it becomes in memory is some times as much.
pub(crate) const CAP: usize = 48 << 20;

/// Where the names are from, for the line that says what is looked at.
const FROM_HERE: &str = "from the binary on this host";

/// The commands that sample: each answers with stacks and what was counted there.
pub(crate) const SAMPLERS: [&str; 4] = ["cpu", "wall", "block", "mutex"];

/// The heap's command, and those that show it otherwise; the others below it have no stacks.
pub(crate) const HEAP: &str = "heap";
const VIEWS: [&str; 4] = ["leaks", "diff", "allocs", "peak"];
const NO_VIEWS: [&str; 2] = ["save", "sampling"];

/// Whether `words` ask for stacks, for samples, or for the heap, as people read them.
pub(crate) fn is_meant(words: &[String]) -> bool {
    let Some((command, rest)) = words.split_first() else {
        return false;
    };
    let below = rest.first().map_or("", String::as_str);
    let known = match command.as_str() {
        HEAP => !NO_VIEWS.contains(&below),
        command => command == "stacks" || SAMPLERS.contains(&command),
    };
    known && !rest.iter().any(|word| word == "--json") && is_for_people(rest)
}

/// Whether what is asked for, if anything, is a table or a tree.
fn is_for_people(words: &[String]) -> bool {
    let formats = words.iter().enumerate().filter_map(|(at, word)| {
        let inline = word.strip_prefix("--format=");
        let behind = || words.get(at + 1).map_or("", String::as_str);
        inline.or_else(|| (word == "--format").then(behind))
    });
    formats
        .into_iter()
        .all(|format| matches!(format, "top" | "tree"))
}

/// The same question, for data.
pub(crate) fn question(words: &[String]) -> Vec<String> {
    let mut words = words.to_vec();
    let command = words.first().map_or("", String::as_str);
    let below = words.get(1).map_or("", String::as_str);
    let name = 1 + usize::from(command == HEAP && VIEWS.contains(&below));
    // Behind a "--" it would be an argument.
    words.insert(name.min(words.len()), "--json".to_owned());
    words
}

/// Adds what can be read here to the names of `found`; what it knows better stays. Where nothing can
/// be read it is as it was.
pub(crate) fn improve(found: &mut Found, opened: &Opened, progress: &mut Progress) {
    let dump = found.what.dump_mut();
    if !is_poor(dump) {
        return;
    }
    let before = dump.names.clone();
    let pid = opened.client.pid();
    let read = symbolize::symbolize(dump, pid, progress, &interrupt::requested);
    if read.is_ok() && is_better(&dump.names, &before) {
        found.source = Some(FROM_HERE);
    }
}

/// Whether there is something to name, and more to know of it than the process found out.
fn is_poor(dump: &Dump) -> bool {
    symbolize::is_worthwhile(dump) && dump.threads.iter().any(|thread| !thread.frames.is_empty())
}

fn is_better(new: &Names, old: &Names) -> bool {
    let rank = |names: &Names| {
        let lines = match names.lines {
            Lines::Known => 2,
            Lines::Some => 1,
            _ => 0,
        };
        (lines, names.symbols == Symbols::Known, names.named)
    };
    rank(new) > rank(old)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a console answers to `stacks --json`.
    pub(super) const ANSWER: &str = r#"{"command":"stacks","elapsed_ns":4000000,
        "process":{"name":"shop","pid":7,"host":"web"},"verdict":{"severity":"ok","text":"x"},
        "data":{"asked":{"thread":null,"full":false,"idle":false,"full_names":false},
        "taken_unix_ns":1795270831123456789,"took_ns":3000000,
        "names":{"named":1,"symbols":"known","lines":"known"},"app_crates":["shop"],
        "modules":[{"path":"/usr/bin/shop","binary":true,"start":"0x1000","end":"0x9000","bias":"0x1000"}],
        "frames":[{"address":"0x2000","module":0,"inlines_known":true,
            "functions":[{"name":"shop::price","file":"/build/shop/src/main.rs","line":14}]}],
        "threads":[
            {"tid":7,"name":"shop","main":true,"state":"S","answer":"stack","end":"root",
             "call":{"number":230,"arguments":[]}},
            {"tid":8,"name":"w","state":"R","answer":"stack","end":"root","frames":[0]}]}}"#;

    /// The same, read.
    pub(super) fn found() -> Found {
        Found::parse(ANSWER.as_bytes()).unwrap()
    }

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn only_stacks_for_people_are_ours() {
        let check = |line: &str, expected: bool| assert_eq!(is_meant(&words(line)), expected);
        check("stacks", true);
        check("stacks --full --thread 7", true);
        check("stacks --json", false);
        check("cpu 5 --thread worker", true);
        check("wall --format tree", true);
        check("mutex --format=top 5", true);
        check("cpu --format pprof", false);
        check("cpu --format=collapsed", false);
        check("cpu --format", false);
        check("cpu --json", false);
        check("threads", false);
        check("", false);
        check("heap Cache::lookup", true);
        check("heap diff 1h", true);
        check("heap --format pprof", false);
        check("heap save x", false);
        let asked = |line: &str| question(&words(line)).join(" ");
        assert_eq!(asked("heap x"), "heap --json x");
        assert_eq!(asked("heap diff 1h"), "heap diff --json 1h");
        assert_eq!(asked("heap"), "heap --json");
        assert_eq!(
            question(&words("stacks --full")),
            words("stacks --json --full")
        );
    }

    #[test]
    fn names_are_looked_for_where_some_are_missing() {
        let with = |lines| {
            let mut dump = found().what.dump().clone();
            dump.names.lines = lines;
            dump
        };
        assert!(!is_poor(&with(Lines::Known)));
        assert!(is_poor(&with(Lines::Absent)) && is_poor(&with(Lines::Some)));
        let mut without = with(Lines::Absent);
        without
            .threads
            .iter_mut()
            .for_each(|thread| thread.frames = [].into());
        assert!(!is_poor(&without), "nobody was asked");
        let better = |new, old| is_better(&with(new).names, &with(old).names);
        assert!(better(Lines::Some, Lines::Absent));
        assert!(!better(Lines::Absent, Lines::NotRead));
    }
}
