//! The stacks of a profile one by one, each as a thread that stands there: those that were asked for,
//! in the state that the profile is about.

use super::{
    super::{Filter, frames::Reader, threads::Thread},
    doing::Class,
};
use crate::model::{
    samples::{Place, Sampled, Samples, Weight},
    stack::ThreadStack,
    wish::{Kind, Wish},
};
use std::collections::BTreeSet;

/// One stack of one thread, and what was counted at it.
pub(super) struct Entry<'e, 'a> {
    pub thread: &'e Thread<'a>,
    pub weight: &'a Weight,
    pub class: Class,
}

/// Hands the entries of `samples` that `wish` is about to `each`, in their order.
pub(super) fn each<'a>(
    samples: &'a Samples,
    wish: &Wish,
    each: &mut dyn FnMut(Entry<'_, 'a>, &Reader<'a>),
) {
    let mut reader = Reader::new(&samples.dump);
    let wanted = wish.thread.as_deref().map(|text| {
        let mut tids = tids(samples, &Filter::parse(text), &mut reader);
        tids.extend(&wish.tids);
        tids
    });
    for (stack, weight) in samples.dump.threads.iter().zip(&samples.weights) {
        if wanted
            .as_ref()
            .is_some_and(|tids| !tids.contains(&stack.tid))
        {
            continue;
        }
        let thread = thread(stack, samples.report.what, &mut reader);
        let class = match (samples.report.what, weight.place) {
            (Sampled::Cpu, _) => Class::Running,
            (Sampled::Wall, Place::TooMany) => Class::Other,
            (Sampled::Wall, _) => Class::of(&thread),
        };
        if class.is_in(wish.kind) {
            let thread = &thread;
            each(
                Entry {
                    thread,
                    weight,
                    class,
                },
                &reader,
            );
        }
    }
}

fn thread<'a>(stack: &'a ThreadStack, what: Sampled, reader: &mut Reader<'a>) -> Thread<'a> {
    match what {
        Sampled::Cpu => Thread::running(stack, reader),
        Sampled::Wall => Thread::new(stack, reader),
    }
}

/// Ids of the threads that `filter` lets through at one of their stacks at least. Workers have no
/// numbers here: who is not met would be left out of the count.
fn tids<'a>(samples: &'a Samples, filter: &Filter, reader: &mut Reader<'a>) -> BTreeSet<u32> {
    let mut tids = BTreeSet::new();
    for stack in &samples.dump.threads {
        if !tids.contains(&stack.tid) {
            let thread = thread(stack, samples.report.what, reader);
            if filter.matches(stack, &thread.role) {
                tids.insert(stack.tid);
            }
        }
    }
    tids
}

/// Whether a profile of this kind counts waits.
pub(super) fn is_of_waits(kind: Kind) -> bool {
    matches!(kind, Kind::Block | Kind::Mutex)
}
