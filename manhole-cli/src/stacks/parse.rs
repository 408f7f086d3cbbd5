//! The answer to `stacks --json`, read as hostile input.

use manhole::client::{
    names::Dump,
    stacks::{self, Asked, Provenance},
};
use serde_json::Value;

/// What a console found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    /// The stacks.
    pub(crate) dump: Dump,
    /// How they are to be shown.
    pub(crate) asked: Asked,
    /// Whose they are.
    pub(crate) provenance: Provenance,
    /// Where names are from, if not from the process itself.
    pub(crate) source: Option<&'static str>,
}

impl Found {
    /// Reads an answer; `None` when it makes no sense to this version.
    pub(crate) fn parse(output: &[u8]) -> Option<Self> {
        let answer: Value = serde_json::from_slice(output).ok()?;
        let data = answer.get("data")?;
        let dump = stacks::from_json(data).ok()?;
        let process = answer.get("process")?;
        let text = |key: &str| process.get(key)?.as_str().map(str::to_owned);
        let pid = process.get("pid")?.as_u64()?;
        let provenance = Provenance {
            command: answer.get("command")?.as_str()?.to_owned(),
            name: text("name")?,
            pid: u32::try_from(pid).ok()?,
            host: text("host")?,
            time_unix_ns: dump.taken_unix_ns,
            elapsed_ns: answer.get("elapsed_ns")?.as_u64()?,
        };
        Some(Self {
            asked: stacks::asked_from_json(data).ok()?,
            dump,
            provenance,
            source: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stacks::tests::ANSWER;

    #[test]
    fn an_answer_is_read() {
        let found = Found::parse(ANSWER.as_bytes()).unwrap();
        assert_eq!(found.dump.threads.len(), 2);
        assert_eq!(found.provenance.host, "web");
        assert_eq!(found.asked.thread, None);
    }

    #[test]
    fn what_makes_no_sense_is_left_to_the_console() {
        let check = |from: &str, to: &str| {
            let answer = ANSWER.replace(from, to);
            assert_ne!(answer, ANSWER);
            assert_eq!(Found::parse(answer.as_bytes()), None, "{to}");
        };
        check("\"frames\":[0]", "\"frames\":[1]");
        check("\"asked\":", "\"old\":");
        check("\"pid\":7", "\"pid\":-7");
        check("\"answer\":\"stack\"", "\"answer\":\"telepathy\"");
        assert_eq!(Found::parse(b"ERR"), None);
    }
}
