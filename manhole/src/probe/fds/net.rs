//! Sockets by inode, out of `/proc/self/net/{unix,udp,udp6,netlink,packet,raw,tcp,tcp6}`.
//!
//! The tables list the whole network namespace: on a busy host 100 000 lines, 0.1 s. So they are read
//! line by line, only the wanted inodes are kept, and reading ends with the last of them. Sockets of
//! another network namespace, and kinds without a table, stay unknown. A connected Unix socket has no
//! name on the client's side: its peer is not in these tables.

use crate::probe::procfs;
use std::{
    collections::{HashMap, HashSet},
    io::{BufRead, BufReader},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// What a socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Protocol {
    /// TCP over IPv4 or IPv6.
    Tcp,
    /// UDP over IPv4 or IPv6.
    Udp,
    /// Unix domain, of whatever type.
    Unix,
    /// Raw IP.
    Raw,
    /// Netlink: talks to the kernel.
    Netlink,
    /// Packets of a network card.
    Packet,
}

impl Protocol {
    /// The word in answers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Unix => "unix",
            Protocol::Raw => "raw",
            Protocol::Netlink => "netlink",
            Protocol::Packet => "packet",
        }
    }
}

/// TCP's states, and what fits of them for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum State {
    /// The peer has closed, and this side has not: a leak when there are many.
    CloseWait,
    /// Both sides can send.
    Established,
    /// Connecting: no answer yet.
    SynSent,
    /// Being accepted.
    SynReceived,
    /// This side has closed.
    FinWait,
    /// This side has closed, the peer answers.
    Closing,
    /// The last acknowledgement is awaited.
    LastAck,
    /// Over, kept for stray packets.
    TimeWait,
    /// Accepts connections.
    Listen,
    /// Not connected: what UDP usually is.
    Unconnected,
    /// A number that is not known here.
    Unknown,
}

impl State {
    /// The word in answers, as `ss` writes it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            State::CloseWait => "CLOSE-WAIT",
            State::Established => "ESTABLISHED",
            State::SynSent => "SYN-SENT",
            State::SynReceived => "SYN-RECEIVED",
            State::FinWait => "FIN-WAIT",
            State::Closing => "CLOSING",
            State::LastAck => "LAST-ACK",
            State::TimeWait => "TIME-WAIT",
            State::Listen => "LISTEN",
            State::Unconnected => "UNCONNECTED",
            State::Unknown => "unknown",
        }
    }

    fn of_tcp(code: u8) -> Self {
        match code {
            1 => State::Established,
            2 => State::SynSent,
            3 | 12 => State::SynReceived,
            4 | 5 => State::FinWait,
            6 => State::TimeWait,
            7 => State::Unconnected,
            8 => State::CloseWait,
            9 => State::LastAck,
            10 => State::Listen,
            11 => State::Closing,
            _ => State::Unknown,
        }
    }
}

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Address {
    /// Internet; an IPv4 address in IPv6's clothes is shown as IPv4.
    Internet(SocketAddr),
    /// The path of a Unix socket; `@` begins an abstract name.
    Path(String),
}

/// A socket as its table has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Socket {
    /// What it speaks.
    pub protocol: Protocol,
    /// Its state.
    pub state: State,
    /// This side; `None` when it has no name.
    pub local: Option<Address>,
    /// The other side; `None` when not connected or not known.
    pub peer: Option<Address>,
    /// Bytes that arrived and were not read; for a TCP listener connections not yet accepted.
    pub unread: u64,
    /// Bytes written that the peer has not acknowledged.
    pub unsent: u64,
}

/// Sockets found, by inode.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Sockets {
    /// Those that were found.
    pub by_inode: HashMap<u64, Socket>,
}

type Parse = fn(&str) -> Option<(u64, Socket)>;

/// Those of TCP last: the kernel looks for connections in all of a hash table that may have 262 144
/// places, which takes 5 ms also where there are none.
const TABLES: [(&str, Parse); 8] = [
    ("unix", parse_unix),
    ("udp", |line| parse_internet(line, Protocol::Udp)),
    ("udp6", |line| parse_internet(line, Protocol::Udp)),
    ("netlink", |line| parse_plain(line, Protocol::Netlink, 9)),
    ("packet", |line| parse_plain(line, Protocol::Packet, 8)),
    ("raw", |line| parse_internet(line, Protocol::Raw)),
    ("tcp", |line| parse_internet(line, Protocol::Tcp)),
    ("tcp6", |line| parse_internet(line, Protocol::Tcp)),
];

