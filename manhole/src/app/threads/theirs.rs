//! What the application captured in a closure is dropped on its side, never on a thread of the console.
//!
//! The console's threads have a descriptor table of their own: a file that is closed there stays open
//! in the application's table, and what the console has under that number is closed instead. And
//! they must not wait, which a destructor may. A worker comes to drop a closure when the application
//! takes a variable away while the worker looks at it.

use super::{Kind, Ticket};
use crate::alloc;
use std::{
    cell::Cell,
    mem,
    sync::{Arc, Mutex},
};

thread_local! {
    static CONSOLE: Cell<bool> = const { Cell::new(false) };
}

/// Says that the calling thread is the console's: its I/O thread or a worker. What it allocates is not the
/// application's.
pub(crate) fn enter_console() {
    CONSOLE.set(true);
    alloc::exclude_this_thread();
}

/// Whether it is.
pub(super) fn is_console() -> bool {
    CONSOLE.get()
}

/// A closure of the application.
pub(crate) struct Theirs<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> Theirs<T> {
    /// Takes it from the application.
    pub(crate) fn new(closure: T) -> Self {
        Self(Some(closure))
    }

    /// The closure; always there, since it goes only when this is dropped.
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }
}

impl<T: Send + 'static> Drop for Theirs<T> {
    fn drop(&mut self) {
        let Some(closure) = self.0.take().filter(|_| CONSOLE.get()) else {
            return; // dropped here, on a thread of the application
        };
        let kept = Arc::new(Mutex::new(Some(closure)));
        let given = Arc::clone(&kept);
        let job = Box::new(move |_: &Ticket| {
            let closure = given.lock().ok().and_then(|mut slot| slot.take());
            drop(closure);
        });
        let what = || "the end of a closure".to_owned();
        let taken = super::current().map(|pool| pool.submit(Kind::Closure, what(), job));
        match taken {
            Some(Ok(_)) => drop(kept),
            // Nobody is there to drop it: it is leaked, which harms least.
            _ => mem::forget(kept),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::mpsc, thread, time::Duration};

    struct Noted(mpsc::Sender<Option<String>>);

    impl Drop for Noted {
        fn drop(&mut self) {
            let name = thread::current().name().map(str::to_owned);
            let _ = self.0.send(name);
        }
    }

    fn check(on_console: bool, expected: &str) {
        crate::sys::origin::claim();
        crate::app::activate();
        crate::app::threads::want();
        let (sender, dropped) = mpsc::channel();
        let theirs = Theirs::new(Noted(sender));
        assert!(theirs.get().is_some());
        let drop_it = move || {
            if on_console {
                enter_console();
            }
            drop(theirs);
        };
        let thread = thread::Builder::new().name("here".to_owned());
        thread.spawn(drop_it).unwrap().join().unwrap();
        let name = dropped.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(name.as_deref(), Some(expected));
    }

    #[test]
    fn a_closure_ends_on_a_thread_of_the_application() {
        check(false, "here");
        check(true, "manhole-app");
    }
}
