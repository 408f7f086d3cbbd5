//! The answer to `stacks --json`, or to that of a sampler or the heap, read as hostile input.

use manhole::client::{
    heap::{self, Heap},
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
    /// Those that allocated, with what was counted there.
    Heap(Box<Heap>, heap::Wish),
}

impl Found {
    /// Reads an answer; `None` when it makes no sense to this version.
    pub(crate) fn parse(output: &[u8]) -> Option<Self> {
        let answer: Value = serde_json::from_slice(output).ok()?;
        let data = answer.get("data")?;
        let what = if data.get("weights").is_some() {
            let (samples, wish) = samples::from_json(data).ok()?;
            What::Samples(Box::new(samples), wish)
        } else if data.get("counts").is_some() {
            let (heap, wish) = heap::from_json(data).ok()?;
            What::Heap(Box::new(heap), wish)
        } else {
            What::Stacks(
                stacks::from_json(data).ok()?,
                stacks::asked_from_json(data).ok()?,
            )
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
    /// The samples or the heap as a gzipped profile; `None` for stacks of one moment.
    pub(crate) fn profile(&self) -> Option<Vec<u8>> {
        let profile = match &self.what {
            What::Stacks(..) => return None,
            What::Samples(samples, wish) => samples::profile(samples, wish),
            What::Heap(found, wish) => heap::profile(found, wish),
        };
        let mut bytes = Vec::new();
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
            What::Heap(heap, _) => &heap.dump,
        }
    }

    /// The same, to be named.
    pub(crate) fn dump_mut(&mut self) -> &mut Dump {
        match self {
            What::Stacks(dump, _) => dump,
            What::Samples(samples, _) => &mut samples.dump,
            What::Heap(heap, _) => &mut heap.dump,
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
