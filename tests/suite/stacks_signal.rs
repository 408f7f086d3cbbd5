//! The signal that the console shares with its host: nothing of the host's is lost, and it notices
//! of ours what it must and no more.

use crate::stacked;
use manhole_tests::{
    built::Build,
    stacks::Look,
    storm::{self, INTERRUPTIBLE},
    text,
    victim::Victim,
};
use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

/// Looks at all stacks for as long as `work` runs; answers with how often.
fn while_looking(socket: &Path, work: impl FnOnce()) -> usize {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let looker = scope.spawn(|| {
            let mut looks = 0;
            while !over.load(Ordering::SeqCst) {
                Look::take(socket, "");
                looks += 1;
            }
            looks
        });
        // Also when the work panics: the looker must end.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        over.store(true, Ordering::SeqCst);
        if let Err(cause) = result {
            std::panic::resume_unwind(cause);
        }
        looker.join().expect("every look is answered")
    })
}

/// Has the host send itself `count` signals; each must reach its own handler, and nothing else.
#[track_caller]
fn send(victim: &mut Victim, how: &str, count: u64) {
    let before = handled(victim);
    let answer = victim.tell(&format!("send_urg {how} {count}"));
    assert_eq!(
        answer,
        format!("{count} {count}"),
        "sent and handled, by {how}"
    );
    assert_eq!(handled(victim), (before.0 + count, 0));
}

/// How often the host's handler was called for its own signals, and for others.
fn handled(victim: &mut Victim) -> (u64, u64) {
    let answer = victim.tell("handled");
    let (own, foreign) = answer.split_once(' ').expect("two numbers");
    (
        own.parse().expect("a number"),
        foreign.parse().expect("a number"),
    )
}

#[test]
fn what_the_host_sends_itself_reaches_its_own_handler_every_time() {
    let mut victim = stacked(Build::Release).start();
    victim.tell("own_urg");
    victim.install("");
    let socket = victim.socket();
    for how in ["kill", "queue", "thread"] {
        send(&mut victim, how, 50);
    }
    Look::take(&socket, "");
    for how in ["kill", "queue", "thread"] {
        send(&mut victim, how, 50);
        Look::take(&socket, "");
    }
    // To its process only: to a thread it would stand in the same place as ours, and of two there
    // the kernel keeps one.
    let looks = while_looking(&socket, || {
        send(&mut victim, "kill", 500);
        send(&mut victim, "queue", 500);
    });
    assert!(looks > 0);
    assert_eq!(handled(&mut victim).1, 0, "ours never reached it");
}

#[test]
fn a_handler_that_took_the_signal_over_is_named_and_nobody_is_asked() {
    let mut victim = stacked(Build::Release).install();
    let socket = victim.socket();
    victim.tell("known 10");
    Look::expect_known(&socket, 10);
    victim.tell("own_urg");
    let reply = text::run(&socket, "stacks");
    let error = text::expect_error(&reply, "unsupported");
    assert!(error.contains("SIGURG"), "{error}");
    assert!(error.contains("stacked"), "whose it is: {error}");
    assert!(reply.contains("--no-signal"), "what to do: {reply}");
    assert_eq!(handled(&mut victim), (0, 0), "nothing was sent");
    let look = Look::take(&socket, "--no-signal");
    assert!(look.threads.len() > 10);
}

#[test]
fn another_signal_can_be_chosen() {
    let mut victim = stacked(Build::Release).start();
    victim.install("signal=prof");
    let socket = victim.socket();
    victim.tell("known 20");
    Look::expect_known(&socket, 20);
    victim.tell("own_urg");
    Look::expect_known(&socket, 20);
    send(&mut victim, "kill", 10);
}

#[test]
fn calls_return_early_only_where_the_kernel_makes_them() {
    let mut victim = stacked(Build::Release).install();
    let socket = victim.socket();
    victim.tell("calls");
    let rounds = |victim: &mut Victim| storm::calls(&victim.tell("calls_made"));
    while_looking(&socket, || {
        manhole_tests::wait::until_true("each call has returned a few times", || {
            rounds(&mut victim)
                .values()
                .all(|(returned, _)| *returned >= 5)
        });
    });
    let calls = rounds(&mut victim);
    let early = calls.iter().filter(|(_, (_, early))| *early > 0);
    let early: Vec<&str> = early.map(|(name, _)| name.as_str()).collect();
    assert!(
        early.contains(&"epoll_wait"),
        "the signal did arrive: {calls:?}"
    );
    for name in early {
        assert!(INTERRUPTIBLE.contains(&name), "{name}: {calls:?}");
    }
}
