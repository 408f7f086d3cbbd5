//! What the application says of a thread, for its samples in profiles.

use crate::{
    model::labels::{self, Set},
    sys,
};
use nix::unistd::gettid;
use std::{
    cell::{Cell, RefCell},
    fmt::{self, Write},
    marker::PhantomData,
    sync::Arc,
};

/// Bytes of a key and of a value that are kept.
const KEY: usize = 64;
const VALUE: usize = 256;
/// Keys that a thread carries at a time, and guards that it may have.
const KEYS: usize = 16;
const GUARDS: usize = 64;

/// Says something of the calling thread, until the guard is dropped: the samples that profiles take of it
/// meanwhile (`cpu`, `wall`) carry `key` with `value`, as labels of pprof.
///
/// Labels nest: an inner one joins the outer ones, or hides one of the same key for its time. Guards may
/// be dropped in any order. `go tool pprof -tagfocus` and `-tags` select by them.
///
/// ```
/// fn handle(tenant: &str) {
///     let _tenant = manhole::label("tenant", tenant);
///     // what this thread does here is booked under the tenant
/// }
/// # handle("acme");
/// ```
///
/// A label belongs to the thread, not to a task: a guard cannot be sent to another thread, so it cannot
/// be held over an `.await` of a future that may move; label what runs between two of them.
///
/// Costs about 0.5 us, whether somebody profiles or not; waits for nobody. At most 64 bytes of the key
/// and 256 of the value count, and 16 keys a thread. Values should be few: of 4096 different sets of
/// labels those are forgotten that no thread carries any more, and samples that name them have none.
pub fn label(key: &str, value: impl fmt::Display) -> Labelled {
    let mut text = Bounded(String::new());
    let _ = write!(text, "{value}"); // an error is the end of the room, or the value's own
    let serial = match cfg!(feature = "stub") {
        true => 0,
        false => push(cut(key, KEY), &text.0).unwrap_or(0),
    };
    Labelled {
        serial,
        of_this_thread: PhantomData,
    }
}

/// A label of a thread; dropping it takes the label back. See [`label`].
#[must_use = "the label ends when this is dropped"]
#[derive(Debug)]
pub struct Labelled {
    /// 0: there was no room.
    serial: u64,
    of_this_thread: PhantomData<*const ()>,
}

impl Drop for Labelled {
    fn drop(&mut self) {
        // A thread that is ending has taken all labels back.
        let _ = THREAD.try_with(|thread| thread.take_back(self.serial));
    }
}

thread_local! {
    static THREAD: Thread = const { Thread { last: Cell::new(0), guards: RefCell::new(Vec::new()) } };
}

/// The labels of a thread, in the order in which they were set.
struct Thread {
    last: Cell<u64>,
    guards: RefCell<Vec<Guard>>,
}

struct Guard {
    serial: u64,
    key: String,
    value: String,
    /// This label with those before it; `None` when that could not be had.
    set: Option<Arc<Set>>,
}

fn push(key: &str, value: &str) -> Option<u64> {
    THREAD.try_with(|thread| thread.push(key, value)).ok()?
}

impl Thread {
    fn push(&self, key: &str, value: &str) -> Option<u64> {
        // Borrowed already: an allocator that sets labels while we allocate.
        let mut guards = self.guards.try_borrow_mut().ok()?;
        if guards.len() >= GUARDS {
            return None;
        }
        let serial = self.last.get() + 1;
        self.last.set(serial);
        let set = joined(guards.last(), key, value);
        guards.push(Guard {
            serial,
            key: key.to_owned(),
            value: value.to_owned(),
            set,
        });
        show(guards.last());
        Some(serial)
    }

    fn take_back(&self, serial: u64) {
        let Ok(mut guards) = self.guards.try_borrow_mut() else {
            return;
        };
        let Some(at) = guards.iter().rposition(|guard| guard.serial == serial) else {
            return;
        };
        guards.remove(at);
        // Those that were set later are without it.
        for later in at..guards.len() {
            let (before, behind) = guards.split_at_mut(later);
            if let Some(guard) = behind.first_mut() {
                guard.set = joined(before.last(), &guard.key, &guard.value);
            }
        }
        show(guards.last());
    }
}