impl Sockets {
    /// Looks the inodes up; stops early when all are found or `keep_going` says no.
    pub(crate) fn find(mut wanted: HashSet<u64>, keep_going: &dyn Fn() -> bool) -> Self {
        let mut found = Self::default();
        for (name, parse) in TABLES {
            if wanted.is_empty() || !keep_going() {
                break;
            }
            // The leader's namespace is the host's; a leader that has ended shows none.
            let open = |who: &str| procfs::open(format!("/proc/{who}/net/{name}"));
            if let Some(file) = open("self").or_else(|| open("thread-self")) {
                found.scan(BufReader::new(file), parse, &mut wanted, keep_going);
            }
        }
        found
    }

    /// Keeps the sockets of one table that are wanted.
    fn scan(
        &mut self,
        mut table: impl BufRead,
        parse: Parse,
        wanted: &mut HashSet<u64>,
        keep_going: &dyn Fn() -> bool,
    ) {
        let mut line = Vec::new();
        while !wanted.is_empty() && keep_going() {
            line.clear();
            if !matches!(table.read_until(b'\n', &mut line), Ok(1..)) {
                break;
            }
            let text = procfs::lossless(&line);
            if let Some((inode, socket)) = parse(text.trim_end_matches('\n'))
                && wanted.remove(&inode)
            {
                self.by_inode.insert(inode, socket);
            }
        }
    }
}

/// A line of `tcp`, `udp` or `raw`: number, local, peer, state, queues, ..., inode.
fn parse_internet(line: &str, protocol: Protocol) -> Option<(u64, Socket)> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let local = parse_address(words.next()?)?;
    let peer = parse_address(words.next()?)?;
    let state = State::of_tcp(u8::from_str_radix(words.next()?, 16).ok()?);
    let (unsent, unread) = words.next()?.split_once(':')?;
    let inode = words.nth(4)?.parse().ok()?;
    let unread = u64::from_str_radix(unread, 16).ok()?;
    // The peer's FIN takes a place in the sequence, so the kernel counts it as a byte to be read.
    let unread = unread.saturating_sub(u64::from(state == State::CloseWait));
    let connected = peer.port() != 0 || !peer.ip().is_unspecified();
    Some((
        inode,
        Socket {
            protocol,
            state,
            local: Some(Address::Internet(local)),
            peer: connected.then_some(Address::Internet(peer)),
            unread,
            unsent: u64::from_str_radix(unsent, 16).ok()?,
        },
    ))
}

/// `0100007F:1F90`: the address word by word as this machine stores it, the port as a number.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let digits = address.get(at * 8..at * 8 + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    let ip = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let [a, b, c, d] = [word(0)?, word(1)?, word(2)?, word(3)?];
            let bits = [a, b, c, d].map(u32::from_be_bytes);
            let bits = bits
                .iter()
                .fold(0, |sum, part| sum << 32 | u128::from(*part));
            Ipv6Addr::from(bits).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// A line of `unix`: number, references, protocol, flags, type, state, inode, path (with blanks).
fn parse_unix(line: &str) -> Option<(u64, Socket)> {
    let mut rest = line;
    let mut next = || {
        let (word, after) = rest
            .trim_start()
            .split_once(' ')
            .unwrap_or((rest.trim_start(), ""));
        rest = after;
        word
    };
    let (_number, _references, _protocol) = (next(), next(), next());
    let flags = u32::from_str_radix(next(), 16).ok()?;
    let _type = next();
    let state = u8::from_str_radix(next(), 16).ok()?;
    let inode = next().parse().ok()?;
    let path = rest;
    const ACCEPTS: u32 = 1 << 16;
    let state = match (flags & ACCEPTS != 0, state) {
        (true, _) => State::Listen,
        (_, 3) => State::Established,
        (_, 2) => State::SynSent,
        (_, 4) => State::Closing,
        _ => State::Unconnected,
    };
    Some((
        inode,
        Socket {
            protocol: Protocol::Unix,
            state,
            local: (!path.is_empty()).then(|| Address::Path(path.to_owned())),
            peer: None,
            unread: 0,
            unsent: 0,
        },
    ))
}

