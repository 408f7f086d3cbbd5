//! Descriptors that are the same to an operator: same kind, same state, same peer or place.

use crate::{
    model::order,
    probe::fds::{Access, Address, Descriptor, Kind, Socket, Sockets, State, name::address},
};
use std::collections::{BTreeMap, HashSet};

/// A line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// "tcp", "file", "eventfd".
    pub kind: &'static str,
    /// "CLOSE-WAIT", "read", "write, deleted"; empty where there is none.
    pub state: String,
    /// Peer, path or pattern.
    pub place: String,
    /// How many descriptors.
    pub count: u64,
    /// How many more than at an earlier look; unknown without one.
    pub change: Option<i64>,
    /// Sockets with data that nobody has read.
    pub unread: u64,
    /// Sockets with data that the peer has not acknowledged.
    pub unsent: u64,
    /// Distinct addresses of the peers of accepted connections.
    pub peers: u64,
    /// Bytes of deleted files.
    pub deleted_bytes: u64,
    /// Which part of the table it belongs to.
    pub rank: Rank,
}

/// What comes first among groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// The peer has closed, and this side has not.
    Leaked,
    /// Everything that has a name.
    Named,
    /// What runtimes use inside: eventfd, epoll, timers.
    Inside,
    /// Sockets that wait for connections.
    Listening,
}

