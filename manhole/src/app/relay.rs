//! Hands what the console has to say to a callback of the application, which may be slow or hang.
//!
//! Items wait in a bounded queue; what does not fit is dropped and counted. The callback runs on an
//! application thread, so whoever offers an item, the host's threads included, never waits for it.

use super::{
    lock::brief,
    threads::{self, Kind, Pool, Theirs, Ticket, catch},
};
use std::{
    collections::VecDeque,
    ptr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Items handed over before the thread is free for other calls.
const BATCH: usize = 64;

type Sink<T> = Arc<Theirs<Box<dyn Fn(&T) + Send + Sync>>>;

/// A bounded queue and the callback behind it.
pub(crate) struct Relay<T: 'static> {
    what: &'static str,
    capacity: usize,
    pending: Mutex<VecDeque<T>>,
    /// The newest one: a second installation brings its own.
    sink: Mutex<Option<Sink<T>>>,
    /// Address of the pool in which the queue is being emptied; a forked child has another pool.
    draining: AtomicUsize,
    dropped: AtomicU64,
}

impl<T: Send + 'static> Relay<T> {
    /// An empty queue of at most `capacity` items; `what` names the callback in `info`.
    pub(crate) const fn new(what: &'static str, capacity: usize) -> Self {
        Self {
            what,
            capacity,
            pending: Mutex::new(VecDeque::new()),
            sink: Mutex::new(None),
            draining: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    /// Sets the callback; what waits is handed to it.
    pub(crate) fn connect(&'static self, sink: impl Fn(&T) + Send + Sync + 'static) {
        let sink: Sink<T> = Arc::new(Theirs::new(Box::new(sink)));
        let before = brief(&self.sink).and_then(|mut slot| slot.replace(sink));
        drop(before); // with the lock released: it drops what the application captured
        threads::want();
        self.flush();
    }

    /// Takes the callback away, if there is one: a new installation may do without.
    pub(crate) fn disconnect(&'static self) {
        let before = brief(&self.sink).and_then(|mut slot| slot.take());
        drop(before); // with the lock released
    }

    /// Queues `item`. Without a callback the newest items are kept for the one to come; with one
    /// that is slow, new items are dropped and counted.
    pub(crate) fn offer(&'static self, item: T) {
        let connected = self.sink().is_some();
        let refused = match brief(&self.pending) {
            None => Some(item),
            Some(mut pending) if pending.len() < self.capacity => {
                pending.push_back(item);
                None
            }
            Some(_) if connected => Some(item),
            Some(mut pending) => {
                let oldest = pending.pop_front();
                pending.push_back(item);
                drop(pending);
                drop(oldest);
                None
            }
        };
        if refused.is_some() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        self.flush();
    }

    /// Starts handing over what waits, unless that is under way or cannot be.
    pub(crate) fn flush(&'static self) {
        if let (Some(sink), Some(pool)) = (self.sink(), threads::current()) {
            self.flush_in(pool, sink);
        }
    }

    /// Waits until everything offered so far was handed over, for at most `patience`; returns
    /// whether it was. For worker threads of the console only.
    pub(crate) fn settle(&self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        while !self.is_settled() {
            if Instant::now() > end {
                return false;
            }
            thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// Takes what waits if no callback is there to get it.
    pub(crate) fn take(&self) -> Vec<T> {
        match (self.sink(), brief(&self.pending)) {
            (None, Some(mut pending)) => pending.drain(..).collect(),
            _ => Vec::new(),
        }
    }

    /// How many items were dropped because the callback did not keep up or panicked.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn sink(&self) -> Option<Sink<T>> {
        brief(&self.sink)?.clone()
    }

    fn is_settled(&self) -> bool {
        let empty = brief(&self.pending).is_none_or(|pending| pending.is_empty());
        empty && self.draining.load(Ordering::Acquire) == 0
    }

    fn flush_in(&'static self, pool: &'static Pool, sink: Sink<T>) {
        let me = ptr::from_ref(pool).addr();
        let empty = brief(&self.pending).is_none_or(|pending| pending.is_empty());
        if empty || self.draining.swap(me, Ordering::AcqRel) == me {
            return;
        }
        let draining = Draining(&self.draining);
        let job = Box::new(move |_: &Ticket| self.drain(pool, sink, draining));
        // Refused or dropped unrun, the job ends the draining.
        let _ = pool.submit(Kind::Closure, self.what.to_owned(), job);
    }

    fn drain(&'static self, pool: &'static Pool, sink: Sink<T>, draining: Draining) {
        for _ in 0..BATCH {
            let item = brief(&self.pending).and_then(|mut pending| pending.pop_front());
            let Some(item) = item else { break };
            if catch(|| sink.get().map(|sink| sink(&item))).is_err() {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        drop(draining);
        self.flush_in(pool, sink); // what came meanwhile, or the rest of a long queue
    }
}

/// Says that a queue is being emptied, until it is dropped.
struct Draining(&'static AtomicUsize);

impl Drop for Draining {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::in_a_child;
    use std::sync::mpsc;

    fn relay<T: Send + 'static>(capacity: usize) -> &'static Relay<T> {
        crate::sys::origin::claim();
        threads::activate();
        Box::leak(Box::new(Relay::new("test", capacity)))
    }

    #[test]
    fn items_arrive_in_order_on_an_application_thread() {
        let relay = relay(256);
        let (sender, seen) = mpsc::channel();
        relay.offer(0);
        relay.connect(move |item: &u32| {
            let _ = sender.send((*item, thread::current().name().map(str::to_owned)));
        });
        for item in 1..200 {
            relay.offer(item);
        }
        assert!(relay.settle(Duration::from_secs(20)));
        for item in 0..200 {
            assert_eq!(seen.recv().unwrap(), (item, Some("manhole-app".to_owned())));
        }
        assert_eq!(relay.dropped(), 0);
    }

    #[test]
    fn a_callback_that_hangs_costs_items_and_nothing_else() {
        let relay = relay(4);
        let (release, wait) = mpsc::channel::<()>();
        let wait = Mutex::new(wait);
        relay.connect(move |_: &u32| {
            let _ = wait.lock().map(|wait| wait.recv());
        });
        relay.offer(0);
        let before = Instant::now();
        for item in 1..100 {
            relay.offer(item);
        }
        assert!(before.elapsed() < Duration::from_secs(5));
        assert!(relay.dropped() >= 95, "{}", relay.dropped());
        assert!(!relay.settle(Duration::from_millis(5)));
        drop(release);
        assert!(relay.settle(Duration::from_secs(20)));
    }

    #[test]
    fn without_a_callback_the_newest_are_kept_and_can_be_taken() {
        let relay = relay(3);
        for item in 0..5 {
            relay.offer(item);
        }
        assert_eq!(relay.take(), [2, 3, 4]);
        assert_eq!((relay.take(), relay.dropped()), (vec![], 0));
    }

    #[test]
    fn a_callback_of_an_earlier_installation_is_let_go() {
        let relay = relay::<u8>(2);
        let (sender, received) = mpsc::channel();
        relay.connect(move |item| {
            let _ = sender.send(*item);
        });
        relay.disconnect();
        assert!(received.recv().is_err(), "and what it captured is dropped");
        relay.offer(1);
        assert_eq!(relay.take(), [1]);
    }

    #[test]
    fn what_a_shutdown_kept_from_being_handed_over_does_not_stop_the_rest() {
        // In a child: the pool is closed, which the other tests use.
        in_a_child(|| {
            let relay = relay(8);
            relay.connect(|_: &u32| ());
            let (release, wait) = mpsc::channel::<()>();
            let wait = Arc::new(Mutex::new(wait));
            let hang = || {
                let wait = Arc::clone(&wait);
                let work = Box::new(move |_: &Ticket| drop(wait.lock().map(|wait| wait.recv())));
                let pool = threads::current();
                pool.is_some_and(|pool| pool.submit(Kind::Closure, "x".to_owned(), work).is_ok())
            };
            let running = || threads::status().map_or(0, |status| status.running.len());
            let end = Instant::now() + Duration::from_secs(20);
            while running() < 4 && hang() && Instant::now() < end {
                thread::sleep(Duration::from_millis(1));
            }
            relay.offer(1); // queued behind all of them
            threads::deactivate();
            threads::activate();
            drop(release);
            relay.offer(2);
            relay.settle(Duration::from_secs(20))
        });
    }

    #[test]
    fn a_callback_that_panics_gets_the_next_item_all_the_same() {
        let relay = relay(8);
        let (sender, seen) = mpsc::channel();
        relay.connect(move |item: &u32| {
            assert!(*item != 1, "on purpose");
            let _ = sender.send(*item);
        });
        (0..3).for_each(|item| relay.offer(item));
        assert!(relay.settle(Duration::from_secs(20)));
        assert_eq!(seen.try_iter().collect::<Vec<_>>(), [0, 2]);
        assert_eq!(relay.dropped(), 1);
    }
}
