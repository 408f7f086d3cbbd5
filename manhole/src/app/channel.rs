//! A bounded queue from one thread to another, for threads that may block.
//!
//! Does what std's channel does here; std's is three kinds of queue in one and adds some 20 KB of code
//! for every type that goes through it.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Why nothing came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nothing {
    /// Not in time.
    Late,
    /// The sender is gone, and so is all that it sent.
    Gone,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    items: VecDeque<T>,
    room: usize,
    /// One end was dropped.
    ended: bool,
}

/// The end that sends.
pub(crate) struct Sender<T>(Arc<Shared<T>>);

/// The end that receives.
pub(crate) struct Receiver<T>(Arc<Shared<T>>);

/// A queue of at most `room` items.
pub(crate) fn bounded<T>(room: usize) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            items: VecDeque::new(),
            room,
            ended: false,
        }),
        changed: Condvar::new(),
    });
    (Sender(shared.clone()), Receiver(shared))
}

impl<T> Sender<T> {
    /// Sends `item`, waiting while there is no room; whether anybody will receive it.
    pub(crate) fn send(&self, item: T) -> bool {
        let full = |state: &mut State<T>| !state.ended && state.items.len() >= state.room;
        let state = self.0.changed.wait_while(self.0.lock(), full);
        self.0
            .push(state.unwrap_or_else(PoisonError::into_inner), item)
    }

    /// Sends `item` if there is room and a receiver; whether it did.
    pub(crate) fn try_send(&self, item: T) -> bool {
        let state = self.0.lock();
        state.items.len() < state.room && self.0.push(state, item)
    }
}

impl<T> Receiver<T> {
    /// The next item, waiting at most `patience` for it.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn receive(&self, patience: Duration) -> Result<T, Nothing> {
        let until = Instant::now().checked_add(patience);
        let mut state = self.0.lock();
        loop {
            if let Some(item) = state.items.pop_front() {
                drop(state);
                self.0.changed.notify_all();
                return Ok(item);
            }
            let left = until.map_or(patience, |until| {
                until.saturating_duration_since(Instant::now())
            });
            match (state.ended, left.is_zero()) {
                (true, _) => return Err(Nothing::Gone),
                (false, true) => return Err(Nothing::Late),
                (false, false) => {}
            }
            let waited = self.0.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, mut state: MutexGuard<'_, State<T>>, item: T) -> bool {
        if state.ended {
            return false;
        }
        state.items.push_back(item);
        drop(state);
        self.changed.notify_all();
        true
    }

    fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.0.end();
        // What nobody will get is dropped here, not when the sender goes.
        let items = std::mem::take(&mut self.0.lock().items);
        drop(items);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const SOON: Duration = Duration::from_secs(20);

    #[test]
    fn items_arrive_in_order_and_then_the_end() {
        let (sender, receiver) = bounded(2);
        let sending = thread::spawn(move || (0..100).all(|item| sender.send(item)));
        for item in 0..100 {
            assert_eq!(receiver.receive(SOON), Ok(item));
        }
        assert_eq!(receiver.receive(SOON), Err(Nothing::Gone));
        assert!(sending.join().unwrap());
    }

    #[test]
    fn a_full_queue_takes_no_more_until_something_left() {
        let (sender, receiver) = bounded(1);
        assert!(sender.try_send(1) && !sender.try_send(2));
        assert_eq!(receiver.receive(Duration::ZERO), Ok(1));
        assert_eq!(receiver.receive(Duration::ZERO), Err(Nothing::Late));
        assert!(sender.try_send(3));
    }

    #[test]
    fn whoever_waits_for_room_hears_that_the_receiver_went() {
        let (sender, receiver) = bounded(1);
        assert!(sender.send(1));
        let waiting = thread::spawn(move || sender.send(2));
        thread::sleep(Duration::from_millis(10));
        drop(receiver);
        assert!(!waiting.join().unwrap());
    }

    #[test]
    fn what_was_sent_before_the_end_still_arrives() {
        let (sender, receiver) = bounded(1);
        assert!(sender.send(1));
        drop(sender);
        assert_eq!(receiver.receive(SOON), Ok(1));
        assert_eq!(receiver.receive(SOON), Err(Nothing::Gone));
    }
}
