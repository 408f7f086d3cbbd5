//! One tick: who is visited, who of these is asked, and what they were at.

use super::{
    super::{
        clock,
        sampling::{Labels, Table, Walker},
        stacks::{TaskFiles, no_proc, unusable},
    },
    followed::{Last, Moved, Threads, Visit},
    mark::{ALLOWED_NS, Mark},
    met::{self, Met},
    random::Random,
};
use crate::{
    model::{Failure, stack::Answered},
    sys::{
        self,
        stacks::{self, Copied, Missing, Unusable},
    },
};
use std::time::Duration;

/// How long a thread has to answer.
const PATIENCE: Duration = Duration::from_millis(100);
/// Threads that are asked in a second, 20 us each, and visited, 3 us each; and in a tick.
const ASKS: u32 = 1600;
const ASKS_OF_TICK: (u32, u32) = (4, 32);
const VISITS: u32 = 12_800;
const VISITS_OF_TICK: (u32, u32) = (16, 512);
/// Sets of labels that are kept.
const MOST_LABELS: usize = 65_536;

/// Everything that outlives a tick.
#[derive(Debug)]
pub(super) struct Sampler {
    pub threads: Threads,
    pub table: Table<Met>,
    pub labels: Labels,
    pub random: Random,
    /// Places of the threads of this tick among the live, and of those that turned out to be gone.
    order: Vec<u32>,
    gone: Vec<usize>,
}

/// What the parts of a tick share.
struct Tools<'a> {
    plan: &'a Plan,
    files: &'a TaskFiles,
    walker: &'a mut Walker,
    keep_going: &'a dyn Fn() -> bool,
    now_ns: u64,
    tick: Tick,
}

/// A thread at a tick.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub person: u32,
    /// Number of the stack in the table.
    pub stack: u32,
    pub label: u64,
    /// Whether it waits.
    pub waits: bool,
    /// Whether it did not at its last visit, or elsewhere.
    pub began: bool,
    /// It was not asked, having not moved.
    pub reused: bool,
    pub truncated: bool,
}

/// What a tick saw.
#[derive(Debug, Default)]
pub(super) struct Tick {
    /// Threads that are there; the samples stand for them.
    pub live: u64,
    pub samples: Vec<Sample>,
}

/// What a tick is to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub signal: i32,
    pub hz: u32,
}

/// A thread that is asked: its place among the live, and what was seen of it.
struct Asked {
    at: usize,
    tid: u32,
    moved: Moved,
}

/// What one said who was asked.
struct Answer {
    stack: u32,
    label: u64,
    mark: Mark,
    silent: bool,
}

impl Sampler {
    pub(super) fn new() -> Self {
        Self {
            threads: Threads::new(),
            table: met::table(),
            labels: Labels::new(MOST_LABELS),
            random: Random::new(),
            order: Vec::new(),
            gone: Vec::new(),
        }
    }

