//! What threads do at the end of their steps: every way to wait, and one way not to.
//!
//! Each is a function of its own with a name that a test knows, never inlined, and waits until the
//! process ends.

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollTimeout},
};
use std::{
    hint::black_box,
    io::{PipeReader, PipeWriter, Read},
    net::{TcpListener, TcpStream},
    os::fd::AsFd,
    sync::{Condvar, LazyLock, Mutex, PoisonError, RwLock, mpsc},
    thread,
    time::Duration,
};

use super::steps::Leaf;

/// The word in a thread's name, and what it does. The last one keeps a core busy.
pub(crate) const LEAVES: [(&str, Leaf); 11] = [
    ("mutex", wait_mutex),
    ("rwlock", wait_rwlock),
    ("condvar", wait_condvar),
    ("park", wait_park),
    ("sleep", wait_sleep),
    ("read", wait_read),
    ("poll", wait_poll),
    ("epoll", wait_epoll),
    ("recv", wait_recv),
    ("mpsc", wait_mpsc),
    ("busy", be_busy),
];

/// Held for ever by the thread `holder`.
static MUTEX: Mutex<u64> = Mutex::new(0);
/// Likewise, for writing.
static RWLOCK: RwLock<u64> = RwLock::new(0);
static WAITED: (Mutex<u64>, Condvar) = (Mutex::new(0), Condvar::new());
/// Nothing is ever written to it.
static PIPE: LazyLock<(PipeReader, PipeWriter)> =
    LazyLock::new(|| std::io::pipe().expect("a pipe"));
/// Nothing is ever sent on it.
static PEERS: LazyLock<(TcpStream, TcpStream)> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let ours = TcpStream::connect(listener.local_addr().expect("its address"));
    (
        ours.expect("a connection"),
        listener.accept().expect("it").0,
    )
});

/// Makes everything that the leaves wait for, and takes the locks.
pub(crate) fn prepare() {
    let (ready, taken) = mpsc::channel();
    let holder = thread::Builder::new().name("holder".to_owned());
    let held = holder.spawn(move || {
        let _mutex = MUTEX.lock();
        let _rwlock = RWLOCK.write();
        let _ = ready.send(()); // the other side waits for it
        wait_sleep(0)
    });
    held.expect("a thread");
    taken.recv().expect("it takes them");
    LazyLock::force(&PIPE);
    LazyLock::force(&PEERS);
}

#[inline(never)]
fn wait_mutex(seed: u64) -> u64 {
    let held = MUTEX.lock().unwrap_or_else(PoisonError::into_inner);
    black_box(*held) ^ seed
}

#[inline(never)]
fn wait_rwlock(seed: u64) -> u64 {
    let held = RWLOCK.read().unwrap_or_else(PoisonError::into_inner);
    black_box(*held).wrapping_add(seed)
}

#[inline(never)]
fn wait_condvar(seed: u64) -> u64 {
    let mut held = WAITED.0.lock().unwrap_or_else(PoisonError::into_inner);
    while *held == 0 {
        held = WAITED.1.wait(held).unwrap_or_else(PoisonError::into_inner);
    }
    black_box(*held) | seed
}

#[inline(never)]
fn wait_park(seed: u64) -> u64 {
    while black_box(true) {
        thread::park();
    }
    seed
}

#[inline(never)]
pub(crate) fn wait_sleep(seed: u64) -> u64 {
    while black_box(true) {
        thread::sleep(Duration::from_secs(3600));
    }
    seed
}

#[inline(never)]
pub(crate) fn wait_read(seed: u64) -> u64 {
    let mut byte = [0];
    let read = (&PIPE.0).read(&mut byte);
    read.map_or(seed, |count| count as u64)
}

#[inline(never)]
fn wait_poll(seed: u64) -> u64 {
    let mut fds = [PollFd::new(PIPE.0.as_fd(), PollFlags::POLLIN)];
    while black_box(true) {
        let _ = poll(&mut fds, PollTimeout::NONE); // EINTR: our own look
    }
    seed
}

#[inline(never)]
fn wait_epoll(seed: u64) -> u64 {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).expect("an epoll");
    while black_box(true) {
        let _ = epoll.wait(&mut [EpollEvent::empty()], EpollTimeout::NONE); // EINTR: our own look
    }
    seed
}

#[inline(never)]
fn wait_recv(seed: u64) -> u64 {
    let mut byte = [0];
    let read = (&PEERS.0).read(&mut byte);
    read.map_or(seed, |count| count as u64 ^ 1)
}

#[inline(never)]
fn wait_mpsc(seed: u64) -> u64 {
    let (sender, receiver) = mpsc::channel::<u64>();
    let received = receiver.recv();
    drop(black_box(sender));
    received.unwrap_or(seed)
}

#[inline(never)]
fn be_busy(seed: u64) -> u64 {
    let mut number = seed;
    while black_box(number) != 1 {
        number = number.wrapping_mul(6_364_136_223_846_793_005) | 2;
    }
    number
}
