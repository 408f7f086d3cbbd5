//! What is counted for a request, and what becomes of it.

use super::{
    super::{cgroup, clock, procfs::push},
    Options, OwnThreads, Person,
    table::{Stack, Table},
};
use crate::{
    model::{
        labels::{self, Pairs},
        order,
        samples::{Report, Sampled, Samples, Throttled, Weight},
        stack::{Dump, Frame, Module, ThreadStack},
    },
    sys::unix_now_ns,
};
use std::{collections::HashMap, hash::Hash, ops::Range, sync::Arc};

/// What is counted in a window, by key.
#[derive(Debug)]
pub(in crate::probe) struct Books<K, C> {
    /// From when to when it is, on the monotonic clock.
    pub span: Range<u64>,
    pub report: Report,
    counts: HashMap<K, C>,
    most: usize,
    app_crates: Vec<String>,
    /// What was used when it began, by all threads and by the console's own, and held back.
    cpu_ns: Option<u64>,
    own_ns: u64,
    cgroup: cgroup::Cpu,
}

impl<K: Copy + Eq + Hash + Ord, C: Default> Books<K, C> {
    /// From now on, with at most so many keys.
    pub(in crate::probe) fn new(
        what: Sampled,
        options: &Options,
        own: &OwnThreads,
        most: usize,
    ) -> Self {
        let cgroup = cgroup::Cpu::read_own();
        let now_ns = clock::monotonic_ns();
        let length = u64::try_from(options.window.as_nanos()).unwrap_or(u64::MAX);
        Self {
            span: now_ns..now_ns.saturating_add(length),
            report: Report {
                what,
                began_unix_ns: unix_now_ns(),
                asked_hz: options.hz,
                ..Report::default()
            },
            counts: HashMap::new(),
            most,
            app_crates: options.app_crates.clone(),
            cpu_ns: clock::process_cpu_ns(),
            own_ns: own.used_ns,
            cgroup,
        }
    }

    /// The count at `key`, or at `rest` when there are too many; of those at `rest` there may be as many
    /// again. `None`: there is no room for either.
    pub(in crate::probe) fn at(&mut self, key: K, rest: K) -> Option<&mut C> {
        let key = match self.has_room(key, self.most) {
            true => key,
            false if self.has_room(rest, 2 * self.most) => rest,
            false => {
                self.report.dropped += 1;
                return None;
            }
        };
        Some(self.counts.entry(key).or_default())
    }

    fn has_room(&mut self, key: K, most: usize) -> bool {
        let room = self.counts.len() < most && self.counts.try_reserve(1).is_ok();
        room || self.counts.contains_key(&key)
    }

    /// What was counted, sorted by thread: `entry` says at which stack that was and what it comes to.
    pub(in crate::probe) fn close<'p>(
        mut self,
        own: &OwnThreads,
        modules: &[Module],
        whose: &dyn Fn(&K) -> Option<&'p Person>,
        entry: &mut dyn FnMut(K, C) -> (ThreadStack, Weight),
    ) -> Samples {
        self.tell(own);
        let mut samples = Samples {
            dump: Dump {
                taken_unix_ns: self.report.began_unix_ns,
                took_ns: self.report.window_ns,
                own_threads: own.count(),
                modules: modules.to_vec(),
                app_crates: self.app_crates,
                ..Dump::default()
            },
            report: self.report,
            ..Samples::default()
        };
        let mut counts: Vec<(K, C)> = self.counts.into_iter().collect();
        order::sort_by_key(&mut counts, |(key, _)| (whose(key).map(|it| it.tid), *key));
        for (key, count) in counts {
            let Some(person) = whose(&key) else { continue };
            let (stack, weight) = entry(key, count);
            let stack = ThreadStack {
                tid: person.tid,
                name: person.name.clone(),
                main: person.main,
                cpu_ns: person.cpu_ns,
                ..stack
            };
            if !push(&mut samples.dump.threads, stack) || !push(&mut samples.weights, weight) {
                break;
            }
        }
        samples.dump.threads.truncate(samples.weights.len());
        samples
    }

    /// Puts into the report what was used and held back since.
    fn tell(&mut self, own: &OwnThreads) {
        let own_cpu_ns = own.used_ns.saturating_sub(self.own_ns);
        let cpu_ns = clock::process_cpu_ns().zip(self.cpu_ns);
        let used = |(now, then): (u64, u64)| now.saturating_sub(then).saturating_sub(own_cpu_ns);
        self.report.own_cpu_ns = own_cpu_ns;
        self.report.cpu_ns = cpu_ns.map(used);
        self.report.throttled = throttled(&self.cgroup, &cgroup::Cpu::read_own());
    }
}

/// What the cgroup held back between two looks; `None` without a limit.
fn throttled(before: &cgroup::Cpu, after: &cgroup::Cpu) -> Option<Throttled> {
    after.limit_cores?;
    let grown = |figure: fn(&cgroup::Cpu) -> Option<u64>| {
        let (then, now) = (figure(before)?, figure(after)?);
        Some(now.saturating_sub(then))
    };
    Some(Throttled {
        periods: grown(|cpu| cpu.periods)?,
        throttled: grown(|cpu| cpu.throttled_periods)?,
        ns: grown(|cpu| cpu.throttled_ns).unwrap_or(0),
    })
}

