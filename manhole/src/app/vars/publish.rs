//! Values that a closure computes when somebody asks.

use super::{
    Value,
    registry::{self, Body},
};
use crate::{
    app::{
        lock::brief,
        threads::{self, Gate, Outcome, Theirs},
    },
    render::mask,
};
use serde::Serialize;
use serde_json::Value as Json;
use std::{
    borrow::Cow,
    io::{self, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// How much JSON a closure may return, in bytes.
const LARGEST: usize = 1 << 20;
/// How long an answer that came too late is good for the next reader.
const FRESH: Duration = Duration::from_secs(10);

type Answer = Result<Json, String>;

/// Shows what `closure` returns under `name`, computed whenever somebody asks.
///
/// The closure runs on a thread `manhole-app`, one call at a time, and its caller waits 100 ms at
/// most: one that takes longer shows as `<busy 31 s>`, and costs nobody else anything. An answer
/// that comes late is kept ten seconds for the next reader. It may return anything that serde can
/// write as JSON, up to 1 MiB; values below names like `password` or `token` are masked. Reading
/// needs level inspect.
///
/// ```
/// // Anything that implements Serialize will do; here the password is shown as ***.
/// let config = serde_json::json!({ "listen": ":80", "password": "hunter2" });
/// manhole::vars::publish("config", move || config.clone());
/// ```
pub fn publish<F, T>(name: impl Into<Cow<'static, str>>, closure: F)
where
    F: Fn() -> T + Send + Sync + 'static,
    T: Serialize,
{
    let name = name.into();
    let published = Arc::new(Published {
        name: name.clone().into_owned(),
        evaluate: Theirs::new(Box::new(move || to_json(&closure()))),
        gate: Arc::default(),
        given_up: AtomicBool::new(false),
        late: Mutex::new(None),
    });
    if registry::add_or_report(name, Body::Published(published)) {
        threads::want();
    }
}

/// A published closure and the door before it.
pub(super) struct Published {
    name: String,
    evaluate: Theirs<Box<dyn Fn() -> Answer + Send + Sync>>,
    gate: Arc<Gate>,
    /// Somebody has stopped waiting for the call under way.
    given_up: AtomicBool,
    late: Mutex<Option<(Instant, Answer)>>,
}

impl Published {
    /// What the closure returns, or why not; takes 100 ms at most.
    pub(super) fn read(self: &Arc<Self>) -> Value {
        if let Some(answer) = self.take_late() {
            return value(answer);
        }
        let this = Arc::clone(self);
        let what = || format!("variable {}", self.name);
        match self.gate.call(what, move || this.run()) {
            // It was put aside for another reader that had given up already: then it is ours.
            Outcome::Done(answer) => match answer.or_else(|| self.take_late()) {
                Some(answer) => value(answer),
                None => Value::Busy(threads::PATIENCE),
            },
            Outcome::Panicked(message) => Value::Failed(format!("the closure panicked: {message}")),
            Outcome::Refused(why) => Value::Failed(why.to_string()),
            Outcome::Busy(since) => {
                self.given_up.store(true, Ordering::Release);
                Value::Busy(since)
            }
        }
    }

    /// On an application thread. An answer that somebody gave up waiting for is put aside.
    fn run(&self) -> Option<Answer> {
        let answer = self.evaluate.get()?();
        if !self.given_up.swap(false, Ordering::AcqRel) {
            return Some(answer);
        }
        let before = brief(&self.late).and_then(|mut late| late.replace((Instant::now(), answer)));
        drop(before);
        None
    }

    fn take_late(&self) -> Option<Answer> {
        let (at, answer) = brief(&self.late)?.take()?;
        (at.elapsed() <= FRESH).then_some(answer)
    }
}

fn value(answer: Answer) -> Value {
    answer.map_or_else(Value::Failed, Value::Published)
}

/// Writes `value` as JSON within the bound and reads it back with its secrets masked.
///
/// By way of bytes, so that a value of any size and depth is stopped before it becomes a tree.
fn to_json(value: &impl Serialize) -> Answer {
    let mut bytes = Bounded(Vec::new());
    serde_json::to_writer(&mut bytes, value)
        .and_then(|()| serde_json::from_slice(&bytes.0))
        .map(|mut json| {
            mask::json(&mut json);
            json
        })
        .map_err(|why| match why.is_io() {
            true => format!("more than {} MiB of JSON", LARGEST >> 20),
            false => format!("no JSON: {why}"),
        })
}

/// A buffer that refuses to grow beyond [`LARGEST`], and to take what memory cannot be had for.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fits = self.0.len() + bytes.len() <= LARGEST;
        if !fits || self.0.try_reserve(bytes.len()).is_err() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    #[test]
    fn values_are_masked_and_bounded() {
        let check = |answer: Answer, expected: Result<Json, &str>| {
            assert_eq!(answer, expected.map_err(str::to_owned));
        };
        let config = json!({"listen": ":80", "db": {"password": "x"}, "tls": true});
        let masked = json!({"listen": ":80", "db": {"password": "***"}, "tls": true});
        check(to_json(&config), Ok(masked));
        check(to_json(&f64::NAN), Ok(Json::Null));
        check(
            to_json(&"x".repeat(LARGEST)),
            Err("more than 1 MiB of JSON"),
        );
        let odd = BTreeMap::from([((1, 2), 3)]);
        check(to_json(&odd), Err("no JSON: key must be a string"));
        let deep = (0..200).fold(json!(0), |inner, _| json!([inner]));
        assert!(to_json(&deep).unwrap_err().contains("recursion limit"));
    }
}
