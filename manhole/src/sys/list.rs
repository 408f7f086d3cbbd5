//! A list that only grows, and that nobody ever waits for.
//!
//! What the application registers (variables, commands, reclaimers) is kept here rather than behind
//! a mutex: a registration may come from any thread of the host at any moment, and a mutex that was
//! held while the process forked stays locked in the child for ever. The price: an element lives
//! until the process ends, so callers bound how many they add and reuse what was taken out.

use std::{
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

/// Elements that live as long as the process; newest first. Const-constructible, lock-free.
pub(crate) struct List<T: 'static> {
    newest: AtomicPtr<Node<T>>,
}

struct Node<T: 'static> {
    value: T,
    older: *const Node<T>,
}

impl<T> List<T> {
    /// An empty list.
    pub(crate) const fn new() -> Self {
        Self {
            newest: AtomicPtr::new(ptr::null_mut()),
        }
    }
}

impl<T: Send + Sync + 'static> List<T> {
    /// Adds `value` for good; one allocation.
    pub(crate) fn push(&self, value: T) -> &'static T {
        let node = Box::into_raw(Box::new(Node {
            value,
            older: ptr::null(),
        }));
        let mut newest = self.newest.load(Ordering::Acquire);
        loop {
            // SAFETY: `node` comes from Box::into_raw above and is not published yet, so this is
            // the only reference to it.
            unsafe { (*node).older = newest };
            // Release publishes the node's fields to whoever loads the pointer with Acquire.
            match self.newest.compare_exchange_weak(
                newest,
                node,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                // SAFETY: the node was never freed and never will be (no code here takes it back),
                // and from its publication on it is only read.
                Ok(_) => return unsafe { &(*node).value },
                Err(now) => newest = now,
            }
        }
    }

    /// All elements, newest first; those added meanwhile may be missed.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'static T> + use<T> {
        let mut next: *const Node<T> = self.newest.load(Ordering::Acquire);
        std::iter::from_fn(move || {
            // SAFETY: `next` is null or a published node: it was loaded with Acquire from `newest`,
            // or read from a node that was. Nodes are never freed and, once published, never
            // written; T is Sync, so `&'static T` may be used on this thread.
            let node = unsafe { next.as_ref() }?;
            next = node.older;
            Some(&node.value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, thread};

    #[test]
    fn the_newest_comes_first_and_stays_where_it_is() {
        let list = List::new();
        let first = list.push("a");
        list.push("b");
        assert_eq!(list.iter().collect::<Vec<_>>(), [&"b", &"a"]);
        assert_eq!(*first, "a");
    }

    #[test]
    fn nothing_is_lost_when_many_threads_push() {
        static LIST: List<usize> = List::new();
        thread::scope(|scope| {
            for base in 0..4 {
                scope.spawn(move || {
                    for i in 0..500 {
                        LIST.push(base * 500 + i);
                    }
                });
            }
        });
        let all: BTreeSet<usize> = LIST.iter().copied().collect();
        assert_eq!((all.len(), LIST.iter().count()), (2000, 2000));
    }
}
