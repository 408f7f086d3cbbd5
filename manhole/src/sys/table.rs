//! A descriptor table of our own: what the host does to its descriptors is no concern of ours,
//! and the other way round.
//!
//! Threads share one table unless a thread leaves it. The console's I/O thread does, before it
//! opens anything, and its workers inherit the new one. Then a host that closes every number it
//! finds, or runs out of numbers, leaves the console alone, and a stray write of ours can never
//! land in a file of the host that got a recycled number.

use super::{fork, own::Own};
use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    libc,
    sys::{
        resource::{Resource, getrlimit},
        socket::{AddressFamily, SockFlag, SockType, socket},
        stat::Mode,
    },
    unistd::{getpid, gettid},
};
use std::{
    cell::Cell,
    fs, io,
    os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd},
};

/// Which table the calling thread uses now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TableKind {
    /// One of its own.
    Private {
        /// What did not go by the book, as a sentence; such a table still works.
        flaw: Option<String>,
    },
    /// Still the host's, of which nothing was closed.
    Shared {
        /// What was refused, as in `close_range: EPERM, unshare: EPERM`.
        reason: String,
    },
}

thread_local! {
    /// What `enter` kept and `adopt` has not handed out yet.
    static KEPT: Cell<Option<RawFd>> = const { Cell::new(None) };
}

/// Gives the calling thread a table of its own that holds /dev/null three times and `keep`.
///
/// Everything else is closed in the new table only; the host's is not touched. An object of this
/// thread that owns a descriptor (other than `keep`) holds a dead number afterwards, so this
/// comes first in the life of a thread; on the main thread it is refused. Costs some 30 us.
pub(crate) fn enter(keep: Option<RawFd>) -> TableKind {
    KEPT.set(keep);
    let entered = match gettid() == getpid() {
        true => shared("the main thread keeps the host's table"),
        false => enter_by(&REAL, keep),
    };
    if matches!(entered, TableKind::Shared { .. }) {
        fork::table_is_shared();
    }
    entered
}

/// Hands out what [`enter`] kept on this thread, once.
///
/// With a private table it is the only owner of that number there; with a shared one the host must
/// give up its own, which `enter`'s answer tells.
///
/// # Errors
/// EBADF when this thread kept no such number, it was not open, or it was handed out before.
pub(crate) fn adopt(number: RawFd) -> io::Result<Own<OwnedFd>> {
    let kept = KEPT.take().filter(|kept| *kept == number);
    let kept = kept.ok_or(Errno::EBADF)?;
    // SAFETY: fcntl(2) with F_GETFD takes two numbers and says EBADF when `kept` is not open.
    Errno::result(unsafe { libc::fcntl(kept, libc::F_GETFD) })?;
    // SAFETY: it is open, `enter` left it to this thread alone (with a shared table: the host was
    // told to forget it), and taking it out of KEPT makes this the only owner here.
    Ok(Own::new(unsafe { OwnedFd::from_raw_fd(kept) }))
}

fn shared(reason: impl Into<String>) -> TableKind {
    TableKind::Shared {
        reason: reason.into(),
    }
}

/// The calls that a kernel or a sandbox may refuse, so that tests can.
struct Calls {
    close_range: fn(first: u32, last: u32, flags: u32) -> Result<(), Errno>,
    unshare_files: fn() -> Result<(), Errno>,
    list: fn() -> Option<Vec<RawFd>>,
    null: fn() -> Result<OwnedFd, Errno>,
}

const REAL: Calls = Calls {
    close_range,
    unshare_files,
    list,
    null,
};

fn enter_by(calls: &Calls, keep: Option<RawFd>) -> TableKind {
    let mut flaws = Vec::new();
    let keep = keep.and_then(|fd| u32::try_from(fd).ok());
    // The kernel copies the table up to `first` and leaves the rest out, in one step.
    let first = keep.map_or(0, |fd| fd.saturating_add(1));
    let closed = match (calls.close_range)(first, u32::MAX, libc::CLOSE_RANGE_UNSHARE) {
        Ok(()) => close_below(calls, keep),
        Err(refused) => match (calls.unshare_files)() {
            Ok(()) => close_all(calls, keep),
            Err(too) => return shared(format!("close_range: {refused:?}, unshare: {too:?}")),
        },
    };
    flaws.extend(closed.err());
    flaws.extend(occupy_standard(calls, keep).err());
    TableKind::Private {
        flaw: (!flaws.is_empty()).then(|| flaws.join("; ")),
    }
}

