//! Waiting for sockets, timers and wakes in one `poll`.
//!
//! Not epoll, which pays off with hundreds of sockets: there are some dozens here at most. It keeps
//! nothing in the kernel, so there is no second place to be kept in step, nothing that a forked
//! child shares with its parent, and one descriptor less.

use super::tasks::Alarm;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
    io,
    os::fd::AsFd,
    rc::Rc,
    sync::Arc,
    task::Waker,
    time::Instant,
};

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

struct Source {
    socket: Rc<dyn AsFd>,
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

    /// One that nobody waits for wakes nobody, whatever its state is.
    fn is_waited_for(&self) -> bool {
        self.read.waiter.is_some() || self.write.waiter.is_some()
    }

    fn poll_fd(&self) -> PollFd<'_> {
        let mut events = PollFlags::empty();
        events.set(PollFlags::POLLIN, self.read.waiter.is_some());
        events.set(PollFlags::POLLOUT, self.write.waiter.is_some());
        PollFd::new(self.socket.as_fd(), events)
    }
}

/// Everything that is waited for.
pub(super) struct Reactor {
    alarm: Arc<Alarm>,
    sources: RefCell<HashMap<u64, Source>>,
    timers: RefCell<BTreeMap<Timer, Waker>>,
    next: Cell<u64>,
}

impl Reactor {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            alarm: Alarm::new()?,
            sources: RefCell::default(),
            timers: RefCell::default(),
            next: Cell::new(0),
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
    pub(super) fn register(&self, socket: Rc<dyn AsFd>) -> u64 {
        let key = self.number();
        let source = Source {
            socket,
            read: Side::default(),
            write: Side::default(),
        };
        self.sources.borrow_mut().insert(key, source);
        key
    }

    /// Forgets a socket.
    pub(super) fn deregister(&self, key: u64) {
        let forgotten = self.sources.borrow_mut().remove(&key);
        drop(forgotten);
    }

    /// Whether the socket became ready since it was last asked; if not, `waker` is called when it
    /// does.
    pub(super) fn poll_ready(&self, key: u64, direction: Direction, waker: &Waker) -> bool {
        let mut sources = self.sources.borrow_mut();
        let Some(source) = sources.get_mut(&key) else {
            return true; // the caller's next read or write says what is wrong
        };
        let side = source.side(direction);
        if std::mem::take(&mut side.ready) {
            return true;
        }
        match &side.waiter {
            Some(waiter) if waiter.will_wake(waker) => {}
            _ => side.waiter = Some(waker.clone()),
        }
        false
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
    ///
    /// # Errors
    /// [`crate::sys::own::Lost`], and what `poll` says.
    pub(super) fn sleep(&self) -> io::Result<()> {
        self.alarm.bell().check()?;
        let patience = match self.alarm.go_to_sleep() {
            true => self.until_next_timer(),
            false => PollTimeout::ZERO,
        };
        let events = self.wait(patience);
        self.alarm.get_up();
        let woken = self.take_waiters(&events?);
        woken.into_iter().for_each(Waker::wake);
        self.fire_timers();
        Ok(())
    }

    /// Waits; which sockets are ready, and for what.
    fn wait(&self, patience: PollTimeout) -> io::Result<Vec<(u64, PollFlags)>> {
        let sources = self.sources.borrow();
        let waited = || sources.iter().filter(|(_, source)| source.is_waited_for());
        let sockets = waited().map(|(_, source)| source.poll_fd());
        let bell = PollFd::new(self.alarm.bell().as_fd(), PollFlags::POLLIN);
        let mut fds: Vec<PollFd<'_>> = sockets.chain([bell]).collect();
        match poll(&mut fds, patience) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(Vec::new()),
            Err(errno) => return Err(errno.into()),
        }
        if fds.last().is_some_and(|bell| bell.any() != Some(false)) {
            self.alarm.bell().hush();
        }
        let events = waited().zip(&fds).map(|((key, _), fd)| {
            // What nix has no name for is a reason to look as well.
            (*key, fd.revents().unwrap_or(PollFlags::POLLERR))
        });
        Ok(events.filter(|(_, events)| !events.is_empty()).collect())
    }

    fn take_waiters(&self, events: &[(u64, PollFlags)]) -> Vec<Waker> {
        let broken = PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL;
        let mut sources = self.sources.borrow_mut();
        let mut woken = Vec::new();
        for (key, events) in events {
            let Some(source) = sources.get_mut(key) else {
                continue;
            };
            let sides = [
                (&mut source.read, PollFlags::POLLIN),
                (&mut source.write, PollFlags::POLLOUT),
            ];
            for (side, event) in sides {
                if events.intersects(event | broken)
                    && let Some(waiter) = side.waiter.take()
                {
                    side.ready = true;
                    woken.push(waiter);
                }
            }
        }
        woken
    }

    /// Rounded up to the next millisecond: a sleep that ends early would spin until it is time.
    fn until_next_timer(&self) -> PollTimeout {
        let timers = self.timers.borrow();
        let Some(((at, _), _)) = timers.first_key_value() else {
            return PollTimeout::NONE;
        };
        let left = at.saturating_duration_since(Instant::now());
        let millis = left.as_nanos().div_ceil(1_000_000);
        i32::try_from(millis)
            .ok()
            .and_then(|millis| PollTimeout::try_from(millis).ok())
            .unwrap_or(PollTimeout::MAX)
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
