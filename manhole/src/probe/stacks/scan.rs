//! The next frame where no unwind information leads to it: in musl's C library, in assembly, in code
//! that was made at run time.
//!
//! A return address is a word on the stack that points behind a call. The search takes the nearest
//! such word whose call goes to the function that we are in, as far as one can see; else the nearest
//! from which unwind information leads to the thread's root. Words that earlier calls left behind
//! look like return addresses too: what is found is marked as uncertain.

use super::{
    instructions::Target,
    machine::Cursor,
    rules::Step,
    unwind::{MOST_FRAMES, Stack, Unwinder},
};
use crate::model::stack::End;

/// Words above the stack pointer that are searched: frames of code without unwind information are
/// small.
const WORDS: u64 = 160;
/// How far behind its beginning a function is believed to be still the same.
const FUNCTION: u64 = 4096;
/// Frames that a candidate must lead through to be believed without reaching the root.
const ENOUGH: usize = 3;
/// Words that are searched for the sign that a stack goes on.
const WORDS_TO_BASE: u64 = 64 << 10;

/// What a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A frame.
    Frame(Cursor),
    /// None; how the walk ends with that.
    Nothing(End),
}

/// A word that may be a return address.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    at: Cursor,
    /// Another frame pointer that it may have: what was saved beside it.
    saved: Option<u64>,
    target: Target,
}

/// Where a candidate leads by unwind information.
#[derive(Clone, Copy, Debug)]
struct Lead {
    at: Cursor,
    frames: usize,
    root: bool,
}

/// Looks for the caller of the frame `at`.
pub(super) fn next(unwinder: &mut Unwinder<'_>, at: &Cursor, stack: &Stack<'_>) -> Found {
    let candidates = candidates(unwinder, at, stack);
    let calls_us = |candidate: &&Candidate| match candidate.target {
        Target::Direct(start) => (start..start.saturating_add(FUNCTION)).contains(&at.pc),
        Target::Indirect => false,
    };
    if let Some(caller) = candidates.iter().find(calls_us) {
        return Found::Frame(lead(unwinder, caller, stack).at);
    }
    let leads = candidates
        .iter()
        .map(|candidate| lead(unwinder, candidate, stack));
    let leads: Vec<Lead> = leads.collect();
    let to_root = leads.iter().find(|lead| lead.root).map(|lead| lead.at);
    let framed = by_frame_pointer(unwinder, at, stack);
    // A frame that the chain of frame pointers has passed over is nearer.
    let found = match (to_root, framed) {
        (Some(lead), Some(framed)) if framed.sp < lead.sp => Some(framed),
        (Some(lead), _) => Some(lead),
        (None, framed) => framed,
    };
    let believed = || leads.iter().find(|lead| lead.frames >= ENOUGH);
    match found.or_else(|| Some(believed()?.at)) {
        Some(next) => Found::Frame(next),
        None if is_base(unwinder, at, stack) => Found::Nothing(End::Root),
        None => Found::Nothing(End::Lost),
    }
}

/// The words near the stack pointer that stand behind calls, nearest first.
fn candidates(unwinder: &mut Unwinder<'_>, at: &Cursor, stack: &Stack<'_>) -> Vec<Candidate> {
    let mut found = Vec::new();
    // A function that has called nobody has its return address in the register still.
    if at.exact && at.lr != 0 && unwinder.is_code(at.lr) {
        let target = unwinder.call_before(at.lr);
        found.extend(target.map(|target| Candidate {
            at: Cursor {
                pc: at.lr,
                exact: false,
                ..*at
            },
            saved: None,
            target,
        }));
    }
    for number in 0..WORDS {
        let slot = at.sp.saturating_add(number * 8);
        let Some(word) = stack.word(slot) else { break };
        let pc = unwinder.address(word);
        let target = unwinder
            .is_code(pc)
            .then(|| unwinder.call_before(pc))
            .flatten();
        let above = slot.saturating_add(8);
        let saved = slot.checked_sub(8).and_then(|below| stack.word(below));
        found.extend(target.map(|target| Candidate {
            at: Cursor {
                pc,
                sp: above,
                fp: at.fp,
                lr: pc,
                exact: false,
            },
            saved: saved.filter(|saved| *saved > slot && *saved < stack.end()),
            target,
        }));
    }
    found
}

/// Follows a candidate, with the frame pointer that leads further.
fn lead(unwinder: &mut Unwinder<'_>, candidate: &Candidate, stack: &Stack<'_>) -> Lead {
    let kept = follow(unwinder, candidate.at, stack);
    let Some(saved) = candidate.saved.filter(|saved| *saved != candidate.at.fp) else {
        return kept;
    };
    let other = follow(
        unwinder,
        Cursor {
            fp: saved,
            ..candidate.at
        },
        stack,
    );
    match (other.root, other.frames) > (kept.root, kept.frames) {
        true => other,
        false => kept,
    }
}

fn follow(unwinder: &mut Unwinder<'_>, from: Cursor, stack: &Stack<'_>) -> Lead {
    let mut at = from;
    for frames in 1..MOST_FRAMES {
        let root = match unwinder.step(&at, stack) {
            Step::Caller(next) => {
                at = next;
                continue;
            }
            Step::Root => true,
            Step::Unreadable(address) => stack.cut && address >= stack.end(),
            Step::Wrong => is_base(unwinder, &at, stack),
        };
        return Lead {
            at: from,
            frames,
            root,
        };
    }
    Lead {
        at: from,
        frames: MOST_FRAMES,
        root: true,
    }
}

/// Whether a frame without unwind information is the first of its thread: nothing behind it on the
/// whole stack looks like a return address.
fn is_base(unwinder: &mut Unwinder<'_>, at: &Cursor, stack: &Stack<'_>) -> bool {
    if stack.cut || stack.bytes.is_empty() || unwinder.has_rules(at.address()) {
        return false;
    }
    let words = (0..WORDS_TO_BASE).map_while(|number| stack.word(at.sp.saturating_add(number * 8)));
    !words.into_iter().any(|word| {
        let pc = unwinder.address(word);
        unwinder.is_code(pc) && unwinder.call_before(pc).is_some()
    })
}

/// The caller by the chain of frame pointers, which code made at run time usually keeps.
fn by_frame_pointer(unwinder: &mut Unwinder<'_>, at: &Cursor, stack: &Stack<'_>) -> Option<Cursor> {
    if !unwinder.is_code(at.address()) || unwinder.in_image(at.address()) {
        return None;
    }
    let above = at.fp.checked_add(8)?;
    let (fp, pc) = (stack.word(at.fp)?, unwinder.address(stack.word(above)?));
    let rises = at.fp >= at.sp && (fp == 0 || fp > at.fp);
    let calls = unwinder.is_code(pc) && unwinder.call_before(pc).is_some();
    (rises && calls).then_some(Cursor {
        pc,
        sp: above.checked_add(8)?,
        fp,
        lr: pc,
        exact: false,
    })
}
