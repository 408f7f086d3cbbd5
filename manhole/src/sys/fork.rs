//! What happens in a forked child: nearly nothing, and that on purpose.
//!
//! A child has the memory of the console and none of its threads. Tearing anything down there
//! would reach back: shutting a copied socket down disconnects the parent's client. So the handler
//! stores atomics and leaks the rest. Two exceptions, both asked for: descriptors that a shared
//! table leaked into the child are closed by number, and a child that wants its own console gets a
//! thread that makes it one. vfork, clone and posix_spawn run no handler;
//! [`origin`](super::origin) is what every entry of the API asks.

use super::signals::blocked_while;
use nix::{errno::Errno, libc, sys::stat::fstat};
use std::{
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd, RawFd},
    panic::catch_unwind,
    ptr,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering},
    },
};

static REGISTERED: AtomicBool = AtomicBool::new(false);
static GENERATION: AtomicU32 = AtomicU32::new(0);
static HOOK: OnceLock<fn()> = OnceLock::new();
static REINSTALL: AtomicBool = AtomicBool::new(false);
static SHARED_TABLE: AtomicBool = AtomicBool::new(false);
static SLOTS: [Slot; 64] = [const { Slot::free() }; 64];

/// Registers the child handler, once per process image; libc has no way to take one back.
///
/// With `reinstall` each forked child starts one thread that calls it; the first function given
/// counts, `None` switches that off again. Returns whether a handler is there: without one (no
/// memory) a child only lacks these comforts.
pub(crate) fn on_child(reinstall: Option<fn()>) -> bool {
    REINSTALL.store(reinstall.is_some(), Ordering::Release);
    if let Some(hook) = reinstall {
        let _ = HOOK.set(hook);
    }
    if REGISTERED.swap(true, Ordering::AcqRel) {
        return true;
    }
    // SAFETY: pthread_atfork(3) stores the pointer; `in_child` never unwinds and does only what
    // is safe in a child of a threaded process. The object that holds it is pinned by install, so
    // it cannot be unloaded under libc.
    let registered = unsafe { libc::pthread_atfork(None, None, Some(in_child)) } == 0;
    REGISTERED.store(registered, Ordering::Release);
    registered
}

/// How often this line of processes forked since the first registration: a value that was stored
/// under another generation belongs to an ancestor.
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Acquire)
}

/// From now on [`record`] records: our descriptors are in the host's table and leak into its
/// children. With a table of our own the same numbers would be the host's files.
pub(super) fn table_is_shared() {
    SHARED_TABLE.store(true, Ordering::Release);
}

/// Whether it is.
pub(crate) fn is_table_shared() -> bool {
    SHARED_TABLE.load(Ordering::Acquire)
}

extern "C" fn in_child() {
    let errno = Errno::last_raw();
    GENERATION.fetch_add(1, Ordering::AcqRel);
    if is_table_shared() {
        SLOTS.iter().for_each(Slot::close);
    }
    if REINSTALL.load(Ordering::Acquire) {
        start();
    }
    Errno::set_raw(errno);
}

/// Starts a detached thread, deaf to signals, that calls the hook.
///
/// By pthread_create and not by std: the less happens here the better, and this needs no Rust
/// allocation. glibc and musl have made their own locks usable before child handlers run.
fn start() {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut thread = MaybeUninit::<libc::pthread_t>::uninit();
    // SAFETY: pthread_attr_init(3) initialises what the next calls read; it is destroyed once.
    // pthread_create(3) copies the attributes, writes `thread`, and calls `run` with a null
    // pointer that it ignores. A failure leaves the child without a console and is no other harm.
    blocked_while(|| unsafe {
        if libc::pthread_attr_init(attributes.as_mut_ptr()) != 0 {
            return;
        }
        let detached = libc::PTHREAD_CREATE_DETACHED;
        libc::pthread_attr_setdetachstate(attributes.as_mut_ptr(), detached);
        libc::pthread_create(
            thread.as_mut_ptr(),
            attributes.as_ptr(),
            run,
            ptr::null_mut(),
        );
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
    });
}

extern "C" fn run(_: *mut libc::c_void) -> *mut libc::c_void {
    if let Some(hook) = HOOK.get() {
        let _ = catch_unwind(hook);
    }
    ptr::null_mut()
}