/// The frames of stacks as they stand in an answer: those that several threads were met at are there
/// once, and no more of all together than there is room for.
#[derive(Debug)]
pub(in crate::probe) struct Unpacked {
    known: HashMap<u32, Arc<[Frame]>>,
    room: usize,
}

impl Unpacked {
    /// With room for so many frames, 48 bytes each.
    pub(in crate::probe) fn new(room: usize) -> Self {
        Self {
            known: HashMap::new(),
            room,
        }
    }

    /// The stack `number` of `table`; `None` when it is none, or there is no room for its frames.
    pub(in crate::probe) fn stack<'a, T: Hash + PartialEq>(
        &mut self,
        number: u32,
        table: &'a Table<T>,
    ) -> Option<(&'a Stack<T>, Arc<[Frame]>)> {
        let stack = table.get(number)?;
        if let Some(frames) = self.known.get(&number) {
            return Some((stack, frames.clone()));
        }
        let room = self.room.checked_sub(stack.depth())?;
        self.known.try_reserve(1).ok()?;
        let frames = table.frames(number)?;
        self.room = room;
        self.known.insert(number, frames.clone());
        Some((stack, frames))
    }
}

/// What the numbers of labels say, of so many at most.
#[derive(Debug)]
pub(in crate::probe) struct Labels {
    says: HashMap<u64, Pairs>,
    most: usize,
}

impl Labels {
    pub(in crate::probe) fn new(most: usize) -> Self {
        Self {
            says: HashMap::new(),
            most,
        }
    }

    /// Notes what a sample's labels are while that is known.
    pub(in crate::probe) fn note(&mut self, label: u64) {
        let new = label != 0 && !self.says.contains_key(&label);
        if new && self.says.len() < self.most && self.says.try_reserve(1).is_ok() {
            self.says.insert(label, labels::find(label));
        }
    }

    /// What the labels of that number say.
    pub(in crate::probe) fn get(&self, label: u64) -> Pairs {
        self.says.get(&label).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Walker, *};
    use std::time::Duration;

    #[test]
    fn what_finds_no_room_is_counted_with_the_rest_and_nothing_else_changes() {
        let options = Options {
            signal: 0,
            hz: 1,
            window: Duration::from_secs(1),
            app_crates: Vec::new(),
        };
        let mut books = Books::new(Sampled::Cpu, &options, &OwnThreads::default(), 2);
        let mut count = |key: u64| books.at(key, 1000 + key / 10).map(|it: &mut u64| *it += 1);
        for key in [1, 2, 1, 3, 4, 13, 2] {
            assert_eq!(count(key), Some(()), "{key}");
        }
        assert_eq!(count(23), None);
        assert_eq!((count(1), count(9)), (Some(()), Some(())));
        assert_eq!(books.report.dropped, 1);
        let person = Person::default();
        let mut entry = |key: u64, count: u64| {
            let weight = Weight {
                samples: count,
                ns: key,
                ..Weight::default()
            };
            (ThreadStack::default(), weight)
        };
        let own = OwnThreads::default();
        let samples = books.close(&own, &[], &|key| (*key != 2).then_some(&person), &mut entry);
        let all = samples.weights.iter().map(|it| (it.ns, it.samples));
        assert_eq!(all.collect::<Vec<_>>(), [(1, 3), (1000, 3), (1001, 1)]);
        assert_eq!(samples.dump.threads.len(), 3);
    }

    #[test]
    fn what_is_held_back_is_told_where_there_is_a_limit() {
        let at = |limit: Option<f64>, figure: u64| cgroup::Cpu {
            limit_cores: limit,
            periods: Some(figure),
            throttled_periods: Some(figure / 2),
            throttled_ns: Some(10 * figure),
            ..cgroup::Cpu::default()
        };
        let check = |limit, expected| {
            assert_eq!(throttled(&at(limit, 100), &at(limit, 140)), expected);
        };
        check(None, None);
        let expected = Throttled {
            periods: 40,
            throttled: 20,
            ns: 400,
        };
        check(Some(0.5), Some(expected));
    }

    #[test]
    fn frames_are_shared_and_bounded() {
        let frame = |address| Frame {
            address,
            ..Frame::default()
        };
        let mut table = Table::new(10, 10);
        let mut walker = Walker::new(1, &|| true).unwrap();
        let mut add = |addresses: &[u64]| {
            let frames: Vec<Frame> = addresses.iter().copied().map(frame).collect();
            walker.add(&frames, (), &mut table)
        };
        let (first, second) = (add(&[1, 2]).unwrap(), add(&[3, 4]).unwrap());
        let mut unpacked = Unpacked::new(3);
        let (_, frames) = unpacked.stack(first, &table).unwrap();
        let (_, again) = unpacked.stack(first, &table).unwrap();
        assert!(Arc::ptr_eq(&frames, &again));
        assert!(unpacked.stack(second, &table).is_none());
        assert!(unpacked.stack(9, &table).is_none());
    }
}