/// The numbers below `keep`; those above are gone already.
fn close_below(calls: &Calls, keep: Option<u32>) -> Result<(), String> {
    match keep.and_then(|fd| fd.checked_sub(1)) {
        None => Ok(()),
        Some(last) => (calls.close_range)(0, last, 0).or_else(|_| close_listed(calls, keep)),
    }
}

fn close_all(calls: &Calls, keep: Option<u32>) -> Result<(), String> {
    let above = keep.map_or(0, |fd| fd.saturating_add(1));
    match (calls.close_range)(above, u32::MAX, 0) {
        Ok(()) => close_below(calls, keep),
        Err(_) => close_listed(calls, keep),
    }
}

/// Beyond this, descriptors that cannot be listed are left open in our copy.
const BLIND: u64 = 65_536;

/// One by one, as /proc lists them, or blindly up to the limit.
fn close_listed(calls: &Calls, keep: Option<u32>) -> Result<(), String> {
    let spared = |fd: RawFd| u32::try_from(fd).ok() == keep;
    // The host may be at its limit and so is its copy: listing needs a free number.
    (0..3).filter(|fd| !spared(*fd)).for_each(close);
    if let Some(open) = (calls.list)() {
        open.into_iter().filter(|fd| !spared(*fd)).for_each(close);
        return Ok(());
    }
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(BLIND, |(soft, _)| soft);
    let numbers = 0..RawFd::try_from(limit.min(BLIND)).unwrap_or(0);
    numbers.filter(|fd| !spared(*fd)).for_each(close);
    match limit > BLIND {
        true => Err(format!(
            "without /proc and close_range our copies of the host's descriptors from {BLIND} on stay open"
        )),
        false => Ok(()),
    }
}

/// Fills 0, 1 and 2, so that a stray print of ours ends nowhere rather than in a socket.
fn occupy_standard(calls: &Calls, keep: Option<u32>) -> Result<(), String> {
    let mut flaw = Ok(());
    for number in (0..3).filter(|number| Some(*number) != keep) {
        let placeholder = (calls.null)().or_else(|errno| {
            flaw = Err(format!("/dev/null cannot be opened ({errno:?})"));
            inert()
        });
        // The lowest free number is taken. If it is another one, a descriptor could not be
        // closed and fills the place, which the flaw of closing already says.
        match placeholder {
            Ok(fd) if u32::try_from(fd.as_raw_fd()) == Ok(number) => drop(fd.into_raw_fd()),
            Ok(_) => {}
            Err(errno) => return Err(format!("descriptor {number} stays free ({errno:?})")),
        }
    }
    flaw
}

fn null() -> Result<OwnedFd, Errno> {
    open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())
}

/// A descriptor on which reading and writing fail at once: an unconnected datagram socket.
fn inert() -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(AddressFamily::Unix, SockType::Datagram, flags, None)
}

fn close_range(first: u32, last: u32, flags: u32) -> Result<(), Errno> {
    // SAFETY: close_range(2) takes three numbers and touches no memory of ours. Which
    // descriptors may be closed is `enter`'s business: with CLOSE_RANGE_UNSHARE, and after the
    // table is our own, none of them is owned by anything but a copy that nobody uses.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
    Errno::result(result).map(drop)
}

fn unshare_files() -> Result<(), Errno> {
    // SAFETY: unshare(2) with CLONE_FILES gives the calling thread a copy of its table under the
    // same numbers; it touches no memory and no other thread.
    Errno::result(unsafe { libc::unshare(libc::CLONE_FILES) }).map(drop)
}

/// `/proc/self` would be the leader's table, which is the host's.
fn list() -> Option<Vec<RawFd>> {
    let entries = fs::read_dir("/proc/thread-self/fd").ok()?;
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    Some(entries.flatten().filter_map(number).collect())
}