/// Builds the groups, most interesting first.
pub(super) fn groups(descriptors: &[Descriptor], sockets: &Sockets) -> Vec<Group> {
    let ports = listening_ports(sockets);
    let patterns = patterns(descriptors);
    let mut groups: BTreeMap<(Rank, &'static str, String, String), Gathered> = BTreeMap::new();
    for descriptor in descriptors {
        let socket = descriptor
            .link
            .inode
            .and_then(|inode| sockets.by_inode.get(&inode));
        let socket = socket.filter(|_| descriptor.link.kind == Kind::Socket);
        let key = match socket {
            Some(socket) => socket_key(socket, &ports),
            None => other_key(descriptor, &patterns),
        };
        groups.entry(key).or_default().add(descriptor, socket);
    }
    let mut groups: Vec<Group> = groups
        .into_iter()
        .map(|(key, gathered)| gathered.finish(key))
        .collect();
    order::sort_by(&mut groups, |a, b| {
        a.rank.cmp(&b.rank).then(b.count.cmp(&a.count))
    });
    groups
}

#[derive(Default)]
struct Gathered {
    count: u64,
    unread: u64,
    unsent: u64,
    deleted_bytes: u64,
    peers: HashSet<Address>,
}

impl Gathered {
    fn add(&mut self, descriptor: &Descriptor, socket: Option<&Socket>) {
        self.count += 1;
        self.deleted_bytes += descriptor.deleted_bytes.unwrap_or(0);
        let Some(socket) = socket else { return };
        self.unread += u64::from(socket.unread > 0);
        self.unsent += u64::from(socket.unsent > 0);
        // Ports of the other side differ for each connection; the machine is what counts.
        if let Some(Address::Internet(peer)) = &socket.peer {
            self.peers.insert(Address::Internet((peer.ip(), 0).into()));
        }
    }

    fn finish(self, (rank, kind, state, place): (Rank, &'static str, String, String)) -> Group {
        Group {
            kind,
            state,
            place,
            count: self.count,
            change: None,
            unread: self.unread,
            unsent: self.unsent,
            peers: self.peers.len() as u64,
            deleted_bytes: self.deleted_bytes,
            rank,
        }
    }
}

/// Ports on which this process accepts: a connection from there was accepted, any other was made.
fn listening_ports(sockets: &Sockets) -> HashSet<u16> {
    let listening = sockets
        .by_inode
        .values()
        .filter(|socket| socket.state == State::Listen);
    listening
        .filter_map(|socket| port(socket.local.as_ref()?))
        .collect()
}

fn port(address: &Address) -> Option<u16> {
    match address {
        Address::Internet(address) => Some(address.port()),
        Address::Path(_) => None,
    }
}

fn socket_key(socket: &Socket, ports: &HashSet<u16>) -> (Rank, &'static str, String, String) {
    let rank = match socket.state {
        State::Listen => Rank::Listening,
        State::CloseWait => Rank::Leaked,
        _ => Rank::Named,
    };
    (
        rank,
        socket.protocol.name(),
        socket.state.name().to_owned(),
        socket_place(socket, ports),
    )
}

/// "accepted on :8080", "10.2.0.9:5432", ":8080" of a listener, "/run/log.sock".
pub(super) fn socket_place(socket: &Socket, ports: &HashSet<u16>) -> String {
    let local = socket.local.as_ref();
    let here = || local.map_or(String::new(), address);
    if socket.state == State::Listen {
        return here();
    }
    match (&socket.peer, local) {
        (Some(_), Some(local)) if port(local).is_some_and(|port| ports.contains(&port)) => {
            format!("accepted on :{}", port(local).unwrap_or(0))
        }
        (Some(peer), _) => address(peer),
        // An accepted Unix connection bears the name of its listener, the client's side none.
        (None, Some(Address::Path(path))) if socket.state == State::Established => {
            format!("accepted on {path}")
        }
        (None, _) => here(),
    }
}

fn other_key(descriptor: &Descriptor, patterns: &Patterns) -> (Rank, &'static str, String, String) {
    let link = &descriptor.link;
    let rank = match link.kind {
        Kind::EventFd
        | Kind::Epoll
        | Kind::TimerFd
        | Kind::Pipe
        | Kind::IoUring
        | Kind::SignalFd => Rank::Inside,
        _ => Rank::Named,
    };
    let state = match link.kind {
        Kind::File if link.deleted => format!("{}, deleted", access(descriptor.access)),
        Kind::File | Kind::Device => access(descriptor.access).to_owned(),
        // Its table lies in another network namespace, or there is none for its kind.
        Kind::Socket => "unknown".to_owned(),
        _ => String::new(),
    };
    let place = match (&link.path, link.kind) {
        (Some(path), Kind::File) => patterns.of(path, descriptor),
        (Some(path), _) => path.clone(),
        (None, _) => String::new(),
    };
    (rank, link.kind.name(), state, place)
}

/// The word for how a descriptor may be used.
pub(super) fn access(access: Option<Access>) -> &'static str {
    match access {
        Some(Access::Read) => "read",
        Some(Access::Write) => "write",
        Some(Access::Both) => "read, write",
        Some(Access::Path) => "path only",
        None => "",
    }
}

/// Directories with several open files of one ending: they share a line as `/dir/*.ending`.
struct Patterns(BTreeMap<(String, Option<Access>, bool), usize>);

fn patterns(descriptors: &[Descriptor]) -> Patterns {
    let mut counts = BTreeMap::new();
    let mut seen = HashSet::new();
    for descriptor in descriptors
        .iter()
        .filter(|descriptor| descriptor.link.kind == Kind::File)
    {
        // The same file opened many times is not a pattern.
        if let Some(path) = &descriptor.link.path
            && seen.insert((path, descriptor.access))
        {
            *counts.entry(Patterns::key(path, descriptor)).or_insert(0) += 1;
        }
    }
    Patterns(counts)
}

impl Patterns {
    fn key(path: &str, descriptor: &Descriptor) -> (String, Option<Access>, bool) {
        let (dir, file) = path.rsplit_once('/').unwrap_or(("", path));
        let pattern = match file.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()) {
            Some((_, ending)) => format!("{dir}/*.{ending}"),
            None => format!("{dir}/*"),
        };
        (pattern, descriptor.access, descriptor.link.deleted)
    }

    fn of(&self, path: &str, descriptor: &Descriptor) -> String {
        let key = Self::key(path, descriptor);
        match self.0.get(&key) {
            Some(2..) => key.0,
            _ => path.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        command::fds::tests::{file, internet, sockets_of},
        probe::fds::Protocol,
    };

    #[test]
    fn accepted_connections_share_a_line_and_peers_are_counted() {
        let listener = internet(State::Listen, "0.0.0.0:8080", None);
        let from = |peer: &str| internet(State::Established, "10.0.0.1:8080", Some(peer));
        let made = internet(State::Established, "10.0.0.1:40000", Some("10.2.0.9:5432"));
        let (descriptors, sockets) = sockets_of(vec![
            listener,
            from("1.1.1.1:5"),
            from("1.1.1.1:6"),
            from("2.2.2.2:7"),
            made,
        ]);
        let groups = groups(&descriptors, &sockets);
        let seen: Vec<_> = groups
            .iter()
            .map(|g| (g.count, g.state.as_str(), g.place.as_str(), g.peers))
            .collect();
        assert_eq!(
            seen,
            [
                (3, "ESTABLISHED", "accepted on :8080", 2),
                (1, "ESTABLISHED", "10.2.0.9:5432", 1),
                (1, "LISTEN", ":8080", 0),
            ]
        );
    }

    #[test]
    fn what_the_peer_closed_comes_first() {
        let busy = internet(State::Established, "10.0.0.1:40000", Some("10.2.0.9:1"));
        let mut leaked = internet(State::CloseWait, "10.0.0.1:40001", Some("10.2.0.9:5432"));
        leaked.unread = 7;
        let (descriptors, sockets) = sockets_of(vec![busy.clone(), busy, leaked]);
        let first = groups(&descriptors, &sockets).remove(0);
        assert_eq!(
            (first.rank, first.count, first.unread, first.unsent),
            (Rank::Leaked, 1, 1, 0)
        );
    }

    #[test]
    fn files_of_one_directory_and_ending_share_a_line() {
        let read = Some(Access::Read);
        let descriptors = vec![
            file(3, "/d/a.dat", read, None),
            file(4, "/d/b.dat", read, None),
            file(5, "/d/c.dat", Some(Access::Write), None),
            file(6, "/e/x.log", read, None),
            file(7, "/e/x.log", read, None),
            file(8, "/var/y.log (deleted)", read, Some(9)),
            file(9, "anon_inode:[eventpoll]", read, None),
        ];
        let groups = groups(&descriptors, &Sockets::default());
        let seen: Vec<_> = groups
            .iter()
            .map(|g| (g.count, g.kind, g.state.as_str(), g.place.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                (2, "file", "read", "/d/*.dat"),
                (2, "file", "read", "/e/x.log"),
                (1, "file", "read, deleted", "/var/y.log"),
                (1, "file", "write", "/d/c.dat"),
                (1, "epoll", "", ""),
            ]
        );
        assert_eq!(groups[2].deleted_bytes, 9);
    }

    #[test]
    fn a_socket_without_a_table_is_unknown() {
        let descriptors = vec![file(3, "socket:[9]", None, None)];
        let groups = groups(&descriptors, &Sockets::default());
        assert_eq!(
            (groups[0].kind, groups[0].state.as_str()),
            ("socket", "unknown")
        );
    }

    #[test]
    fn unix_sockets_are_named_by_their_listener() {
        let unix = |state, path: Option<&str>| Socket {
            protocol: Protocol::Unix,
            state,
            local: path.map(|path| Address::Path(path.to_owned())),
            peer: None,
            unread: 0,
            unsent: 0,
        };
        let check = |socket: Socket, expected: &str| {
            assert_eq!(socket_place(&socket, &HashSet::new()), expected);
        };
        check(unix(State::Listen, Some("/run/x")), "/run/x");
        check(
            unix(State::Established, Some("/run/x")),
            "accepted on /run/x",
        );
        check(unix(State::Established, None), "");
        check(unix(State::Unconnected, Some("/run/x")), "/run/x");
    }
}