impl Drop for Thread {
    /// A guard may have been forgotten; the next thread of this id shall not inherit its label.
    fn drop(&mut self) {
        if self.last.get() > 0 {
            show(None);
        }
    }
}

/// The labels of `outer`, and one more.
fn joined(outer: Option<&Guard>, key: &str, value: &str) -> Option<Arc<Set>> {
    let outer = outer.and_then(|outer| outer.set.as_ref());
    let known = outer.map_or(&[][..], |set| &set.pairs);
    let mut pairs = Vec::with_capacity(known.len() + 1);
    pairs.extend(known.iter().filter(|(other, _)| other != key).cloned());
    if pairs.len() < KEYS {
        let at = pairs.partition_point(|(other, _)| other.as_str() < key);
        pairs.insert(at, (key.to_owned(), value.to_owned()));
    }
    labels::intern(pairs)
}

/// Makes what the innermost guard says visible to samplers.
fn show(guard: Option<&Guard>) {
    let set = guard.and_then(|guard| guard.set.as_ref());
    let tid = u32::try_from(gettid().as_raw()).unwrap_or(0);
    sys::labels::set(tid, set.map_or(0, |set| set.id));
}

/// The beginning of `text`, at most `most` bytes of it.
fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev();
    let end = end.into_iter().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// Takes as much of a text as a value may have.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let piece = cut(text, VALUE.saturating_sub(self.0.len()));
        self.0.push_str(piece);
        match piece.len() == text.len() {
            true => Ok(()),
            false => Err(fmt::Error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn carried() -> String {
        let pairs = labels::find(sys::labels::get(gettid().as_raw() as u32));
        let texts: Vec<String> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
        texts.join(" ")
    }

    #[test]
    fn labels_nest_and_an_inner_one_hides_an_outer_one_of_its_key() {
        assert_eq!(carried(), "");
        let _outer = label("tenant", "a");
        let inner = label("path", 7);
        assert_eq!(carried(), "path=7 tenant=a");
        let hiding = label("tenant", "b");
        assert_eq!(carried(), "path=7 tenant=b");
        drop(hiding);
        assert_eq!(carried(), "path=7 tenant=a");
        drop(inner);
        assert_eq!(carried(), "tenant=a");
    }

    #[test]
    fn guards_may_be_dropped_in_any_order() {
        let [a, b, c] = ["a", "b", "c"].map(|key| label(key, 1));
        drop(a);
        assert_eq!(carried(), "b=1 c=1");
        drop(c);
        assert_eq!(carried(), "b=1");
        let d = label("d", 2);
        drop(b);
        assert_eq!(carried(), "d=2");
        drop(d);
        assert_eq!(carried(), "");
    }

    #[test]
    fn other_threads_carry_nothing_of_it() {
        let _mine = label("mine", true);
        assert_eq!(thread::spawn(carried).join().unwrap(), "");
        assert_eq!(carried(), "mine=true");
    }

    #[test]
    fn a_forgotten_guard_ends_with_its_thread() {
        let forget = || {
            std::mem::forget(label("forgotten", 1));
            gettid().as_raw() as u32
        };
        let tid = thread::spawn(forget).join().unwrap();
        // The thread's destructors ran before it could be joined.
        assert_eq!(sys::labels::get(tid), 0);
    }

    #[test]
    fn what_is_too_long_or_too_much_is_cut() {
        let _long = label(&"é".repeat(40), "é".repeat(200));
        assert_eq!(carried(), format!("{}={}", "é".repeat(32), "é".repeat(128)));
        let many: Vec<Labelled> = (0..200).map(|nr| label(&format!("key{nr}"), nr)).collect();
        assert_eq!(carried().split(' ').count(), KEYS);
        drop(many);
        assert_eq!(carried().split(' ').count(), 1);
    }
}