fn close(fd: RawFd) {
    // SAFETY: close(2) on a number of a table that is this thread's alone; a number that is not
    // open gives EBADF, and nothing in this process reads or writes through the copies.
    unsafe { libc::close(fd) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs::File,
        io::{Read, Write},
        os::{fd::AsFd, unix::net::UnixStream},
        thread,
    };

    fn refused(_: u32, _: u32, _: u32) -> Result<(), Errno> {
        Err(Errno::ENOSYS)
    }

    /// What is open after `enter_by(calls, keep)`, on a thread that ends with its table.
    fn after(calls: Calls, keep: Option<RawFd>) -> (TableKind, Vec<RawFd>) {
        let look = move || {
            let kind = enter_by(&calls, keep);
            // The listing's own descriptor is the highest but for `keep`; it is closed by now.
            let still = |fd: &RawFd| fs::read_link(format!("/proc/thread-self/fd/{fd}")).is_ok();
            let mut open: Vec<RawFd> = list().unwrap().into_iter().filter(still).collect();
            open.sort_unstable();
            (kind, open)
        };
        thread::spawn(look).join().unwrap()
    }

    const CLEAN: TableKind = TableKind::Private { flaw: None };

    #[test]
    fn every_way_leaves_three_placeholders_and_what_is_kept() {
        let file = File::open("/proc/self/exe").unwrap();
        let kept = file.as_raw_fd();
        let ways = [
            REAL,
            Calls {
                close_range: refused,
                ..REAL
            },
            Calls {
                close_range: refused,
                list: || None,
                ..REAL
            },
        ];
        for (number, way) in ways.into_iter().enumerate() {
            let limited = getrlimit(Resource::RLIMIT_NOFILE).unwrap().0 <= BLIND;
            let (kind, open) = after(way, Some(kept));
            assert_eq!(open, [0, 1, 2, kept], "way {number}");
            assert!(kind == CLEAN || (number == 2 && !limited), "{kind:?}");
        }
        assert_eq!(after(REAL, None), (CLEAN, vec![0, 1, 2]));
        assert!(file.metadata().is_ok(), "the host's table is as it was");
    }

    #[test]
    fn a_kept_descriptor_may_sit_among_the_standard_ones() {
        for kept in 0..3 {
            let (kind, open) = after(REAL, Some(kept));
            assert_eq!((kind, open), (CLEAN, vec![0, 1, 2]));
        }
    }

    #[test]
    fn what_was_kept_is_handed_out_once() {
        let file = File::open("/proc/self/exe").unwrap();
        let number = file.as_raw_fd();
        let look = move || {
            assert_eq!(enter(Some(number)), CLEAN);
            assert!(adopt(number + 1).is_err());
            assert!(adopt(number).is_err(), "a wrong guess ends it");
            enter(Some(number));
            let kept = adopt(number).unwrap();
            assert_eq!(kept.as_fd().as_raw_fd(), number);
            assert!(adopt(number).is_err());
            drop(kept);
            enter(Some(number));
            assert!(adopt(number).is_err(), "it is not open");
        };
        thread::spawn(look).join().unwrap();
        assert!(file.metadata().is_ok());
    }

    #[test]
    fn refused_altogether_nothing_is_closed() {
        let (mut reader, mut writer) = UnixStream::pair().unwrap();
        let calls = Calls {
            close_range: |_, _, _| Err(Errno::EPERM),
            unshare_files: || Err(Errno::EPERM),
            ..REAL
        };
        let entered = thread::spawn(move || enter_by(&calls, None))
            .join()
            .unwrap();
        assert_eq!(entered, shared("close_range: EPERM, unshare: EPERM"));
        writer.write_all(b"x").unwrap();
        assert_eq!(reader.read(&mut [0]).unwrap(), 1);
    }

    #[test]
    fn without_dev_null_the_places_are_filled_all_the_same() {
        let calls = Calls {
            null: || Err(Errno::ENOENT),
            ..REAL
        };
        let (kind, open) = after(calls, None);
        assert_eq!(open, [0, 1, 2]);
        let flaw = Some("/dev/null cannot be opened (ENOENT)".to_owned());
        assert_eq!(kind, TableKind::Private { flaw });
    }

    #[test]
    fn the_placeholders_swallow_what_is_written() {
        thread::spawn(|| {
            assert_eq!(enter(None), CLEAN);
            let target = fs::read_link("/proc/thread-self/fd/2").unwrap();
            assert_eq!(target.to_str(), Some("/dev/null"));
            let mut null = File::options()
                .write(true)
                .open("/proc/thread-self/fd/1")
                .unwrap();
            null.write_all(b"nowhere").unwrap();
        })
        .join()
        .unwrap();
    }
}