/// Tables of which only the inode counts, in this column.
fn parse_plain(line: &str, protocol: Protocol, column: usize) -> Option<(u64, Socket)> {
    let inode = line.split_ascii_whitespace().nth(column)?.parse().ok()?;
    Some((
        inode,
        Socket {
            protocol,
            state: State::Unconnected,
            local: None,
            peer: None,
            unread: 0,
            unsent: 0,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 1229 1 0 100 0 0 10 0\n\
   1: 0100007F:8AB2 0900020A:1538 08 00000010:00000001 00:00000000 00000000  1000        0 77 1 0 20 4 30 10 -1\n\
   2: 0100007F:8AB3 0900020A:1538 06 00000000:00000000 03:00000123 00000000     0        0 0 3 0\n";

    fn find(text: &str, parse: Parse, wanted: &[u64]) -> Sockets {
        let mut found = Sockets::default();
        let mut wanted = wanted.iter().copied().collect();
        found.scan(text.as_bytes(), parse, &mut wanted, &|| true);
        found
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn tcp_sockets_have_state_addresses_and_queues() {
        let found = find(
            TCP,
            |line| parse_internet(line, Protocol::Tcp),
            &[1229, 77, 5],
        );
        let listener = &found.by_inode[&1229];
        assert_eq!((listener.state, listener.unread), (State::Listen, 3));
        assert_eq!(
            listener.local,
            Some(Address::Internet("127.0.0.1:8080".parse().unwrap()))
        );
        assert_eq!(listener.peer, None);
        let leaked = &found.by_inode[&77];
        // One byte to read is the end of the stream.
        assert_eq!(
            (leaked.state, leaked.unsent, leaked.unread),
            (State::CloseWait, 16, 0)
        );
        assert_eq!(
            leaked.peer,
            Some(Address::Internet("10.2.0.9:5432".parse().unwrap()))
        );
        assert_eq!(found.by_inode.len(), 2);
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn ipv6_is_read_and_mapped_ipv4_is_ipv4() {
        let check = |text: &str, expected: &str| {
            assert_eq!(parse_address(text), Some(expected.parse().unwrap()));
        };
        check("00000000000000000000000001000000:0050", "[::1]:80");
        check("0000000000000000FFFF00000100007F:0050", "127.0.0.1:80");
        check(
            "B80D01200000000067452301EFCDAB89:0001",
            "[2001:db8::123:4567:89ab:cdef]:1",
        );
        assert_eq!(parse_address("0100007F"), None);
        assert_eq!(parse_address("01:02"), None);
    }

    #[test]
    fn unix_sockets_have_paths_with_blanks_or_none() {
        let text = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            00000000ed171116: 00000003 00000000 00000000 0001 03  1226\n\
            00000000ed171117: 00000002 00000000 00010000 0001 01 30000 /run/a b.sock\n\
            00000000ed171118: 00000002 00000000 00000000 0002 01     9 @abstract\n";
        let found = find(text, parse_unix, &[1226, 30000, 9]);
        let path = |inode: u64| found.by_inode[&inode].local.clone();
        assert_eq!(
            (path(1226), found.by_inode[&1226].state),
            (None, State::Established)
        );
        assert_eq!(path(30000), Some(Address::Path("/run/a b.sock".into())));
        assert_eq!(found.by_inode[&30000].state, State::Listen);
        assert_eq!(path(9), Some(Address::Path("@abstract".into())));
    }

    #[test]
    fn reading_ends_with_the_last_one_wanted() {
        struct Bomb;
        impl std::io::Read for Bomb {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                panic!("read on although everything was found");
            }
        }
        let head = TCP
            .lines()
            .take(2)
            .map(|line| format!("{line}\n"))
            .collect::<String>();
        let table = BufReader::new(std::io::Read::chain(head.as_bytes(), Bomb));
        let mut wanted = [1229].into();
        let mut found = Sockets::default();
        found.scan(
            table,
            |line| parse_internet(line, Protocol::Tcp),
            &mut wanted,
            &|| true,
        );
        assert_eq!(found.by_inode.len(), 1);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_listener_of_this_process_is_found() {
        use std::os::{fd::AsRawFd, unix::fs::MetadataExt};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let link = format!("/proc/self/fd/{}", listener.as_raw_fd());
        let inode = std::fs::metadata(link).unwrap().ino();
        let found = Sockets::find([inode].into(), &|| true);
        let socket = &found.by_inode[&inode];
        assert_eq!(socket.state, State::Listen);
        assert_eq!(
            socket.local,
            Some(Address::Internet(listener.local_addr().unwrap()))
        );
    }
}
