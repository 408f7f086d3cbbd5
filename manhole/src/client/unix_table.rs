//! `/proc/PID/net/unix`: the listening sockets of a network namespace, with the paths they were
//! bound to, as their processes saw them.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// A listening socket with a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The socket's inode, as in the link `socket:[N]` of its descriptor.
    pub inode: u64,
    /// Where it was bound, in the namespace of its process.
    pub path: PathBuf,
}

/// `__SO_ACCEPTCON`: set on sockets that listen, and not on the connections they accepted, which
/// carry the same path.
const LISTENS: u64 = 1 << 16;

/// Finds the listening stream sockets that have an absolute path.
pub fn parse(table: &[u8]) -> Vec<Listener> {
    table.split(|byte| *byte == b'\n').filter_map(row).collect()
}

/// `Num: RefCount Protocol Flags Type St Inode Path`; the path is the rest, spaces included.
fn row(line: &[u8]) -> Option<Listener> {
    let mut rest = line;
    let mut fields = [""; 7];
    for field in &mut fields {
        rest = rest.trim_ascii_start();
        let end = rest.iter().position(|byte| *byte == b' ')?;
        let (word, tail) = rest.split_at(end);
        *field = std::str::from_utf8(word).ok()?;
        rest = tail;
    }
    let [_, _, _, flags, kind, _, inode] = fields;
    let path = rest.strip_prefix(b" ")?;
    let listens = u64::from_str_radix(flags, 16).ok()? & LISTENS != 0;
    (listens && kind == "0001" && path.starts_with(b"/")).then_some(Listener {
        inode: inode.parse().ok()?,
        path: PathBuf::from(OsStr::from_bytes(path)),
    })
}

/// The pid in a console's socket name: `4711.sock`, or `4711-1f2e3d4c.sock` where the first name was
/// taken.
pub fn pid_of_name(path: &Path) -> Option<i32> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".sock")?;
    let pid = match stem.split_once('-') {
        Some((pid, hex)) if hex.len() == 8 && hex.bytes().all(|b| b.is_ascii_hexdigit()) => pid,
        Some(_) => return None,
        None => stem,
    };
    let plain = pid.bytes().all(|byte| byte.is_ascii_digit()) && !pid.starts_with('0');
    plain.then(|| pid.parse().ok()).flatten()
}

/// The paths among `listeners` at which the console of a process may be: its `own` sockets if
/// they are known, else those that bear its pid in their name.
///
/// `alone` says that `own` belongs to the console only. Where it shares its descriptors with the
/// application, a socket without a telling name may be anything, and is left alone.
pub fn console_paths(
    listeners: &[Listener],
    own: &BTreeSet<u64>,
    alone: bool,
    inner_pid: i32,
) -> Vec<PathBuf> {
    let named = |listener: &&Listener| pid_of_name(&listener.path) == Some(inner_pid);
    let wanted = |listener: &&Listener| match own.is_empty() {
        true => named(listener),
        false => own.contains(&listener.inode) && (alone || named(listener)),
    };
    let paths = listeners.iter().filter(wanted);
    paths.map(|listener| listener.path.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"Num       RefCount Protocol Flags    Type St Inode Path\n\
        00000000ed171116: 00000003 00000000 00000000 0001 03  1226\n\
        00000000ed171117: 00000002 00000000 00010000 0001 01  1300 /run/manhole/4711.sock\n\
        00000000ed171118: 00000003 00000000 00000000 0001 03  1301 /run/manhole/4711.sock\n\
        00000000ed171119: 00000002 00000000 00010000 0005 01  1302 /run/seqpacket.sock\n\
        00000000ed171120: 00000002 00000000 00010000 0001 01  1303 @abstract\n\
        00000000ed171121: 00000002 00000000 00010000 0001 01  1304 /srv/with space/c.sock\n";

    fn paths(own: &[u64], alone: bool) -> Vec<String> {
        let own = own.iter().copied().collect();
        let found = console_paths(&parse(TABLE), &own, alone, 4711);
        found.iter().map(|p| p.display().to_string()).collect()
    }

    #[test]
    fn only_listening_stream_sockets_with_a_path_count() {
        let found = parse(TABLE);
        let inodes: Vec<u64> = found.iter().map(|listener| listener.inode).collect();
        assert_eq!(inodes, [1300, 1304]);
        assert_eq!(found[1].path, Path::new("/srv/with space/c.sock"));
    }

    #[test]
    fn a_socket_is_known_by_its_descriptor_or_by_its_name() {
        assert_eq!(paths(&[1304], true), ["/srv/with space/c.sock"]);
        assert_eq!(paths(&[], false), ["/run/manhole/4711.sock"]);
    }

    #[test]
    fn a_shared_table_gives_only_telling_names() {
        assert_eq!(paths(&[1300, 1304], false), ["/run/manhole/4711.sock"]);
        assert_eq!(paths(&[1304], false), [""; 0]);
    }

    #[test]
    fn names_carry_the_pid() {
        let check = |name: &str, expected| assert_eq!(pid_of_name(Path::new(name)), expected);
        check("/tmp/manhole-0/4711.sock", Some(4711));
        check("4711-0a1b2c3d.sock", Some(4711));
        check("4711-0a1b.sock", None);
        check("04711.sock", None);
        check("+7.sock", None);
        check(".sock", None);
        check("4711", None);
        check("99999999999.sock", None);
    }
}