/// A descriptor that children shall close; forgotten when dropped, which is to happen before the
/// descriptor is closed.
#[derive(Debug)]
#[must_use = "the record ends when this is dropped"]
pub(super) struct Recorded(&'static Slot);

/// Notes `fd` for the children's handler. `None` with a table of our own, where there is nothing
/// to do, and when 64 are noted already: the child then keeps a copy open.
pub(super) fn record(fd: impl AsFd) -> Option<Recorded> {
    is_table_shared().then(|| take_slot(fd))?
}

fn take_slot(fd: impl AsFd) -> Option<Recorded> {
    let inode = fstat(&fd).ok()?.st_ino;
    let number = fd.as_fd().as_raw_fd();
    let free = SLOTS.iter().find(|slot| slot.claim(number))?;
    free.inode.store(inode, Ordering::Release);
    Some(Recorded(free))
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.0.inode.store(0, Ordering::Release);
        self.0.number.store(FREE, Ordering::Release);
    }
}

const FREE: RawFd = -1;

#[derive(Debug)]
struct Slot {
    number: AtomicI32,
    /// Of the recorded socket; 0 while none is. The host may close our number and open its own
    /// file under it: a child must not lose that.
    inode: AtomicU64,
}

impl Slot {
    const fn free() -> Self {
        Self {
            number: AtomicI32::new(FREE),
            inode: AtomicU64::new(0),
        }
    }

    fn claim(&self, number: RawFd) -> bool {
        let claimed =
            self.number
                .compare_exchange(FREE, number, Ordering::AcqRel, Ordering::Relaxed);
        claimed.is_ok()
    }

    /// Async-signal-safe: fstat and close.
    fn close(&self) {
        let inode = self.inode.swap(0, Ordering::AcqRel);
        let number = self.number.swap(FREE, Ordering::AcqRel);
        if number == FREE || inode == 0 {
            return;
        }
        let mut stat = MaybeUninit::<libc::stat>::uninit();
        // SAFETY: fstat(2) fills the structure when it returns 0, and only then it is read.
        // close(2) is given a number that we recorded and that still names the same inode; the
        // Rust object that owns it in the parent's memory is leaked here, never dropped.
        unsafe {
            if libc::fstat(number, stat.as_mut_ptr()) == 0 && stat.assume_init().st_ino == inode {
                libc::close(number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::{child_says, in_a_child};
    use nix::fcntl::{FcntlArg, fcntl};
    use std::{
        fs::File,
        os::{fd::BorrowedFd, unix::net::UnixStream},
        time::{Duration, Instant},
    };

    static RAN: AtomicBool = AtomicBool::new(false);

    fn open(number: RawFd) -> bool {
        // SAFETY: the number is only asked about; EBADF is the answer looked for.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        fcntl(fd, FcntlArg::F_GETFD).is_ok()
    }

    /// One test, since the statics are the process's: forks of other tests must not see them set.
    #[test]
    fn a_child_closes_what_leaked_and_starts_what_was_asked_for() {
        assert!(on_child(None));
        let before = generation();
        in_a_child(|| generation() == before + 1);
        assert_eq!(generation(), before);

        let (ours, _theirs) = UnixStream::pair().unwrap();
        assert!(record(&ours).is_none(), "a private table leaks nothing");
        in_a_child(move || {
            table_is_shared();
            let (leaked, kept) = UnixStream::pair().unwrap();
            let stolen = File::open("/proc/self/exe").unwrap();
            let records = [&leaked.as_fd(), &stolen.as_fd()].map(record);
            if let [Some(_), Some(record)] = &records {
                record.0.inode.fetch_add(1, Ordering::AcqRel);
            }
            drop(record(&kept));
            let numbers = [leaked.as_raw_fd(), kept.as_raw_fd(), stolen.as_raw_fd()];
            child_says(|| numbers.map(open) == [false, true, true])
                && numbers.map(open) == [true; 3]
        });
        in_a_child(|| {
            on_child(Some(|| RAN.store(true, Ordering::Release)));
            let in_grandchild = child_says(|| {
                let patience = Instant::now() + Duration::from_secs(10);
                while !RAN.load(Ordering::Acquire) && Instant::now() < patience {
                    std::thread::yield_now();
                }
                RAN.load(Ordering::Acquire)
            });
            in_grandchild && !RAN.load(Ordering::Acquire)
        });
    }
}
