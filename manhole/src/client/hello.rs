//! Who is there: what a console says about itself in `version --json`.

use std::time::Duration;

use serde_json::Value;

use super::{
    call::{CallError, Patience},
    connect::{Connected, connect},
    conversation::Client,
    discover::{Found, Survey},
    safe_name,
    trouble::{Kind, Trouble},
};

/// The answer is some hundred bytes.
const CAP: usize = 64 << 10;

/// How many consoles are asked at a time.
const AT_ONCE: usize = 16;

/// What a console says about itself. All of it is the process's own claim.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Hello {
    /// The service, reduced to plain letters.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
    /// Its pid, as it numbers itself.
    pub pid: i64,
    /// The host it believes to be on.
    pub host: String,
    /// What we may do there: `view`, `inspect`, `control`.
    pub level: String,
}

/// A console that was asked.
#[derive(Clone, Debug)]
pub struct Known {
    /// The process.
    pub found: Found,
    /// What it said, or why it said nothing.
    pub hello: Result<Hello, Trouble>,
}

impl Known {
    /// What it is called: its own word, else the kernel's.
    pub fn name(&self) -> String {
        match &self.hello {
            Ok(hello) if !hello.name.is_empty() => hello.name.clone(),
            _ => safe_name(&self.found.comm),
        }
    }
}

/// Asks `client` who it is.
///
/// # Errors
/// As [`Client::call`]; `Failed` when the answer is no JSON.
pub fn hello(client: &mut Client, patience: Duration) -> Result<Hello, CallError> {
    let words = ["version", "--json"].map(str::to_owned);
    let (output, _) = client.collect(&words, Patience::of(patience), CAP)?;
    parse(&output).ok_or_else(|| {
        let text = "the answer to version --json makes no sense";
        CallError::Lost(Trouble::new(Kind::Failed, text))
    })
}

/// What `version` says stands in `data`; every answer says in `process` whose it is.
fn parse(output: &[u8]) -> Option<Hello> {
    let answer: Value = serde_json::from_slice(output).ok()?;
    let within = |part: &str, key: &str| answer.get(part).and_then(|part| part.get(key));
    let field = |key: &str| within("process", key).or_else(|| within("data", key));
    let text = |key: &str| field(key).and_then(Value::as_str).map(safe_name);
    Some(Hello {
        name: text("name").unwrap_or_default(),
        version: text("version"),
        pid: field("pid").and_then(Value::as_i64)?,
        host: text("host").unwrap_or_default(),
        level: text("level").unwrap_or_default(),
    })
}

/// Connects to a console that was found, at the first of its candidates that passes the checks.
///
/// # Errors
/// Those of the candidate that came closest; `NoTarget` when there is none.
pub fn open(found: &Found, name: &str, ourselves: &[&str]) -> Result<Client, Trouble> {
    Ok(Client::new(reach(found, ourselves)?, name))
}

/// The same for whoever speaks another dialect.
///
/// # Errors
/// As [`open`].
pub fn reach(found: &Found, ourselves: &[&str]) -> Result<Connected, Trouble> {
    let mut trouble = Trouble::new(
        Kind::NoTarget,
        format!(
            "process {} ({}) has a console, but its socket is not to be found",
            found.pid,
            safe_name(&found.comm)
        ),
    );
    for place in found.places() {
        match connect(&place, ourselves) {
            Ok(connected) => return Ok(connected),
            // Being refused says more than finding nobody.
            Err(error) if trouble.kind == Kind::NoTarget => trouble = error,
            Err(_) => {}
        }
    }
    Err(trouble)
}

/// Asks every console of a survey who it is, several at a time, each for at most `patience`.
pub fn ask_all(survey: Survey, name: &str, ourselves: &[&str], patience: Duration) -> Vec<Known> {
    let ask = |found: Found| {
        let hello = open(&found, name, ourselves)
            .and_then(|mut client| hello(&mut client, patience).map_err(Trouble::from));
        Known { found, hello }
    };
    let mut known = Vec::new();
    let mut rest = survey.found;
    while !rest.is_empty() {
        let batch: Vec<Found> = rest.drain(..rest.len().min(AT_ONCE)).collect();
        std::thread::scope(|scope| {
            let threads: Vec<_> = batch
                .into_iter()
                .map(|found| scope.spawn(|| ask(found)))
                .collect();
            known.extend(threads.into_iter().filter_map(|thread| thread.join().ok()));
        });
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_console_introduces_itself() {
        let hello = parse(
            br#"{"command":"version","process":{"name":"checkout","pid":17,"host":"web-17"},
                "data":{"version":"2.4.1","level":"inspect"}}"#,
        )
        .unwrap();
        assert_eq!(hello.name, "checkout");
        assert_eq!(hello.version.as_deref(), Some("2.4.1"));
        assert_eq!((hello.pid, hello.level.as_str()), (17, "inspect"));
        assert_eq!(hello.host, "web-17");
    }

    #[test]
    fn what_it_says_is_reduced_and_nonsense_is_refused() {
        let hello = parse(br#"{"data":{"name":"a\u001b[31m b","pid":1,"version":null}}"#).unwrap();
        assert_eq!((hello.name.as_str(), hello.version), ("a31mb", None));
        assert_eq!(parse(b"[]"), None);
        assert_eq!(parse(b"ok"), None);
        assert_eq!(parse(b"{}"), None);
    }
}
