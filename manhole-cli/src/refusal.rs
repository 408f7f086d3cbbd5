//! Explaining a refusal: who one is, who may, and what is possible all the same. The console knows
//! numbers only; their names are looked up here.

use manhole::client::{CallError, Failure, Found, Kind, Patience, Trouble, safe_name};
use nix::unistd::{Gid, Group, Uid, User, geteuid};
use serde_json::Value;

use crate::{
    table::{self, Entry},
    target::{Opened, SILENT},
};

/// `uid 1003 (rates)`.
pub(crate) fn user(uid: u32) -> String {
    match user_name(uid) {
        Some(name) => format!("uid {uid} ({name})"),
        None => format!("uid {uid}"),
    }
}

/// The name of a user.
pub(crate) fn user_name(uid: u32) -> Option<String> {
    let user = User::from_uid(Uid::from_raw(uid)).ok()??;
    Some(user.name)
}

/// Puts names behind the numbers of a text like `uid 1003 and 0, gid 4`.
fn with_names(text: &str) -> String {
    let mut looks_up: Option<fn(u32) -> Option<String>> = None;
    let words = text.split(' ').map(|word| {
        let number = word.trim_end_matches([',', ';', '.']);
        match (word, number.parse::<u32>()) {
            ("uid", _) => looks_up = Some(user_name),
            ("gid", _) => looks_up = Some(group_name),
            (_, Ok(id)) => {
                if let Some(name) = looks_up.and_then(|look_up| look_up(id)) {
                    let behind = word.get(number.len()..).unwrap_or_default();
                    return format!("{number} ({name}){behind}");
                }
            }
            ("and", _) => {}
            _ => looks_up = None,
        }
        word.to_owned()
    });
    words.collect::<Vec<_>>().join(" ")
}

fn group_name(gid: u32) -> Option<String> {
    let group = Group::from_gid(Gid::from_raw(gid)).ok()??;
    Some(group.name)
}

/// What the console says about itself that explains a refusal; all of it may be missing.
#[derive(Clone, Debug, Default, PartialEq)]
struct House {
    /// Our level.
    level: Option<String>,
    /// Who has which level: `control: uid 0; inspect: uid 0, gid 4; ...`.
    who_may: String,
    /// The level that nobody exceeds.
    cap: String,
    /// The commands.
    table: Vec<Entry>,
}