    /// Visits threads, and asks those that moved. `None` when there was no turn to ask: then nothing
    /// was seen, and the next tick stands for this one as well.
    ///
    /// # Errors
    /// When nobody can be asked.
    pub(super) fn tick(
        &mut self,
        plan: &Plan,
        walker: &mut Walker,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<Option<Tick>, Failure> {
        let now_ns = clock::monotonic_ns();
        let files = TaskFiles::open().ok_or_else(no_proc)?;
        self.threads.refresh(&files, now_ns);
        walker.refresh();
        let mut tools = Tools {
            plan,
            files: &files,
            walker,
            keep_going,
            now_ns,
            tick: Tick::default(),
        };
        let asked = self.visit(&mut tools);
        let heard = asked.is_empty() || self.ask(asked, &mut tools)?;
        let mut tick = tools.tick;
        tick.live = tick.live.saturating_sub(self.gone.len() as u64);
        self.threads.forget(&self.gone);
        self.gone.clear();
        tick.samples
            .iter()
            .for_each(|it| self.labels.note(it.label));
        Ok(heard.then_some(tick))
    }

    /// Visits in random order until enough were visited or are to be asked.
    ///
    /// The first one too many does not count as visited: then those who were, so many times, are on
    /// average what there is (the estimator of inverse sampling).
    fn visit(&mut self, tools: &mut Tools<'_>) -> Vec<Asked> {
        let (plan, files) = (tools.plan, tools.files);
        let most_asked = of_tick(ASKS, plan.hz, ASKS_OF_TICK);
        tools.tick.live = self.shuffle(of_tick(VISITS, plan.hz, VISITS_OF_TICK));
        let mut asked = Vec::new();
        for nr in 0..self.order.len() {
            let Some(at) = self.order.get(nr).map(|at| *at as usize) else {
                break;
            };
            let tid = self.threads.live.get(at).map_or(0, |thread| thread.tid);
            match self.threads.visit(at, plan.signal, files, tools.now_ns) {
                Visit::Gone => self.gone.push(at),
                Visit::Still(last) => {
                    let label = sys::labels::get(tid);
                    self.add(at, (last.stack, label), false, true, tools);
                }
                Visit::Moved(moved) => match moved.excuse {
                    Some(why) => self.add_mute(at, tid, &moved, why, tools),
                    None if asked.len() >= most_asked => break,
                    None => asked.push(Asked { at, tid, moved }),
                },
            }
        }
        asked
    }

    /// Puts the first `most` threads, drawn at random, into `order`; how many there are.
    fn shuffle(&mut self, most: usize) -> u64 {
        let count = self.threads.live.len();
        self.order.clear();
        self.order.extend((0..count).flat_map(u32::try_from));
        for at in 0..count.min(most) {
            self.order.swap(at, at + self.random.below(count - at));
        }
        self.order.truncate(most);
        count as u64
    }

    fn add_mute(
        &mut self,
        at: usize,
        tid: u32,
        moved: &Moved,
        why: Answered,
        tools: &mut Tools<'_>,
    ) {
        let (files, walker) = (tools.files, &mut *tools.walker);
        let stack = met::mute(tid, moved, why, files, walker, &mut self.table);
        let last = Last {
            stack,
            clock_ns: moved.clock_ns,
            mark: moved.mark,
            mute_since_ns: Some(tools.now_ns),
        };
        let began = self.note(at, last);
        let label = sys::labels::get(tid);
        self.add(at, (stack, label), began, false, tools);
    }

    fn add(
        &mut self,
        at: usize,
        (stack, label): (u32, u64),
        began: bool,
        reused: bool,
        tools: &mut Tools<'_>,
    ) {
        let Some(thread) = self.threads.live.get(at) else {
            return;
        };
        let known = self.table.get(stack);
        tools.tick.samples.push(Sample {
            person: thread.person,
            stack,
            label,
            waits: known.is_some_and(|stack| stack.is_wait()),
            began,
            reused,
            truncated: known.is_some_and(|stack| stack.is_truncated()),
        });
    }

    /// Notes where a thread was; whether a wait began since it was looked at before.
    fn note(&mut self, at: usize, last: Last) -> bool {
        let waits = |stack: u32| self.table.get(stack).is_some_and(|it| it.is_wait());
        let is_wait = waits(last.stack);
        let Some(thread) = self.threads.live.get_mut(at) else {
            return false;
        };
        let before = thread.last.replace(last);
        let same = before.is_some_and(|before| {
            let spent = last.clock_ns.saturating_sub(before.clock_ns);
            before.stack == last.stack && spent < ALLOWED_NS
        });
        is_wait && !same
    }

    /// Asks them and waits for their answers. False when there was no turn.
    fn ask(&mut self, asked: Vec<Asked>, tools: &mut Tools<'_>) -> Result<bool, Failure> {
        let (signal, keep_going) = (tools.plan.signal, tools.keep_going);
        let mut answers = Vec::new();
        let mut each = |tid: u32, result: Result<Copied<'_>, Missing>| {
            let Some(one) = asked.iter().find(|asked| asked.tid == tid) else {
                return;
            };
            match result {
                Ok(copied) => answers.push((one, answer(one, &copied, tools, &mut self.table))),
                Err(Missing::Gone) => self.gone.push(one.at),
                Err(why) => answers.push((one, no_answer(one, why, tools, &mut self.table))),
            }
        };
        let mut tids = asked.iter().map(|asked| asked.tid);
        match stacks::collect_again(signal, &mut tids, PATIENCE, keep_going, &mut each) {
            Ok(()) => {}
            Err(Unusable::Busy) => return Ok(false),
            Err(why) => return Err(unusable(&why, signal, &tools.walker.unwinder)),
        }
        for (one, answer) in answers {
            self.add_answer(&answer, one, tools);
        }
        Ok(true)
    }

    fn add_answer(&mut self, answer: &Answer, one: &Asked, tools: &mut Tools<'_>) {
        let now_ns = clock::monotonic_ns();
        if answer.silent
            && let Some(thread) = self.threads.live.get_mut(one.at)
        {
            thread.be_quiet(now_ns);
        }
        let last = Last {
            stack: answer.stack,
            clock_ns: one.moved.clock_ns,
            mark: answer.mark,
            mute_since_ns: answer.silent.then_some(now_ns),
        };
        let began = self.note(one.at, last);
        self.add(one.at, (answer.stack, answer.label), began, false, tools);
    }
}

/// The memory that threads answered into goes with the sampler.
impl Drop for Sampler {
    fn drop(&mut self) {
        stacks::forget();
    }
}

fn answer(
    one: &Asked,
    copied: &Copied<'_>,
    tools: &mut Tools<'_>,
    table: &mut Table<Met>,
) -> Answer {
    let stack = met::answered(copied, one.moved.state, tools.walker, table);
    let in_call = table
        .get(stack)
        .is_some_and(|stack| stack.what.call.is_some());
    let still = one.moved.mark.is_of(copied.registers.sp, in_call);
    Answer {
        stack,
        label: copied.label,
        mark: if still { one.moved.mark } else { Mark::Unknown },
        silent: false,
    }
}

fn no_answer(one: &Asked, why: Missing, tools: &mut Tools<'_>, table: &mut Table<Met>) -> Answer {
    let why = match why {
        Missing::Refused(_) => Answered::Refused,
        Missing::Gone | Missing::Silent => Answered::Silent,
    };
    let (files, walker) = (tools.files, &mut *tools.walker);
    Answer {
        stack: met::mute(one.tid, &one.moved, why, files, walker, table),
        label: sys::labels::get(one.tid),
        mark: one.moved.mark,
        silent: true,
    }
}

/// What a second's budget comes to in a tick.
fn of_tick(budget: u32, hz: u32, (least, most): (u32, u32)) -> usize {
    (budget / hz.max(1)).clamp(least, most) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_its_budget_whatever_the_rate() {
        let check = |hz: u32, asks: usize, visits: usize| {
            let found = (
                of_tick(ASKS, hz, ASKS_OF_TICK),
                of_tick(VISITS, hz, VISITS_OF_TICK),
            );
            assert_eq!(found, (asks, visits), "{hz}");
        };
        check(1, 32, 512);
        check(49, 32, 261);
        check(99, 16, 129);
        check(1000, 4, 16);
        check(0, 32, 512);
    }
}
