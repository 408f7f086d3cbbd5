//! The protocol by which threads answer into slots, under every interleaving that loom can make.
//!
//! The file is the library's own, with loom's atomics in place of std's. What a slot guards is two
//! cells, "registers" and "stack", that loom watches: whoever touches them while another may fails
//! the model, and so does an answer made of two threads' halves. That the model can fail is shown by
//! breaking one step of the protocol at a time.

mod atomics {
    pub(super) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
}

#[allow(dead_code)]
#[path = "../src/sys/stacks/slots.rs"]
mod slots;

use atomics::{AtomicU32, AtomicU64, Ordering};
use loom::{
    cell::UnsafeCell,
    sync::Arc,
    thread::{self, JoinHandle},
};
use slots::{ARMED, FREE, Generation, Holder, READY, Slot, WRITING};

/// A slot, what it guards, and how its steps are done.
struct Place {
    turn: Holder,
    slot: Slot,
    registers: UnsafeCell<u32>,
    stack: UnsafeCell<u32>,
    steps: Steps,
}

/// The protocol, so that a step of it can be replaced by a wrong one.
#[derive(Clone, Copy)]
struct Steps {
    arm: fn(&Slot, u32) -> Option<Generation>,
    disarm: fn(&Slot, Generation) -> bool,
    release: fn(&Slot, Generation),
    claim: fn(&Slot, u32, Option<u64>) -> Option<Generation>,
    finish: fn(&Slot, Generation),
    take: fn(&Holder, u32) -> bool,
}

const AS_IT_IS: Steps = Steps {
    arm: Slot::arm,
    disarm: Slot::disarm,
    release: Slot::release,
    claim: Slot::claim,
    finish: Slot::finish,
    take: Holder::take,
};

/// How a look at one thread ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Answered,
    TakenBack,
    /// The thread is still writing, or the slot belongs to one that is.
    Kept,
}

impl Place {
    fn new(steps: Steps) -> Arc<Self> {
        Arc::new(Self {
            turn: Holder(AtomicU32::new(0)),
            slot: Slot {
                word: AtomicU64::new(0),
                tid: AtomicU32::new(0),
            },
            registers: UnsafeCell::new(0),
            stack: UnsafeCell::new(0),
            steps,
        })
    }

    /// A thread runs the handler; whether it wrote.
    fn answer(&self, tid: u32, sent: Generation) -> bool {
        let claim = self.steps.claim;
        let by_value = claim(&self.slot, tid, Some(sent.sent()));
        let Some(generation) = by_value.or_else(|| claim(&self.slot, tid, None)) else {
            return false;
        };
        self.registers.with_mut(|cell| self.write(cell, tid));
        self.stack.with_mut(|cell| self.write(cell, tid));
        (self.steps.finish)(&self.slot, generation);
        true
    }

    #[allow(unsafe_code)]
    fn write(&self, cell: *mut u32, tid: u32) {
        // SAFETY: inside with_mut, where loom fails the model if anybody else is at it.
        unsafe { *cell = tid };
    }

    #[allow(unsafe_code)]
    fn read(&self, tid: u32) {
        // SAFETY: inside with, where loom fails the model if anybody writes.
        let seen = [&self.registers, &self.stack].map(|cell| cell.with(|cell| unsafe { *cell }));
        assert_eq!(seen, [tid; 2], "an answer of somebody else's");
    }

    /// The console asks, looks, and gives up; `send` has the handler run at any time from then on.
    fn look(&self, tid: u32, send: impl FnOnce(Generation)) -> Look {
        let Some(generation) = (self.steps.arm)(&self.slot, tid) else {
            return Look::Kept;
        };
        send(generation);
        let answered = || {
            self.slot.is_ready(generation).then(|| {
                self.read(tid);
                (self.steps.release)(&self.slot, generation);
                Look::Answered
            })
        };
        answered().unwrap_or_else(|| match (self.steps.disarm)(&self.slot, generation) {
            true => Look::TakenBack,
            false => answered().unwrap_or(Look::Kept),
        })
    }
}

