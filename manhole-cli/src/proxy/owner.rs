//! Whose a connection is: loopback TCP carries no credentials, but the kernel lists each socket with
//! its user.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    net::{Ipv4Addr, SocketAddrV4},
    thread,
    time::Duration,
};

use nix::unistd::geteuid;

/// A table of connections is not longer than this in earnest.
const LONGEST: u64 = 256 << 20;
/// A table that changes while it is read may miss a line.
const LOOKS: u32 = 3;

/// Whether the other end of a connection belongs to us or to root. `client` is its address, `server`
/// is ours.
pub(super) fn is_ours(client: SocketAddrV4, server: SocketAddrV4) -> bool {
    let me = geteuid().as_raw();
    (0..LOOKS).any(|look| {
        thread::sleep(Duration::from_millis(10) * look);
        owner(client, server).is_some_and(|uid| accepts(uid, me, overflow()))
    })
}

/// Where users are mapped, everyone who is not looks like the overflow user: that is nobody.
fn accepts(uid: u32, me: u32, overflow: Option<u32>) -> bool {
    (uid == me || uid == 0) && overflow != Some(uid)
}

/// The user that stands for all others; `None` where there are no others.
fn overflow() -> Option<u32> {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    if map.split_ascii_whitespace().eq(["0", "0", "4294967295"]) {
        return None;
    }
    let overflow = std::fs::read_to_string("/proc/sys/kernel/overflowuid").ok();
    Some(
        overflow
            .and_then(|uid| uid.trim().parse().ok())
            .unwrap_or(65534),
    )
}

/// The user of the socket at `client` that is connected to `server`.
fn owner(client: SocketAddrV4, server: SocketAddrV4) -> Option<u32> {
    let tables = [
        ("/proc/self/net/tcp", four as fn(SocketAddrV4) -> String),
        // A socket for IPv6 can speak IPv4 as well.
        ("/proc/self/net/tcp6", mapped),
    ];
    tables.into_iter().find_map(|(path, written)| {
        let table = BufReader::with_capacity(1 << 20, File::open(path).ok()?.take(LONGEST));
        let ends = (written(client), written(server));
        let mut lines = table.lines().map_while(Result::ok);
        lines.find_map(|line| uid_in(&line, &ends))
    })
}

/// The user in a line of the table, if it is the socket between these two addresses and some process
/// has it open: what is left of a socket that was closed is listed as root's.
fn uid_in(line: &str, (local, remote): &(String, String)) -> Option<u32> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    (fields.next()? == local && fields.next()? == remote).then_some(())?;
    let uid = fields.nth(4)?.parse().ok()?;
    let inode: u64 = fields.nth(1)?.parse().ok()?;
    (inode != 0).then_some(uid)
}

/// An address as the table has it: the bytes as they lie in memory, as a number.
fn four(address: SocketAddrV4) -> String {
    format!("{}:{:04X}", word(*address.ip()), address.port())
}

/// The same as an IPv6 address.
fn mapped(address: SocketAddrV4) -> String {
    let marker = u32::from_ne_bytes([0, 0, 0xff, 0xff]);
    let ip = word(*address.ip());
    format!("{:016}{marker:08X}{ip}:{:04X}", 0, address.port())
}

fn word(ip: Ipv4Addr) -> String {
    format!("{:08X}", u32::from_ne_bytes(ip.octets()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{SocketAddr, TcpListener, TcpStream};

    fn v4(address: SocketAddr) -> SocketAddrV4 {
        match address {
            SocketAddr::V4(address) => address,
            SocketAddr::V6(_) => panic!("{address}"),
        }
    }

    #[test]
    fn a_connection_of_ours_is_recognised_and_a_closed_one_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = v4(listener.local_addr().unwrap());
        let stream = TcpStream::connect(server).unwrap();
        let client = v4(stream.local_addr().unwrap());
        let _accepted = listener.accept().unwrap();
        assert_eq!(owner(client, server), Some(geteuid().as_raw()));
        assert!(is_ours(client, server));
        drop(stream);
        assert_eq!(owner(client, server), None);
        assert_eq!(
            owner(server, client),
            Some(geteuid().as_raw()),
            "the other end"
        );
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn lines_are_matched_by_both_ends() {
        let check = |line: &str, expected: Option<u32>| {
            let address = |port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
            let (client, server) = (address(0x1234), address(0x0050));
            let four = uid_in(line, &(four(client), four(server)));
            let six = uid_in(line, &(mapped(client), mapped(server)));
            assert_eq!(four.or(six), expected, "{line}");
        };
        let rest = "01 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0";
        check(
            &format!("   0: 0100007F:1234 0100007F:0050 {rest}"),
            Some(1000),
        );
        check(&format!("   0: 0100007F:0050 0100007F:1234 {rest}"), None);
        check(&format!("   0: 0100007F:1234 0200007F:0050 {rest}"), None);
        let mapped = "0000000000000000FFFF00000100007F";
        check(
            &format!("   0: {mapped}:1234 {mapped}:0050 {rest}"),
            Some(1000),
        );
        let orphan = "06 00000000:00000000 03:00000000 00000000     0        0 0 3 0";
        check(&format!("   0: 0100007F:1234 0100007F:0050 {orphan}"), None);
        check("  sl  local_address rem_address   st", None);
    }

    #[test]
    fn we_and_root_are_let_in_and_whoever_is_not_mapped_is_not() {
        let check = |uid, me, overflow, expected| {
            assert_eq!(
                accepts(uid, me, overflow),
                expected,
                "{uid} {me} {overflow:?}"
            );
        };
        check(1000, 1000, None, true);
        check(0, 1000, None, true);
        check(1001, 1000, None, false);
        check(1000, 0, None, false);
        check(65534, 65534, None, true);
        check(65534, 65534, Some(65534), false);
    }
}
