//! Values for completion that only the process knows: names of variables, threads, environment
//! variables. They are asked for on a connection of their own, and nobody waits for them for long.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use manhole::client::Patience;
use serde_json::Value;

use crate::target::Way;

/// A key press must not hang; what comes later is there for the next one.
const TYPING: Duration = Duration::from_millis(150);
/// How long an answer is good.
const FRESH: Duration = Duration::from_secs(5);
/// How long the process may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest answer that is looked at.
const CAP: usize = 4 << 20;

type Cache = Arc<Mutex<HashMap<String, (Instant, Vec<String>)>>>;

/// Asks for values and remembers them.
pub(super) struct Values {
    way: Way,
    cache: Cache,
}

impl Values {
    /// From the console that `way` leads to.
    pub(super) fn new(way: Way) -> Self {
        Self {
            way,
            cache: Cache::default(),
        }
    }

    /// The values of a kind; what is known when the process does not answer at once.
    pub(super) fn get(&self, kind: &str) -> Vec<String> {
        let Some(words) = question(kind) else {
            return Vec::new();
        };
        let known = lock(&self.cache).get(kind).cloned();
        match known {
            Some((since, values)) if since.elapsed() < FRESH => values,
            _ => {
                self.ask(kind, words);
                let cache = lock(&self.cache);
                cache
                    .get(kind)
                    .map(|(_, values)| values.clone())
                    .unwrap_or_default()
            }
        }
    }

    /// Asks on a thread; returns when it has answered, or when typing must go on.
    fn ask(&self, kind: &str, words: &[&str]) {
        let (way, cache, kind) = (self.way.clone(), self.cache.clone(), kind.to_owned());
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let (done, answered) = mpsc::channel();
        let asking = thread::Builder::new().spawn(move || {
            let answer = way
                .connect()
                .ok()
                .and_then(|mut client| client.collect(&words, Patience::of(PATIENCE), CAP).ok());
            if let Some((output, _)) = answer {
                let mut values = names(&output);
                values.extend(roles(&kind).iter().map(|role| (*role).to_owned()));
                lock(&cache).insert(kind, (Instant::now(), values));
            }
            let _ = done.send(());
        });
        if asking.is_ok() {
            let _ = answered.recv_timeout(TYPING);
        }
    }
}

fn lock(cache: &Cache) -> std::sync::MutexGuard<'_, HashMap<String, (Instant, Vec<String>)>> {
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The command that knows the values of a kind.
fn question(kind: &str) -> Option<&'static [&'static str]> {
    match kind {
        "variables" | "tunables" => Some(&["vars", "--json"]),
        "threads" => Some(&["threads", "--no-signal", "--json"]),
        "environment" => Some(&["env", "--json"]),
        "commands" => Some(&["commands", "--json"]),
        _ => None,
    }
}

/// What threads can be called by besides their names: what they are for.
fn roles(kind: &str) -> &'static [&'static str] {
    match kind {
        "threads" => &["blocking", "main", "worker"],
        _ => &[],
    }
}

/// The names, and thread ids, of all rows of an answer, as far as they can be typed.
fn names(output: &[u8]) -> Vec<String> {
    let answer: Value = serde_json::from_slice(output).unwrap_or_default();
    let tables = answer.get("data").and_then(Value::as_object);
    let tables = tables.into_iter().flat_map(|data| data.values());
    let rows = tables.filter_map(Value::as_array).flatten();
    let mut names: Vec<String> = rows
        .flat_map(|row| {
            let name = row.get("name").and_then(Value::as_str).map(str::to_owned);
            let tid = row
                .get("tid")
                .and_then(Value::as_u64)
                .map(|tid| tid.to_string());
            [name, tid]
        })
        .flatten()
        .filter(|name| name.len() <= 128 && !name.chars().any(char::is_control))
        .collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_table() {
        let output = br#"{"data":{"threads":[{"tid":7,"name":"db"},{"tid":8,"name":"db"}],"n":3}}"#;
        assert_eq!(names(output), ["7", "8", "db"]);
        assert_eq!(
            names(br#"{"data":{"vars":[{"name":"a\u001b[1m"},{"name":"b"}]}}"#),
            ["b"]
        );
        assert_eq!(names(b"nonsense"), [""; 0]);
    }

    #[test]
    fn a_process_that_does_not_answer_does_not_stop_the_typing() {
        let path = std::env::temp_dir().join(format!("manhole-values-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let _silent = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let values = Values::new(Way::Path(path.clone()));
        let started = Instant::now();
        assert_eq!(values.get("variables"), [""; 0]);
        assert!(started.elapsed() < Duration::from_secs(1));
        assert_eq!(values.get("unheard of"), [""; 0]);
        std::fs::remove_file(path).unwrap();
    }
}