/// A thread that will run the handler, and whether it wrote.
fn handler(place: &Arc<Place>, tid: u32, sent: Generation) -> JoinHandle<bool> {
    let place = place.clone();
    thread::spawn(move || place.answer(tid, sent))
}

/// Every interleaving in which threads are interrupted `preemptions` times at most.
fn model(preemptions: usize, scenario: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(scenario);
}

/// One thread is asked, may be late, and then another is asked in its place.
fn a_late_thread(steps: Steps) {
    model(3, move || {
        let place = Place::new(steps);
        let mut handlers = Vec::new();
        let first = place.look(1, |sent| handlers.push(handler(&place, 1, sent)));
        let second = place.look(2, |sent| handlers.push(handler(&place, 2, sent)));
        let wrote: Vec<bool> = handlers.into_iter().map(|it| it.join().unwrap()).collect();
        for (look, wrote) in [first, second].iter().zip(&wrote) {
            assert_eq!(
                *look != Look::TakenBack,
                *wrote,
                "an answer was lost, or came unasked"
            );
        }
        // Whoever was slow is done by now: the slot serves again.
        let third = place.look(3, |sent| assert!(place.answer(3, sent)));
        assert_eq!(third, Look::Answered);
    });
}

/// The same thread is asked again while the first signal is pending: the kernel drops the second.
fn two_signals_in_one(steps: Steps) {
    model(4, move || {
        let place = Place::new(steps);
        let mut only = None;
        let first = place.look(1, |sent| only = Some(handler(&place, 1, sent)));
        let second = place.look(1, |_| {});
        let wrote = only.unwrap().join().unwrap();
        let answers = [first, second]
            .iter()
            .filter(|it| **it == Look::Answered)
            .count();
        assert!(answers <= usize::from(wrote), "one run, {answers} answers");
        let third = place.look(3, |sent| assert!(place.answer(3, sent)));
        assert_eq!(third, Look::Answered);
    });
}

/// Takes the turn if it can be had, and asks one thread.
fn collect(place: &Arc<Place>, me: u32) -> Option<JoinHandle<bool>> {
    let mut asked = None;
    if (place.steps.take)(&place.turn, me) {
        place.look(me, |sent| asked = Some(handler(place, me, sent)));
        place.turn.give_back();
    }
    asked
}

/// Two collectors, each with a thread that it asks.
fn two_collectors(steps: Steps) {
    model(2, move || {
        let place = Place::new(steps);
        let theirs = place.clone();
        let other = thread::spawn(move || collect(&theirs, 1));
        let ours = collect(&place, 2);
        let theirs = other.join().unwrap();
        for handler in [ours, theirs].into_iter().flatten() {
            handler.join().unwrap();
        }
        let last = place.look(3, |sent| assert!(place.answer(3, sent)));
        assert_eq!(last, Look::Answered);
    });
}

#[test]
fn whoever_is_late_writes_for_nobody() {
    a_late_thread(AS_IT_IS);
}

#[test]
fn a_thread_with_an_old_signal_answers_the_new_question() {
    two_signals_in_one(AS_IT_IS);
}

#[test]
fn collectors_take_turns() {
    two_collectors(AS_IT_IS);
}

/// Claims whatever it has seen to be armed, in two steps.
fn claim_in_two_steps(slot: &Slot, tid: u32, sent: Option<u64>) -> Option<Generation> {
    let word = slot.word.load(Ordering::Acquire);
    let generation = Generation(word >> 2);
    let fits = word & 3 == ARMED && sent.is_none_or(|sent| sent == generation.sent());
    if !fits || slot.tid.load(Ordering::Relaxed) != tid {
        return None;
    }
    slot.word.store(generation.word(WRITING), Ordering::Release);
    Some(generation)
}

#[test]
#[should_panic]
fn broken_a_claim_in_two_steps() {
    let claim = claim_in_two_steps;
    a_late_thread(Steps { claim, ..AS_IT_IS });
}

