//! Waiting for sockets, timers and wakes in one `epoll_wait`.

use super::tasks::Alarm;
use nix::{
    errno::Errno,
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        eventfd::{EfdFlags, EventFd},
    },
};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
    io,
    os::fd::BorrowedFd,
    sync::Arc,
    task::Waker,
    time::Instant,
};

/// The key of the bell among the sockets' keys.
const BELL: u64 = 0;
/// Events taken at a time.
const EVENTS: usize = 64;

/// A timer: when, and a number that tells equal times apart.
pub(super) type Timer = (Instant, u64);

/// What a socket is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Read,
    Write,
}

/// Who waits for a socket, and whether it became ready since.
#[derive(Default)]
struct Side {
    waiter: Option<Waker>,
    ready: bool,
}

#[derive(Default)]
struct Source {
    read: Side,
    write: Side,
}

impl Source {
    fn side(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::Read => &mut self.read,
            Direction::Write => &mut self.write,
        }
    }

    /// What is waited for. One-shot: a socket that nobody waits for wakes nobody, whatever its
    /// state is.
    fn interest(&self) -> EpollFlags {
        let mut flags = EpollFlags::EPOLLONESHOT;
        if self.read.waiter.is_some() {
            flags |= EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP;
        }
        if self.write.waiter.is_some() {
            flags |= EpollFlags::EPOLLOUT;
        }
        flags
    }
}

/// The epoll and everything that waits in it.
pub(super) struct Reactor {
    epoll: Epoll,
    alarm: Arc<Alarm>,
    sources: RefCell<HashMap<u64, Source>>,
    timers: RefCell<BTreeMap<Timer, Waker>>,
    next: Cell<u64>,
}

impl Reactor {
    pub(super) fn new() -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        epoll.add(&bell, EpollEvent::new(EpollFlags::EPOLLIN, BELL))?;
        Ok(Self {
            epoll,
            alarm: Alarm::new(bell),
            sources: RefCell::default(),
            timers: RefCell::default(),
            next: Cell::new(BELL + 1),
        })
    }

    pub(super) fn alarm(&self) -> &Arc<Alarm> {
        &self.alarm
    }

    /// A number for a socket or a timer.
    pub(super) fn number(&self) -> u64 {
        self.next.replace(self.next.get() + 1)
    }

    /// Registers a socket that nobody waits for yet.
    pub(super) fn register(&self, fd: BorrowedFd<'_>) -> io::Result<u64> {
        let key = self.number();
        self.epoll
            .add(fd, EpollEvent::new(EpollFlags::EPOLLONESHOT, key))?;
        self.sources.borrow_mut().insert(key, Source::default());
        Ok(key)
    }

    /// Forgets a socket before it is closed: with a duplicate of it open elsewhere the kernel would
    /// keep watching it.
    pub(super) fn deregister(&self, key: u64, fd: BorrowedFd<'_>) {
        let _ = self.epoll.delete(fd);
        let forgotten = self.sources.borrow_mut().remove(&key);
        drop(forgotten);
    }

    /// Whether the socket became ready since it was last asked; if not, `waker` is called when it
    /// does.
    pub(super) fn poll_ready(
        &self,
        key: u64,
        fd: BorrowedFd<'_>,
        direction: Direction,
        waker: &Waker,
    ) -> io::Result<bool> {
        let mut sources = self.sources.borrow_mut();
        let Some(source) = sources.get_mut(&key) else {
            return Ok(true); // the caller's next read or write says what is wrong
        };
        let side = source.side(direction);
        if std::mem::take(&mut side.ready) {
            return Ok(true);
        }
        match &side.waiter {
            Some(waiter) if waiter.will_wake(waker) => return Ok(false),
            _ => side.waiter = Some(waker.clone()),
        }
        let mut event = EpollEvent::new(source.interest(), key);
        self.epoll.modify(fd, &mut event)?;
        Ok(false)
    }

    /// Sets or renews a timer.
    pub(super) fn set_timer(&self, timer: Timer, waker: &Waker) {
        self.timers.borrow_mut().insert(timer, waker.clone());
    }

    pub(super) fn drop_timer(&self, timer: Timer) {
        let dropped = self.timers.borrow_mut().remove(&timer);
        drop(dropped);
    }

    /// Sleeps until something happens, and wakes whoever it concerns.
    pub(super) fn sleep(&self) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); EVENTS];
        let patience = match self.alarm.go_to_sleep() {
            true => self.until_next_timer(),
            false => EpollTimeout::ZERO,
        };
        let waited = self.epoll.wait(&mut events, patience);
        self.alarm.get_up();
        let count = match waited {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(errno) => return Err(errno.into()),
        };
        for event in events.iter().take(count) {
            self.on_event(event);
        }
        self.fire_timers();
        Ok(())
    }

    /// Rounded up to the next millisecond: a sleep that ends early would spin until it is time.
    fn until_next_timer(&self) -> EpollTimeout {
        let timers = self.timers.borrow();
        let Some(((at, _), _)) = timers.first_key_value() else {
            return EpollTimeout::NONE;
        };
        let left = at.saturating_duration_since(Instant::now());
        let millis = left.as_nanos().div_ceil(1_000_000);
        i32::try_from(millis)
            .ok()
            .and_then(|millis| EpollTimeout::try_from(millis).ok())
            .unwrap_or(EpollTimeout::MAX)
    }

    fn on_event(&self, event: &EpollEvent) {
        if event.data() == BELL {
            let _ = self.alarm.bell().read(); // empties it; EAGAIN if it is empty
            return;
        }
        let flags = event.events();
        let broken = flags.intersects(EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP);
        let readable = broken || flags.intersects(EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP);
        let writable = broken || flags.contains(EpollFlags::EPOLLOUT);
        let mut woken = Vec::new();
        // A one-shot event disarms both sides. Whoever waits for the other one is woken too, finds
        // nothing, and arms it again.
        if let Some(source) = self.sources.borrow_mut().get_mut(&event.data()) {
            for (direction, ready) in [(Direction::Read, readable), (Direction::Write, writable)] {
                let side = source.side(direction);
                if let Some(waiter) = side.waiter.take() {
                    side.ready = ready;
                    woken.push(waiter);
                }
            }
        }
        woken.into_iter().for_each(Waker::wake);
    }

    fn fire_timers(&self) {
        let now = Instant::now();
        loop {
            let mut timers = self.timers.borrow_mut();
            let due = timers.first_entry().filter(|timer| timer.key().0 <= now);
            let Some(waker) = due.map(|timer| timer.remove()) else {
                return;
            };
            drop(timers);
            waker.wake();
        }
    }
}
