//! Explaining a refusal: who one is, who may, and what is possible all the same. The console knows
//! numbers only; their names are looked up here.

use manhole::client::{CallError, Failure, Kind, Trouble};
use nix::unistd::{Uid, User, geteuid};

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

/// Makes the refusal of one command understandable.
pub(crate) fn explain(opened: &mut Opened, words: &[String], failure: &Failure) -> Trouble {
    let level = opened.hello().map(|hello| hello.level.clone());
    let table = table::fetch(&mut opened.client, SILENT * 2).unwrap_or_default();
    let mut trouble = Trouble::new(
        Kind::Refused,
        format!(
            "refused by {}: {}",
            opened.label(),
            reason(&table, words, level.as_deref().ok(), failure)
        ),
    );
    trouble.details = details(level.as_deref().ok(), opened.client.uid(), &table);
    trouble
}

fn reason(table: &[Entry], words: &[String], level: Option<&str>, failure: &Failure) -> String {
    let entry = table::called(table, words).filter(|entry| !entry.allowed);
    match (entry, level) {
        (Some(entry), Some(level)) => format!(
            "{:?} needs level {}, you have {level}",
            entry.name, entry.level
        ),
        // An argument of it needs more than the command itself; the console says which.
        _ => failure.text.clone(),
    }
}

/// Makes the refusal of the whole connection understandable; other trouble stays as it is.
pub(crate) fn explain_door(opened: &Opened, error: CallError) -> Trouble {
    match error {
        CallError::Lost(trouble) if trouble.kind == Kind::Refused => {
            let text = format!("refused by {}: {}", opened.label(), trouble.text);
            let mut refused = Trouble::new(Kind::Refused, text);
            refused.details = details(None, opened.client.uid(), &[]);
            refused
        }
        other => other.into(),
    }
}

fn details(level: Option<&str>, owner: u32, table: &[Entry]) -> Vec<String> {
    let me = user(geteuid().as_raw());
    let mut lines = vec![match level {
        Some(level) => format!("you are        {me}, allowed as {level} by the service"),
        None => format!("you are        {me}"),
    }];
    lines.push(match owner {
        0 => "who may        root; the service may cap everyone (info says so)".to_owned(),
        owner => format!(
            "who may        {}, root; the service may cap everyone (info says so)",
            user(owner)
        ),
    });
    let allowed: Vec<&str> = table
        .iter()
        .filter(|entry| entry.allowed)
        .map(|entry| entry.name.as_str())
        .collect();
    if let (Some(level), false) = (level, allowed.is_empty()) {
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
    use manhole::client::Code;

    #[test]
    fn a_refusal_says_what_is_needed_and_what_is_possible() {
        let table = table::parse(table::tests::TABLE).unwrap();
        let words = ["gc", "run"].map(str::to_owned);
        let failure = Failure::new(Code::Denied, "gc run: needs level control, uid 7 has view");
        assert_eq!(
            reason(&table, &words, Some("view"), &failure),
            "\"gc run\" needs level control, you have view"
        );
        let lines = details(Some("view"), 0, &table);
        assert!(
            lines[0].ends_with("allowed as view by the service"),
            "{lines:?}"
        );
        assert_eq!(lines[2], "with view      triage, quit, vars, vars get, cpu");
    }

    #[test]
    fn an_argument_that_needs_more_is_told_in_the_consoles_words() {
        let table = table::parse(table::tests::TABLE).unwrap();
        let words = ["cpu", "--all"].map(str::to_owned);
        let failure = Failure::new(Code::Denied, "cpu: --all needs level control");
        assert_eq!(
            reason(&table, &words, Some("inspect"), &failure),
            failure.text
        );
    }

    #[test]
    fn users_have_names_where_the_system_knows_them() {
        assert_eq!(user(0), "uid 0 (root)");
        assert_eq!(user(3_999_999_999), "uid 3999999999");
    }
}
