//! What a thread waits for, in a few words; and one name for threads that share most of theirs.

use crate::{
    model::order,
    probe::{
        fds::{State as Connection, name},
        threads::{OnDescriptor, State, Thread, Wait},
    },
};
use std::collections::BTreeMap;

/// The wait of a thread: "recv 10.2.0.9:5432", "futex", "sleep".
pub(super) fn wait(thread: &Thread) -> String {
    match &thread.wait {
        Wait::Nothing => String::new(),
        Wait::Futex(futex) => match (futex.address, futex.mutex) {
            (Some(address), true) => format!("mutex {address:#x}"),
            _ => "futex".to_owned(),
        },
        Wait::Sleep => "sleep".to_owned(),
        Wait::Events(call) => (*call).to_owned(),
        Wait::Descriptor(on) => format!("{} {}", on.call, target(on)),
        Wait::Call(call) => (*call).to_owned(),
        Wait::Number(number) => format!("system call {number}"),
        Wait::Kernel(function) => function.clone(),
        Wait::Unknown if thread.state == State::Running => String::new(),
        Wait::Unknown => "-".to_owned(),
    }
}

fn target(on: &OnDescriptor) -> String {
    match (&on.descriptor, &on.socket) {
        (_, Some(socket)) if socket.state == Connection::Listen => {
            format!("on {}", name::socket(socket))
        }
        (_, Some(socket)) => name::socket(socket),
        (Some(descriptor), None) => name::descriptor(descriptor),
        (None, None) => format!("fd {} (closed meanwhile)", on.fd),
    }
}

/// The name without the number behind it: `image-worker-3` is `image-worker-*`.
pub(super) fn family(name: &str) -> String {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    match stem.len() < name.len() && !stem.is_empty() {
        true => format!("{stem}*"),
        false => name.to_owned(),
    }
}

/// Names of several threads on one line: families, the most frequent first, at most four.
pub(in crate::command) fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut families: BTreeMap<String, (usize, &str)> = BTreeMap::new();
    for name in names {
        families.entry(family(name)).or_insert((0, name)).0 += 1;
    }
    let mut families: Vec<_> = families.into_iter().collect();
    order::sort_by_key(&mut families, |(_, (count, _))| std::cmp::Reverse(*count));
    let more = families.len().saturating_sub(4);
    let shown = families
        .iter()
        .take(4)
        .map(|(family, (count, name))| match count {
            1 => (*name).to_owned(),
            _ => family.clone(),
        });
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(", {more} more names"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{
        fds::{Address, Descriptor, Link, Protocol, Socket},
        threads::Futex,
    };

    fn blocked(wait: Wait) -> Thread {
        Thread {
            wait,
            ..super::super::tests::thread(1, "x")
        }
    }

    fn on(call: &'static str, link: Option<&str>, socket: Option<Socket>) -> Wait {
        Wait::Descriptor(OnDescriptor {
            call,
            fd: 31,
            descriptor: link.map(|link| Descriptor {
                fd: 31,
                link: Link::parse(link.as_bytes()),
                access: None,
                deleted_bytes: None,
            }),
            socket,
        })
    }

    #[test]
    fn waits_are_a_few_words() {
        let check = |wait: Wait, expected: &str| assert_eq!(self::wait(&blocked(wait)), expected);
        let futex = |address, mutex| Wait::Futex(Futex { address, mutex });
        check(futex(Some(0x7f00), true), "mutex 0x7f00");
        check(futex(Some(0x7f00), false), "futex");
        check(futex(None, false), "futex");
        check(Wait::Sleep, "sleep");
        check(Wait::Number(333), "system call 333");
        check(on("read", Some("pipe:[7]"), None), "read pipe");
        check(on("fsync", Some("/var/x"), None), "fsync /var/x");
        check(on("read", None, None), "read fd 31 (closed meanwhile)");
        let socket = |state, local: Option<&str>, peer: Option<&str>| Socket {
            protocol: Protocol::Tcp,
            state,
            local: local.map(|text| Address::Internet(text.parse().unwrap())),
            peer: peer.map(|text| Address::Internet(text.parse().unwrap())),
            unread: 0,
            unsent: 0,
        };
        let link = Some("socket:[9]");
        let connected = socket(
            Connection::Established,
            Some("10.0.0.1:4"),
            Some("10.2.0.9:5432"),
        );
        check(on("recv", link, Some(connected)), "recv 10.2.0.9:5432");
        let listening = socket(Connection::Listen, Some("0.0.0.0:8080"), None);
        check(on("accept", link, Some(listening)), "accept on :8080");
        let unnamed = Socket {
            protocol: Protocol::Unix,
            ..socket(Connection::Established, None, None)
        };
        check(on("recv", link, Some(unnamed)), "recv unix socket");
    }

    #[test]
    fn numbered_threads_are_a_family() {
        let check = |input: &[&str], expected: &str| {
            assert_eq!(names(input.iter().copied()), expected);
        };
        check(
            &["image-worker-0", "main", "image-worker-1"],
            "image-worker-*, main",
        );
        check(&["image-worker-0"], "image-worker-0");
        check(&["w", "w", "w"], "w");
        check(&["a", "b", "c", "d", "e", "f"], "a, b, c, d, 2 more names");
        check(&["7", "8"], "7, 8");
    }
}
