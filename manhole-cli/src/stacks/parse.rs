//! The answer to `stacks --json`, or to that of a sampler, read as hostile input.

use manhole::client::{
    names::Dump,
    samples::{self, Samples, Wish},
    stacks::{self, Asked, Provenance},
};
use serde_json::Value;

/// What a console found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    /// The stacks, and how they are to be shown.
    pub(crate) what: What,
    /// Whose they are.
    pub(crate) provenance: Provenance,
    /// Where names are from, if not from the process itself.
    pub(crate) source: Option<&'static str>,
}

/// Stacks of one moment, or of many.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    /// Each thread's.
    Stacks(Dump, Asked),
    /// Those that were met, with what was counted there.
    Samples(Box<Samples>, Wish),
}

impl Found {
    /// Reads an answer; `None` when it makes no sense to this version.
    pub(crate) fn parse(output: &[u8]) -> Option<Self> {
        let answer: Value = serde_json::from_slice(output).ok()?;
        let data = answer.get("data")?;
        let what = match data.get("weights") {
            None => What::Stacks(
                stacks::from_json(data).ok()?,
                stacks::asked_from_json(data).ok()?,
            ),
            Some(_) => {
                let (samples, wish) = samples::from_json(data).ok()?;
                What::Samples(Box::new(samples), wish)
            }
        };
        let process = answer.get("process")?;
        let text = |key: &str| process.get(key)?.as_str().map(str::to_owned);
        let pid = process.get("pid")?.as_u64()?;
        let provenance = Provenance {
            command: answer.get("command")?.as_str()?.to_owned(),
            name: text("name")?,
            pid: u32::try_from(pid).ok()?,
            host: text("host")?,
            time_unix_ns: what.dump().taken_unix_ns,
            elapsed_ns: answer.get("elapsed_ns")?.as_u64()?,
        };
        Some(Self {
            what,
            provenance,
            source: None,
        })
    }
}

impl Found {
    /// The samples as a gzipped profile; `None` for stacks of one moment.
    pub(crate) fn profile(&self) -> Option<Vec<u8>> {
        let What::Samples(samples, wish) = &self.what else {
            return None;
        };
        let mut bytes = Vec::new();
        let profile = samples::profile(samples, wish);
        samples::render(&profile, &mut |piece| bytes.extend_from_slice(piece));
        Some(bytes)
    }
}

impl What {
    /// The stacks themselves.
    pub(crate) fn dump(&self) -> &Dump {
        match self {
            What::Stacks(dump, _) => dump,
            What::Samples(samples, _) => &samples.dump,
        }
    }

    /// The same, to be named.
    pub(crate) fn dump_mut(&mut self) -> &mut Dump {
        match self {
            What::Stacks(dump, _) => dump,
            What::Samples(samples, _) => &mut samples.dump,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stacks::tests::ANSWER;

    #[test]
    fn an_answer_is_read() {
        let found = Found::parse(ANSWER.as_bytes()).unwrap();
        assert_eq!(found.what.dump().threads.len(), 2);
        assert_eq!(found.provenance.host, "web");
        assert!(matches!(found.what, What::Stacks(_, asked) if asked.thread.is_none()));
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
