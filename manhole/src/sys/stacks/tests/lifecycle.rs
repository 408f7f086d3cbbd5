//! Threads that come and go, collectors that do, and forks.

use super::*;
use crate::sys::testing::{child_says, in_a_child};
use std::sync::Mutex;

#[test]
fn a_thread_that_is_gone_and_the_caller_itself() {
    let gone = Victim::new(|_| ());
    let tid = gone.tid;
    gone.join();
    // Its number may belong to a thread of another test by now, which answers.
    let result = ask(libc::SIGURG, tid, PATIENCE);
    assert!(matches!(result, Ok(_) | Err(Missing::Gone)), "{result:?}");
    let myself = ask(libc::SIGURG, me(), PATIENCE).unwrap_err();
    assert_eq!(myself, Missing::Refused(Errno::EDEADLK));
    let nobody = ask(libc::SIGURG, 0x3fff_ffff, PATIENCE).unwrap_err();
    assert_eq!(nobody, Missing::Gone);
}

#[test]
fn more_threads_than_slots() {
    let victims: Vec<Victim> = (0..200)
        .map(|_| {
            Victim::new(|back| {
                while !back.load(Ordering::SeqCst) {
                    thread::park_timeout(Duration::from_secs(1));
                }
            })
        })
        .collect();
    let tids: Vec<u32> = victims.iter().map(|victim| victim.tid).collect();
    for _ in 0..5 {
        for (tid, kept) in look(libc::SIGURG, &tids, PATIENCE).unwrap() {
            assert!(holds(&kept.unwrap().stack, &pattern(tid)));
        }
    }
    for victim in &victims {
        victim.back.store(true, Ordering::SeqCst);
        victim.thread.as_ref().unwrap().thread().unpark();
    }
}

/// Thousands of threads that live for some hundred microseconds; whoever answers, answers with its
/// own stack.
#[test]
fn threads_that_come_and_go() {
    let alive = Arc::new(Mutex::new(Vec::new()));
    let over = Arc::new(AtomicBool::new(false));
    let makers: Vec<_> = (0..2)
        .map(|_| {
            let (alive, over) = (alive.clone(), over.clone());
            thread::spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    let few: Vec<Victim> = (0..4).map(|_| Victim::new(|_| ())).collect();
                    let mut alive = alive.lock().unwrap();
                    alive.extend(few.iter().map(|victim| victim.tid));
                    let many = alive.len().saturating_sub(100);
                    alive.drain(..many);
                }
            })
        })
        .collect();
    let mut answers = 0;
    for _ in 0..300 {
        let tids = alive.lock().unwrap().clone();
        for (_, result) in look(libc::SIGURG, &tids, PATIENCE).unwrap() {
            match result {
                Ok(kept) => answers += usize::from(!kept.stack.is_empty()),
                Err(missing) => assert!(matches!(missing, Missing::Gone | Missing::Silent)),
            }
        }
    }
    over.store(true, Ordering::SeqCst);
    makers.into_iter().for_each(|maker| maker.join().unwrap());
    println!("{answers} answers");
}

#[test]
fn collectors_at_the_same_time_all_get_their_answers() {
    let victims: Vec<Victim> = (0..4).map(|_| Victim::new(spin_softly)).collect();
    let tids: Vec<u32> = victims.iter().map(|victim| victim.tid).collect();
    let check = || {
        for _ in 0..50 {
            for (tid, kept) in look(libc::SIGURG, &tids, PATIENCE).unwrap() {
                assert!(holds(&kept.unwrap().stack, &pattern(tid)));
            }
        }
    };
    thread::scope(|scope| (0..3).for_each(|_| drop(scope.spawn(check))));
}

