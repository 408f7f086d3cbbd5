//! The table and the sentences of LOOK, from made-up descriptors.

use super::*;
use crate::{
    command::testing::lines as lines_of,
    model::Severity,
    probe::fds::{Access, Address, Descriptor, Link, Protocol, Socket, State},
};

pub(super) fn file(
    fd: u32,
    target: &str,
    access: Option<Access>,
    deleted_bytes: Option<u64>,
) -> Descriptor {
    Descriptor {
        fd,
        link: Link::parse(target.as_bytes()),
        access,
        deleted_bytes,
    }
}

pub(super) fn internet(state: State, local: &str, peer: Option<&str>) -> Socket {
    let address = |text: &str| Address::Internet(text.parse().unwrap());
    Socket {
        protocol: Protocol::Tcp,
        state,
        local: Some(address(local)),
        peer: peer.map(address),
        unread: 0,
        unsent: 0,
    }
}

pub(super) fn sockets_of(sockets: Vec<Socket>) -> (Vec<Descriptor>, Sockets) {
    let mut found = Sockets::default();
    let mut descriptors = Vec::new();
    for (inode, socket) in (100..).zip(sockets) {
        descriptors.push(file(
            inode,
            &format!("socket:[{inode}]"),
            Some(Access::Both),
            None,
        ));
        found.by_inode.insert(inode.into(), socket);
    }
    (descriptors, found)
}

/// The service of LOOK 2.13.
fn sample() -> (Vec<Descriptor>, Sockets) {
    let db = Some("10.2.0.9:5432");
    let mut sockets = vec![internet(State::CloseWait, "10.0.0.1:40000", db); 9190];
    sockets.extend((0..402).map(|n| {
        let peer = format!("10.1.0.{}:{}", n % 61, 2000 + n);
        internet(State::Established, "10.0.0.1:8080", Some(&peer))
    }));
    sockets.push(internet(State::Listen, "0.0.0.0:8080", None));
    sockets.push(internet(State::Listen, "127.0.0.1:9090", None));
    let (mut descriptors, sockets) = sockets_of(sockets);
    let mut add =
        |target: &str, access, size| descriptors.push(file(1, target, Some(access), size));
    (0..118).for_each(|n| add(&format!("/var/lib/pages/{n}.dat"), Access::Read, None));
    (0..9).for_each(|_| add("anon_inode:[eventfd]", Access::Both, None));
    (0..3).for_each(|_| add("anon_inode:[eventpoll]", Access::Both, None));
    add(
        "/var/log/checkout.log (deleted)",
        Access::Write,
        Some(1_288_490_188),
    );
    (descriptors, sockets)
}

pub(super) fn leak(peer: &str, count: u64) -> Group {
    let socket = internet(State::CloseWait, "10.0.0.1:40000", Some("10.2.0.9:5432"));
    let (descriptors, sockets) = sockets_of(vec![socket]);
    Group {
        count,
        place: peer.to_owned(),
        ..group::groups(&descriptors, &sockets).remove(0)
    }
}

fn facts() -> Facts {
    let (descriptors, sockets) = sample();
    let mut groups = group::groups(&descriptors, &sockets);
    groups[0].change = Some(408);
    groups[1..]
        .iter_mut()
        .for_each(|group| group.change = Some(0));
    Facts {
        open: 9812,
        limit: Some(10_240),
        hard: Some(1_048_576),
        before: Some(9402),
        trend: Some(Trend {
            per_second: 41.0 / 60.0,
            span_ns: 600_000_000_000,
        }),
        groups,
        compared_ns: Some(600_000_000_000),
        truncated: false,
    }
}

fn lines(answer: &Answer) -> Vec<String> {
    lines_of("fds", answer)
}

#[test]
fn a_leak_stands_first_with_its_peer_and_the_limit_is_dated() {
    let expected = [
        "# fds checkout[4711] web-17 1970-01-01T00:00:00Z: 9,812 descriptors, +410 in 10 min, 0",
        "9,812 of 10,240 (96 %), +41/min: full in about 10 min. 9,190 are connections the peer closed and this process did not. Deleted files that are still open hold 1.20 GiB of the disk.",
        "",
        "count  change  kind      state            on disk  peer or path",
        "9,190    +408  tcp       CLOSE-WAIT                10.2.0.9:5432          unread data in 0, unsent in 0",
        "  402       0  tcp       ESTABLISHED               accepted on :8080      from 61 addresses",
        "  118       0  file      read                      /var/lib/pages/*.dat",
        "    1       0  file      write, deleted  1.20 GiB  /var/log/checkout.log",
        "   12       0  internal                            eventfd, epoll",
        "    2       0  tcp       LISTEN                    127.0.0.1:9090, :8080",
        "# change: since fds or triage looked 10m 00s ago",
        "# CLOSE-WAIT: the peer hung up, nobody here called close",
        "# the process may raise its limit to 1,048,576 (setrlimit, or LimitNOFILE= in its unit)",
        "# next: fds --all; limits",
    ];
    assert_eq!(lines(&report(&facts())), expected);
}

fn check(change: impl FnOnce(&mut Facts), severity: Severity, expected: &str) {
    let mut facts = Facts {
        open: 200,
        limit: Some(1024),
        ..Facts::default()
    };
    change(&mut facts);
    assert_eq!(verdict::verdict(&facts), (severity, expected.to_owned()));
}

#[test]
fn severity_follows_the_distance_to_the_limit() {
    check(|_| {}, Severity::Ok, "200 of 1,024 (20 %).");
    check(
        |facts| facts.open = 900,
        Severity::Warn,
        "900 of 1,024 (88 %).",
    );
    check(
        |facts| facts.open = 1000,
        Severity::Bad,
        "1,000 of 1,024 (98 %).",
    );
    check(
        |facts| facts.limit = None,
        Severity::Ok,
        "200 open, no limit.",
    );
    let slow = Trend {
        per_second: 0.005,
        span_ns: 600_000_000_000,
    };
    check(
        |facts| facts.trend = Some(slow),
        Severity::Ok,
        "200 of 1,024 (20 %), +18/h.",
    );
}

#[test]
fn a_long_table_ends_with_what_is_left_out() {
    let names = (0..50).map(|n| file(n, &format!("/dir{n}/a.log"), Some(Access::Read), None));
    let descriptors: Vec<_> = names.collect();
    let groups = group::groups(&descriptors, &Sockets::default());
    assert_eq!(groups.len(), 50);
    let lines = merged(&groups);
    assert_eq!(lines.len(), ROWS);
    let last = lines.last().unwrap();
    assert_eq!(
        (last.count, last.place.as_str()),
        (21, "21 more groups: fds --all, or --json")
    );
}

#[test]
fn all_shows_each_descriptor_with_both_ends() {
    let (descriptors, sockets) = sample();
    let table = all::table(&descriptors, &sockets);
    assert_eq!(table.rows.len(), descriptors.len());
    assert_eq!(table.rows[0][7], Cell::text("10.0.0.1:40000"));
    assert_eq!(table.rows[0][8], Cell::text("10.2.0.9:5432"));
    let deleted = table.rows.last().unwrap();
    assert_eq!(
        (&deleted[2], &deleted[5]),
        (&Cell::text("write, deleted"), &Cell::Bytes(1_288_490_188))
    );
}
