//! What the console itself has to say: a refused name, a lost thread, a socket bound anew.
//!
//! Nothing here writes to a descriptor or waits: the last messages are kept for `info`, and each is
//! handed to `log_to`, `tracing` or `log` on an application thread. Where none of these is there,
//! the console takes them and writes them to the host's standard error itself.

use super::{lock::brief, relay::Relay};
use crate::{model::Severity, sys::unix_now_ns};
use std::{collections::VecDeque, sync::Mutex};

/// How many messages are kept, and how many may wait to be handed over.
const KEPT: usize = 64;

/// One line of the console about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// When, in nanoseconds since the epoch.
    pub time_unix_ns: u64,
    /// How bad it is; `Ok` for mere news.
    pub severity: Severity,
    /// One line, without the prefix `manhole: `.
    pub text: String,
}

static RING: Mutex<VecDeque<Message>> = Mutex::new(VecDeque::new());
static RELAY: Relay<Message> = Relay::new("log output", KEPT);

/// Says something worth knowing.
pub(crate) fn note(text: impl Into<String>) {
    post(Severity::Ok, text.into());
}

/// Says that something is not as it should be.
pub(crate) fn warn(text: impl Into<String>) {
    post(Severity::Warn, text.into());
}

fn post(severity: Severity, text: String) {
    let message = Message {
        time_unix_ns: unix_now_ns(),
        severity,
        text: text.replace('\n', " "),
    };
    if let Some(mut ring) = brief(&RING) {
        if ring.len() >= KEPT {
            ring.pop_front();
        }
        ring.push_back(message.clone());
    }
    RELAY.offer(message);
}

/// The last messages, oldest first.
pub(crate) fn recent() -> Vec<Message> {
    brief(&RING).map_or_else(Vec::new, |ring| ring.iter().cloned().collect())
}

/// How many were dropped because the callback did not keep up.
pub(crate) fn dropped() -> u64 {
    RELAY.dropped()
}

/// From now on each message, as the line `manhole: <text>`, goes to `sink` as well.
pub(crate) fn log_to(sink: impl Fn(&str) + Send + Sync + 'static) {
    RELAY.connect(move |message| {
        facades(message);
        sink(&format!("manhole: {}", message.text));
    });
}

/// From now on messages go to the facades that are compiled in, and to no callback that was there
/// before; returns whether there is one.
pub(crate) fn to_facades() -> bool {
    let any = cfg!(feature = "tracing") || cfg!(feature = "log");
    match any {
        true => RELAY.connect(facades),
        false => RELAY.disconnect(),
    }
    any
}

/// Hands over what waits, if there is somebody to get it.
pub(crate) fn flush() {
    RELAY.flush();
}

/// What waits although nobody is there to get it: for the console to write to standard error.
pub(crate) fn take() -> Vec<Message> {
    RELAY.take()
}

fn facades(message: &Message) {
    let _text = message.text.as_str();
    #[cfg(feature = "tracing")]
    match message.severity {
        Severity::Ok => tracing::info!(target: "manhole", "{_text}"),
        Severity::Warn | Severity::Bad => tracing::warn!(target: "manhole", "{_text}"),
    }
    #[cfg(feature = "log")]
    match message.severity {
        Severity::Ok => log::info!(target: "manhole", "{_text}"),
        Severity::Warn | Severity::Bad => log::warn!(target: "manhole", "{_text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_messages_are_kept_as_single_lines() {
        for n in 0..=KEPT {
            warn(format!("kept\nmessage {n}"));
        }
        let recent = recent();
        // Other tests post as well, so only the order and the bound are certain.
        assert_eq!(recent.len(), KEPT);
        let mut mine = recent
            .iter()
            .filter(|message| message.text.starts_with("kept message"));
        let last = mine.next_back().map(|message| message.text.as_str());
        assert_eq!(last, Some("kept message 64"));
        assert!(recent.iter().all(|message| message.time_unix_ns > 0));
    }
}
