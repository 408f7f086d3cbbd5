//! The console's side: asks, waits, hands over.

use super::{
    Copied, Missing, Unusable,
    area::{self, Area, Left},
    disposition,
    send::Sender,
    slots::Generation,
    turn::Turn,
    value::{self, SLOTS},
};
use nix::{errno::Errno, unistd::gettid};
use std::{
    slice, thread,
    time::{Duration, Instant},
};

/// How many times as long as for an answer a caller waits for its turn.
const QUEUE: u32 = 10;

type Each<'a> = dyn FnMut(u32, Result<Copied<'_>, Missing>) + 'a;

/// See [`super::collect`].
pub(super) fn collect(
    signal: i32,
    tids: &[u32],
    patience: Duration,
    keep_going: &dyn Fn() -> bool,
    each: &mut Each<'_>,
) -> Result<(), Unusable> {
    let Some(turn) = Turn::take(patience.saturating_mul(QUEUE), keep_going)? else {
        return Ok(());
    };
    disposition::claim(signal)?;
    let mut round = Round {
        area: turn.area(),
        sender: Sender::new(signal),
        me: gettid().as_raw(),
        patience,
        asked: [const { None }; SLOTS],
    };
    round.run(tids, keep_going, each);
    Ok(())
}

/// A thread that was asked and has not been heard of.
#[derive(Clone, Copy, Debug)]
struct Asked {
    tid: u32,
    generation: Generation,
    until: Instant,
}

/// Who is asked through which slot; whoever holds one has the turn.
#[derive(Debug)]
struct Round {
    area: Area,
    sender: Sender,
    me: i32,
    patience: Duration,
    asked: [Option<Asked>; SLOTS],
}

impl Round {
    /// Keeps as many threads asked as there are slots until all were heard of.
    fn run(&mut self, tids: &[u32], keep_going: &dyn Fn() -> bool, each: &mut Each<'_>) {
        let mut tids = tids.iter();
        let mut pause = Pause::default();
        while keep_going() {
            self.ask(&mut tids, each);
            if self.asked.iter().all(Option::is_none) {
                // Nobody is left, or every slot belongs to a thread that was stopped while it wrote.
                return tids.for_each(|tid| each(*tid, Err(Missing::Silent)));
            }
            match self.hear(each) {
                0 => pause.wait(),
                _ => pause = Pause::default(),
            }
        }
    }

    /// Asks as many of `tids` as there are slots for.
    fn ask(&mut self, tids: &mut slice::Iter<'_, u32>, each: &mut Each<'_>) {
        for index in 0..SLOTS {
            while self.is_vacant(index) {
                let Some(tid) = tids.next() else { return };
                if let Err(missing) = self.ask_one(index, *tid) {
                    each(*tid, Err(missing));
                }
            }
        }
    }

    fn is_vacant(&self, index: usize) -> bool {
        let place = self.area.slots().get(index);
        let unused = self.asked.get(index).is_some_and(Option::is_none);
        unused && place.is_some_and(|place| !place.slot.is_being_written())
    }

    fn ask_one(&mut self, index: usize, tid: u32) -> Result<(), Missing> {
        let (Some(place), Some(entry)) = (self.area.slots().get(index), self.asked.get_mut(index))
        else {
            return Err(Missing::Silent);
        };
        if i64::from(tid) == i64::from(self.me) {
            return Err(Missing::Refused(Errno::EDEADLK));
        }
        let generation = place.slot.arm(tid).ok_or(Missing::Silent)?;
        let value = value::pack(area::magic(), generation.sent(), index);
        if let Err(error) = self.sender.send(tid, value)
            && place.slot.disarm(generation)
        {
            return Err(match error {
                Errno::ESRCH => Missing::Gone,
                error => Missing::Refused(error),
            });
        }
        let until = Instant::now() + self.patience;
        *entry = Some(Asked {
            tid,
            generation,
            until,
        });
        Ok(())
    }

    /// Hands over those who answered and those whose time is up; how many there were.
    fn hear(&mut self, each: &mut Each<'_>) -> usize {
        let now = Instant::now();
        let mut heard = 0;
        let slots = self.area.slots().iter().zip(&mut self.asked);
        for (index, (place, entry)) in slots.enumerate() {
            let Some(asked) = *entry else { continue };
            if let Some(left) = place.answer(asked.generation) {
                each(asked.tid, Ok(copied(asked.tid, &left, &self.area, index)));
                place.slot.release(asked.generation);
            } else if now < asked.until {
                continue;
            } else if place.slot.disarm(asked.generation) || place.slot.is_being_written() {
                each(asked.tid, Err(Missing::Silent));
            } else {
                continue; // it became ready between the two looks: the next one takes it
            }
            *entry = None;
            heard += 1;
        }
        heard
    }
}

impl Drop for Round {
    /// Also when the receiver panics: nobody writes for somebody who left, but those who have begun.
    fn drop(&mut self) {
        for (place, entry) in self.area.slots().iter().zip(&self.asked) {
            if let Some(asked) = entry {
                let _ = place.slot.disarm(asked.generation);
            }
        }
    }
}

fn copied<'a>(tid: u32, left: &Left, area: &'a Area, index: usize) -> Copied<'a> {
    // SAFETY: the slot is ready and not released before the receiver returns, so nobody writes to
    // its memory; `copied` bytes of it were written, and it has STACK of them.
    let stack =
        unsafe { slice::from_raw_parts(area.stack(index), left.copied.min(super::area::STACK)) };
    Copied {
        tid,
        registers: left.registers,
        stack,
        cut: left.is_cut(),
        depth: left.depth(),
    }
}

/// Between two looks: the processor is offered to others, then we sleep longer and longer.
#[derive(Debug, Default)]
struct Pause(u32);

impl Pause {
    const OFFERS: u32 = 8;

    fn wait(&mut self) {
        match self.0.checked_sub(Self::OFFERS) {
            None => thread::yield_now(),
            Some(times) => thread::sleep(Duration::from_micros(50 << times.min(2))),
        }
        self.0 = self.0.saturating_add(1);
    }
}