#[test]
fn whoever_cannot_wait_is_told_or_leaves() {
    let victim = Victim::new(spin_softly);
    let tids = [victim.tid];
    in_a_child(|| true); // before the turn is taken: a fork copies nobody's turn
    let turn = turn::Turn::take(PATIENCE, &|| true).unwrap();
    let busy = look(libc::SIGURG, &tids, Duration::from_millis(1)).unwrap_err();
    assert_eq!(busy, Unusable::Busy);
    let mut heard = 0;
    let leaves = collect(
        libc::SIGURG,
        &mut tids.iter().copied(),
        PATIENCE,
        &|| false,
        &mut |_, _| heard += 1,
    );
    assert_eq!((leaves, heard), (Ok(()), 0));
    assert!(
        child_says(|| turn::Turn::take(SHORT, &|| true).is_ok()),
        "a child has its own"
    );
    drop(turn);
    look_at(victim.tid);
}

#[test]
fn a_receiver_that_panics_leaves_everything_in_order() {
    let victims: Vec<Victim> = (0..70).map(|_| Victim::new(spin_softly)).collect();
    let tids: Vec<u32> = victims.iter().map(|victim| victim.tid).collect();
    for _ in 0..5 {
        let unwound = std::panic::catch_unwind(|| {
            let mut each =
                |_: u32, _: Result<Copied<'_>, Missing>| std::panic::resume_unwind(Box::new(1));
            collect(
                libc::SIGURG,
                &mut tids.iter().copied(),
                PATIENCE,
                &|| true,
                &mut each,
            )
        });
        assert!(unwound.is_err());
    }
    for (tid, kept) in look(libc::SIGURG, &tids, PATIENCE).unwrap() {
        assert!(holds(&kept.unwrap().stack, &pattern(tid)));
    }
}

/// In a child that has one other thread: asks it, and whether all stacks are zeros then.
fn forgets(prepare: impl Fn() -> bool) -> bool {
    let victim = Victim::new(spin_softly);
    let kept = look_at(victim.tid);
    let prepared = prepare() && !look_at(victim.tid).stack.is_empty();
    let area = area::present().unwrap();
    let all = (0..value::SLOTS).all(|index| {
        // SAFETY: the slot's memory, to which nobody writes: the only other thread has answered.
        let stack = unsafe { std::slice::from_raw_parts(area.stack(index), area::STACK) };
        stack.iter().all(|byte| *byte == 0)
    });
    all && prepared && !kept.stack.is_empty()
}

/// Stack copies hold secrets, and memory that belongs to the host.
#[test]
fn nothing_is_kept_of_what_was_copied() {
    in_a_child(|| forgets(|| true));
    let locked = || {
        let area = area::present().unwrap();
        // SAFETY: mlock(2) of the memory of one slot, which stays mapped.
        let locked = unsafe { libc::mlock(area.stack(0).cast(), area::STACK) } == 0;
        if !locked {
            eprintln!("skipped: memory cannot be locked (RLIMIT_MEMLOCK)");
        }
        true
    };
    in_a_child(|| forgets(locked));
}

/// Children forked at any moment of a look: inert, and able to look for themselves.
#[test]
fn a_forked_child_has_slots_of_its_own() {
    let victim = Victim::new(spin_softly);
    let tid = victim.tid;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                look_at(tid);
            }
        });
        for _ in 0..30 {
            in_a_child(|| {
                let gone = ask(libc::SIGURG, tid, PATIENCE).err() == Some(Missing::Gone);
                let victim = Victim::new(spin_softly);
                gone && holds(&look_at(victim.tid).stack, &pattern(victim.tid))
            });
        }
        over.store(true, Ordering::SeqCst);
    });
}

/// Nobody installed a console there: a signal of its parent's kind is none.
#[test]
fn a_forked_child_is_inert() {
    let victim = Victim::new(spin_softly);
    look_at(victim.tid);
    in_a_child(|| {
        let area = area::present().unwrap();
        let forged = value::pack(area::magic(), 0, 0);
        let sent = send::Sender::new(libc::SIGURG).send(me(), forged).is_ok();
        sent && area
            .slots()
            .iter()
            .all(|place| place.slot.word.load(Ordering::SeqCst) == 0)
    });
}