impl House {
    fn ask(opened: &mut Opened) -> Self {
        let level = opened.hello().ok().map(|hello| hello.level.clone());
        let table = table::fetch(&mut opened.client, SILENT * 2).unwrap_or_default();
        let words = ["info", "--json"].map(str::to_owned);
        let info = opened
            .client
            .collect(&words, Patience::of(SILENT * 2), 1 << 20);
        let info: Value = info
            .ok()
            .and_then(|(output, _)| serde_json::from_slice(&output).ok())
            .unwrap_or_default();
        let console = |key: &str| {
            let text = info
                .pointer(&format!("/data/console/{key}"))
                .and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        Self {
            level,
            who_may: console("who_may"),
            cap: console("max_level"),
            table,
        }
    }

    /// Who has `level`, in the console's words.
    fn who(&self, level: &str) -> Option<&str> {
        let mut parts = self.who_may.split("; ");
        parts.find_map(|part| part.strip_prefix(level)?.strip_prefix(": "))
    }
}

/// Makes the refusal of one command understandable.
pub(crate) fn explain(opened: &mut Opened, words: &[String], failure: &Failure) -> Trouble {
    let house = House::ask(opened);
    let entry = table::called(&house.table, words).filter(|entry| !entry.allowed);
    let reason = match (entry, &house.level) {
        (Some(entry), Some(level)) => {
            format!(
                "{:?} needs level {}, you have {level}",
                entry.name, entry.level
            )
        }
        // An argument of it needs more than the command itself; the console says which.
        _ => failure.text.clone(),
    };
    let needed = entry.map_or("control", |entry| entry.level.as_str());
    let text = format!("refused by {}: {reason}", opened.label());
    let mut trouble = Trouble::new(Kind::Refused, text);
    trouble.details = details(&house, needed);
    trouble
}

/// Makes the refusal of the whole connection understandable; other trouble is told with the name of
/// the console.
pub(crate) fn explain_door(opened: &Opened, error: CallError) -> Trouble {
    match error {
        CallError::Lost(trouble) if trouble.kind == Kind::Refused => {
            let text = format!(
                "refused by {}: {}",
                opened.label(),
                with_names(&trouble.text)
            );
            Trouble::new(Kind::Refused, text)
        }
        other => {
            let mut trouble = Trouble::from(other);
            trouble.text = format!("{}: {}", opened.label(), trouble.text);
            trouble
        }
    }
}

/// Makes a socket that may not be opened understandable; other trouble stays as it is.
pub(crate) fn explain_socket(found: &Found, trouble: Trouble) -> Trouble {
    if trouble.kind != Kind::Refused {
        return trouble;
    }
    let label = format!("{}[{}]", safe_name(&found.comm), found.pid);
    let refused = Trouble::new(
        Kind::Refused,
        format!("refused by {label}: {}", trouble.text),
    );
    let owner = match found.uid {
        0 => "root".to_owned(),
        owner => format!("{}, root", user(owner)),
    };
    refused
        .detail(format!("you are        {}", user(geteuid().as_raw())))
        .detail(format!("who may        {owner}: try sudo"))
}

fn details(house: &House, needed: &str) -> Vec<String> {
    let me = user(geteuid().as_raw());
    let Some(level) = &house.level else {
        return vec![format!("you are        {me}")];
    };
    let mut lines = vec![format!(
        "you are        {me}, allowed as {level} by the service"
    )];
    if let Some(who) = house.who(needed) {
        let cap = match house.cap.as_str() {
            "" | "control" => String::new(),
            cap => format!("; the service caps everyone at {cap}"),
        };
        lines.push(format!("who may        {}{cap}", with_names(who)));
    }
    let allowed = house.table.iter().filter(|entry| entry.allowed);
    let allowed: Vec<&str> = allowed.map(|entry| entry.name.as_str()).collect();
    if !allowed.is_empty() {
        lines.push(format!(
            "{:<14} {}",
            format!("with {level}"),
            allowed.join(", ")
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house() -> House {
        House {
            level: Some("view".into()),
            who_may: "control: uid 0; inspect: uid 0, gid 4; view: uid 7 and 0".into(),
            cap: "inspect".into(),
            table: table::parse(table::tests::TABLE).unwrap(),
        }
    }

    #[test]
    fn a_refusal_says_who_may_and_what_is_possible() {
        let lines = details(&house(), "control");
        assert!(
            lines[0].ends_with("allowed as view by the service"),
            "{lines:?}"
        );
        assert_eq!(
            lines[1],
            "who may        uid 0 (root); the service caps everyone at inspect"
        );
        assert_eq!(lines[2], "with view      triage, quit, vars, vars get, cpu");
    }

    #[test]
    fn a_console_that_says_nothing_more_is_no_obstacle() {
        let lines = details(&House::default(), "control");
        assert_eq!(lines.len(), 1);
    }

    #[test]
    fn numbers_get_names_only_where_they_are_ids() {
        let check = |text: &str, expected: &str| assert_eq!(with_names(text), expected);
        check(
            "uid 3999999999 may not use this console; uid 3999999998 and 0 may",
            "uid 3999999999 may not use this console; uid 3999999998 and 0 (root) may",
        );
        check("uid 0, gid 0", "uid 0 (root), gid 0 (root)");
        check("busy for 0 s", "busy for 0 s");
        assert_eq!(user(0), "uid 0 (root)");
    }
}