/// Checks its generation, and then claims the slot under whatever generation it has by then.
fn claim_any(slot: &Slot, tid: u32, sent: Option<u64>) -> Option<Generation> {
    let word = slot.word.load(Ordering::Acquire);
    if word & 3 != ARMED || slot.tid.load(Ordering::Relaxed) != tid {
        return None;
    }
    sent.filter(|sent| *sent == Generation(word >> 2).sent())?;
    let word = slot.word.load(Ordering::Acquire);
    let generation = Generation(word >> 2);
    let (armed, writing) = (generation.word(ARMED), generation.word(WRITING));
    slot.word
        .compare_exchange(armed, writing, Ordering::Acquire, Ordering::Relaxed)
        .ok()?;
    Some(generation)
}

#[test]
#[should_panic(expected = "an answer")]
fn broken_a_claim_of_any_generation() {
    let claim = claim_any;
    a_late_thread(Steps { claim, ..AS_IT_IS });
}

/// Does not look who is asked.
fn claim_for_anybody(slot: &Slot, _: u32, sent: Option<u64>) -> Option<Generation> {
    slot.claim(slot.tid.load(Ordering::Relaxed), sent)
}

#[test]
#[should_panic(expected = "an answer")]
fn broken_a_claim_without_a_tid() {
    let claim = claim_for_anybody;
    a_late_thread(Steps { claim, ..AS_IT_IS });
}

fn disarm_by_force(slot: &Slot, generation: Generation) -> bool {
    slot.word
        .store(generation.next().word(FREE), Ordering::Release);
    true
}

#[test]
#[should_panic]
fn broken_a_request_taken_back_by_force() {
    let disarm = disarm_by_force;
    a_late_thread(Steps { disarm, ..AS_IT_IS });
}

fn finish_unordered(slot: &Slot, generation: Generation) {
    slot.word.store(generation.word(READY), Ordering::Relaxed);
}

#[test]
#[should_panic]
fn broken_an_answer_that_is_announced_without_order() {
    let finish = finish_unordered;
    a_late_thread(Steps { finish, ..AS_IT_IS });
}

/// Takes a slot whose writer is late away from it.
fn arm_whatever(slot: &Slot, tid: u32) -> Option<Generation> {
    let generation = Generation(slot.word.load(Ordering::Acquire) >> 2).next();
    slot.tid.store(tid, Ordering::Relaxed);
    slot.word.store(generation.word(ARMED), Ordering::Release);
    Some(generation)
}

#[test]
#[should_panic]
fn broken_a_slot_reused_while_it_is_written() {
    let arm = arm_whatever;
    a_late_thread(Steps { arm, ..AS_IT_IS });
}

fn arm_unordered(slot: &Slot, tid: u32) -> Option<Generation> {
    let word = slot.word.load(Ordering::Acquire);
    let generation = Generation(word >> 2);
    if word & 3 != FREE {
        return None;
    }
    slot.tid.store(tid, Ordering::Relaxed);
    slot.word.store(generation.word(ARMED), Ordering::Relaxed);
    Some(generation)
}

#[test]
#[should_panic]
fn broken_a_question_without_order() {
    let arm = arm_unordered;
    a_late_thread(Steps { arm, ..AS_IT_IS });
}

/// Under the same generation again.
fn release_as_it_was(slot: &Slot, generation: Generation) {
    slot.word.store(generation.word(ARMED), Ordering::Relaxed);
}

#[test]
#[should_panic]
fn broken_a_slot_that_stays_armed() {
    let release = release_as_it_was;
    a_late_thread(Steps {
        release,
        ..AS_IT_IS
    });
}

fn take_without_asking(turn: &Holder, me: u32) -> bool {
    turn.0.store(me, Ordering::Release);
    true
}

#[test]
#[should_panic]
fn broken_a_turn_that_two_have() {
    let take = take_without_asking;
    two_collectors(Steps { take, ..AS_IT_IS });
}
