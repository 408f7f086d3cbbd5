//! The stacks of a profile one by one, each as a thread that stands there: those that were asked for,
//! in the state that the profile is about.

use super::{
    super::{
        Filter,
        frames::Reader,
        roles::{self, Role, RoleKind},
        threads::Thread,
    },
    doing::Class,
};
use crate::model::{
    samples::{Place, Sampled, Samples, Weight},
    stack::ThreadStack,
    wish::{Kind, Wish},
};
use std::collections::{BTreeMap, BTreeSet};

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
        let roles = roles_of(samples, &mut reader);
        tids(&roles, &Filter::parse(text))
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

/// Whether there are threads, but none that `filter` lets through.
pub(crate) fn matches_none(samples: &Samples, filter: &str) -> bool {
    let roles = roles_of(samples, &mut Reader::new(&samples.dump));
    tids(&roles, &Filter::parse(filter)).is_empty()
}

fn thread<'a>(stack: &'a ThreadStack, what: Sampled, reader: &mut Reader<'a>) -> Thread<'a> {
    match what {
        Sampled::Cpu => Thread::running(stack, reader),
        Sampled::Wall => Thread::new(stack, reader),
    }
}

/// What each thread is for, by its id: what the first of its stacks says that says anything.
fn roles_of<'a>(
    samples: &'a Samples,
    reader: &mut Reader<'a>,
) -> BTreeMap<u32, (&'a ThreadStack, Role)> {
    let mut roles: BTreeMap<u32, (&ThreadStack, Role)> = BTreeMap::new();
    for stack in &samples.dump.threads {
        let known = roles.get(&stack.tid);
        if known.is_none_or(|(_, role)| role.kind == RoleKind::Other) {
            let thread = thread(stack, samples.report.what, reader);
            roles.insert(stack.tid, (stack, thread.role));
        }
    }
    let named = roles.iter_mut();
    roles::number(named.map(|(tid, (stack, role))| (stack.name.as_str(), *tid, role)));
    roles
}

fn tids(roles: &BTreeMap<u32, (&ThreadStack, Role)>, filter: &Filter) -> BTreeSet<u32> {
    let matching = roles
        .iter()
        .filter(|(_, (stack, role))| filter.matches(stack, role));
    matching.map(|(tid, _)| *tid).collect()
}

/// Whether a profile of this kind counts waits.
pub(super) fn is_of_waits(kind: Kind) -> bool {
    matches!(kind, Kind::Block | Kind::Mutex)
}
