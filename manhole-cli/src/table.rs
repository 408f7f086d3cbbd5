//! The console's table of commands as a client sees it: what `commands --json` says. Completion,
//! refusals and dumps work from it, so that they know whatever the service knows.

use std::time::Duration;

use manhole::client::{CallError, Client, Kind, Patience, Trouble};
use serde_json::Value;

/// A table is some 30 KiB.
const CAP: usize = 4 << 20;

/// A command of the console.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Entry {
    /// Its words.
    pub(crate) name: String,
    /// Where `help` lists it: `question`, `process`, `console`, `application`.
    pub(crate) group: String,
    /// What it answers.
    pub(crate) about: String,
    /// Its usage line.
    pub(crate) usage: String,
    /// The level it needs.
    pub(crate) level: String,
    /// Whether we may run it.
    pub(crate) allowed: bool,
    /// What it does to the process.
    pub(crate) impact: String,
    /// Whether it goes on until it is stopped.
    pub(crate) stream: bool,
    /// What it costs, in words.
    pub(crate) cost: String,
    /// What it takes.
    pub(crate) args: Vec<Arg>,
}

impl Entry {
    /// Whether it answers with a profile when asked to.
    pub(crate) fn gives_pprof(&self) -> bool {
        let gives = |arg: &Arg| arg.name == "format" && arg.choices.iter().any(|c| c == "pprof");
        self.args.iter().any(gives)
    }
}

/// An argument of a command.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Arg {
    /// Its name, without dashes.
    pub(crate) name: String,
    /// `positional`, `option` or `flag`.
    pub(crate) kind: String,
    /// The words it may be, if only those.
    pub(crate) choices: Vec<String>,
    /// What holds when it is left out.
    pub(crate) default: Option<String>,
    /// Whether it must be given.
    pub(crate) required: bool,
    /// The level it needs, if more than the command does.
    pub(crate) level: String,
    /// Where its values come from.
    pub(crate) complete: String,
    /// A few words.
    pub(crate) about: String,
}

/// Asks for the table.
///
/// # Errors
/// As [`Client::call`]; `Failed` when the answer is no JSON.
pub(crate) fn fetch(client: &mut Client, patience: Duration) -> Result<Vec<Entry>, CallError> {
    let words = ["commands", "--json"].map(str::to_owned);
    let (output, _) = client.collect(&words, Patience::of(patience), CAP)?;
    parse(&output).ok_or_else(|| {
        let text = "the answer to commands --json makes no sense";
        CallError::Lost(Trouble::new(Kind::Failed, text))
    })
}

/// Reads the table; entries without a name are left out.
pub(crate) fn parse(output: &[u8]) -> Option<Vec<Entry>> {
    let answer: Value = serde_json::from_slice(output).ok()?;
    let data = answer.get("data").unwrap_or(&answer);
    let entries = data.get("commands")?.as_array()?.iter().map(entry);
    Some(entries.filter(|entry| !entry.name.is_empty()).collect())
}

fn entry(value: &Value) -> Entry {
    let args = value.get("args").and_then(Value::as_array);
    Entry {
        name: text(value, "name"),
        group: text(value, "group"),
        about: text(value, "about"),
        usage: text(value, "usage"),
        level: text(value, "level"),
        allowed: flag(value, "allowed"),
        impact: text(value, "impact"),
        stream: flag(value, "stream"),
        cost: text(value, "cost"),
        args: args.into_iter().flatten().map(arg).collect(),
    }
}

fn arg(value: &Value) -> Arg {
    let choices = value.get("choices").and_then(Value::as_array);
    let choices = choices.into_iter().flatten().filter_map(Value::as_str);
    Arg {
        name: text(value, "name"),
        kind: text(value, "kind"),
        choices: choices.map(str::to_owned).collect(),
        default: value
            .get("default")
            .and_then(Value::as_str)
            .map(str::to_owned),
        required: flag(value, "required"),
        level: text(value, "level"),
        complete: text(value, "complete"),
        about: text(value, "about"),
    }
}

fn text(value: &Value, key: &str) -> String {
    let text = value.get(key).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

fn flag(value: &Value, key: &str) -> bool {
    value.get(key) == Some(&Value::Bool(true))
}

/// The entry that `words` calls: the one with the longest name, for `vars` and `vars get` differ.
pub(crate) fn called<'a>(table: &'a [Entry], words: &[String]) -> Option<&'a Entry> {
    let fits = |entry: &&Entry| {
        let mut given = words.iter();
        entry
            .name
            .split(' ')
            .all(|word| given.next().is_some_and(|w| w == word))
    };
    table
        .iter()
        .filter(fits)
        .max_by_key(|entry| entry.name.len())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A table as a console sends it.
    pub(crate) const TABLE: &[u8] = br#"{"data":{"commands":[
        {"name":"triage","level":"view","allowed":true,"impact":"reads","cost":"0.6 s","args":[]},
        {"name":"quit","level":"view","allowed":true,"impact":"reads","args":[]},
        {"name":"vars","about":"the service's own numbers","usage":"vars [GLOB]","level":"view","allowed":true,
         "impact":"reads","args":[{"name":"glob","kind":"positional","complete":"variables"}]},
        {"name":"vars get","usage":"vars get NAME","level":"view","allowed":true,"impact":"reads",
         "args":[{"name":"name","kind":"positional","required":true,"complete":"variables"}]},
        {"name":"cpu","about":"where the processor time goes","usage":"cpu [N] [--format top|pprof]",
         "level":"inspect","allowed":true,"impact":"signals threads","cost":"5 s","args":[
            {"name":"n","kind":"positional","default":"5s"},
            {"name":"format","kind":"option","choices":["top","pprof"],"default":"top"},
            {"name":"all","kind":"flag"}]},
        {"name":"gc run","level":"control","allowed":false,"impact":"changes","args":[]}]}}"#;

    #[test]
    fn a_table_is_read_and_commands_are_found_by_their_longest_name() {
        let table = parse(TABLE).unwrap();
        let check = |line: &str, expected: Option<&str>| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(
                called(&table, &words).map(|entry| entry.name.as_str()),
                expected
            );
        };
        check("vars get x", Some("vars get"));
        check("vars x", Some("vars"));
        check("gc", None);
        check("cpu 10", Some("cpu"));
        assert_eq!(table[4].args[1].choices, ["top", "pprof"]);
        assert!(table[3].args[0].required && !table[5].allowed);
    }

    #[test]
    fn nonsense_is_no_table() {
        assert_eq!(parse(b"ERR"), None);
        assert_eq!(parse(b"{\"data\":{\"commands\":3}}"), None);
        assert_eq!(parse(b"{\"data\":{\"commands\":[7]}}"), Some(Vec::new()));
    }
}
