//! The console's side: asks, waits, hands over.

use super::{
    Copied, Missing, Unusable,
    area::{self, Area, Left},
    awake::Awake,
    disposition,
    send::Sender,
    slots::{Generation, Slot},
    turn::Turn,
    value::{self, SLOTS},
};
use nix::{errno::Errno, unistd::gettid};
use std::{slice, thread, time::Duration};

/// How many times as long as for an answer a caller waits for its turn.
const QUEUE: u32 = 10;

/// Nobody is waited for longer, whatever the caller says.
const LONGEST: Duration = Duration::from_secs(3600);
/// How often a thread that does not answer is looked for: one that has begun to end takes no signal.
const STILL_THERE: Duration = Duration::from_millis(2);

type Each<'a> = dyn FnMut(u32, Result<Copied<'_>, Missing>) + 'a;

/// See [`super::collect`], and for `keep` [`super::collect_again`].
pub(super) fn collect(
    signal: i32,
    tids: &mut dyn Iterator<Item = u32>,
    patience: Duration,
    keep: bool,
    keep_going: &dyn Fn() -> bool,
    each: &mut Each<'_>,
) -> Result<(), Unusable> {
    let Some(mut turn) = Turn::take(patience.saturating_mul(QUEUE), keep_going)? else {
        return Ok(());
    };
    disposition::claim(signal)?;
    turn.keep(keep);
    let mut round = Round {
        area: turn.area(),
        sender: Sender::new(signal),
        me: gettid().as_raw(),
        patience: patience.min(LONGEST),
        awake: Awake::new(),
        asked: [const { None }; SLOTS],
    };
    if !keep {
        round.area.warm(tids.size_hint().1.unwrap_or(SLOTS));
    }
    round.run(tids, keep_going, each);
    Ok(())
}

/// A thread that was asked and has not been heard of.
#[derive(Clone, Copy, Debug)]
struct Asked {
    tid: u32,
    generation: Generation,
    /// When its time is over; both as of [`Awake`].
    until: Duration,
    /// When to look whether it is still there.
    look: Duration,
}

/// Who is asked through which slot; whoever holds one has the turn.
#[derive(Debug)]
struct Round {
    area: Area,
    sender: Sender,
    me: i32,
    patience: Duration,
    awake: Awake,
    asked: [Option<Asked>; SLOTS],
}

impl Round {
    /// Keeps as many threads asked as there are slots until all were heard of.
    fn run(
        &mut self,
        tids: &mut dyn Iterator<Item = u32>,
        keep_going: &dyn Fn() -> bool,
        each: &mut Each<'_>,
    ) {
        let mut pause = Pause::default();
        while keep_going() {
            self.ask(tids, each);
            if self.asked.iter().all(Option::is_none) {
                // Nobody is left, or every slot belongs to a thread that was stopped while it wrote.
                return tids.for_each(|tid| each(tid, Err(Missing::Silent)));
            }
            match self.hear(each) {
                0 => pause.wait(),
                _ => pause = Pause::default(),
            }
        }
    }

    /// Asks as many of `tids` as there are slots for.
    fn ask(&mut self, tids: &mut dyn Iterator<Item = u32>, each: &mut Each<'_>) {
        for index in 0..SLOTS {
            while self.is_vacant(index) {
                let Some(tid) = tids.next() else { return };
                if let Err(missing) = self.ask_one(index, tid) {
                    each(tid, Err(missing));
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
        let now = self.awake.now();
        *entry = Some(Asked {
            tid,
            generation,
            until: now + self.patience,
            look: now + STILL_THERE,
        });
        Ok(())
    }

    /// Hands over those who answered, ended or had their time; how many there were.
    fn hear(&mut self, each: &mut Each<'_>) -> usize {
        let now = self.awake.now();
        let mut heard = 0;
        let slots = self.area.slots().iter().zip(&mut self.asked);
        for (index, (place, entry)) in slots.enumerate() {
            let Some(asked) = entry else { continue };
            let tid = asked.tid;
            if let Some(left) = place.answer(asked.generation) {
                each(tid, Ok(copied(&left, &self.area, index)));
                place.slot.release(asked.generation);
            } else if let Some(missing) = asked.gave_up(now, &place.slot, &self.sender) {
                each(tid, Err(missing));
            } else {
                continue;
            }
            *entry = None;
            heard += 1;
        }
        heard
    }
}

impl Asked {
    /// Why not to wait for it any longer.
    fn gave_up(&mut self, now: Duration, slot: &Slot, sender: &Sender) -> Option<Missing> {
        let missing = if now >= self.until {
            Missing::Silent
        } else if now >= self.look {
            self.look = now + STILL_THERE;
            sender.is_gone(self.tid).then_some(Missing::Gone)?
        } else {
            return None;
        };
        // It may have become ready between the two looks: the next one takes it.
        let over = slot.disarm(self.generation) || slot.is_being_written();
        over.then_some(missing)
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

fn copied<'a>(left: &Left, area: &'a Area, index: usize) -> Copied<'a> {
    // SAFETY: the slot is ready and not released before the receiver returns, so nobody writes to
    // its memory; `copied` bytes of it were written, and it has STACK of them.
    let stack =
        unsafe { slice::from_raw_parts(area.stack(index), left.copied.min(super::area::STACK)) };
    Copied {
        registers: left.registers,
        stack,
        cut: left.is_cut(),
        depth: left.depth(),
        label: left.label,
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
