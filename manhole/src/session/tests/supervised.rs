//! Calls that do not come back from the kernel, made up from jobs that wait for the test.

use super::{caller, state};
use crate::{
    command::{Context, Entry, Event, State},
    model::{Code, Dialect, Level},
    rt,
    session::{running, supervised},
};
use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

/// Starts a call that waits until `gate` is gone, and says `end` then.
fn stuck(
    state: &Arc<State>,
    patience: Duration,
    gate: &Arc<Mutex<mpsc::Receiver<()>>>,
) -> running::Events {
    let ctx = Context::new(caller(Level::View), state.clone());
    let entry = Entry {
        caller: ctx.caller.clone(),
        admitted: true,
        changes: false,
        client: None,
        dialect: Dialect::Text,
        line: "maps".to_owned(),
    };
    let (sender, events) = running::channel();
    let gate = gate.clone();
    supervised::spawn(&ctx, entry, 3, sender, patience, move |sink| {
        let _ = gate.lock().map(|gate| gate.recv());
        let _ = sink.send(Event::End(Ok(())));
    });
    events
}

async fn end(mut events: running::Events) -> Result<(), Code> {
    match events.recv().await {
        Some((3, Event::End(result))) => result.map_err(|failure| failure.code),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_caller_is_told_that_its_command_does_not_come_back() {
    let state = state();
    let (release, gate) = mpsc::channel();
    let gate = Arc::new(Mutex::new(gate));
    let inner = state.clone();
    rt::block_on(async move {
        let mut events = stuck(&inner, Duration::from_millis(20), &gate);
        let told = events.recv().await;
        assert!(
            matches!(&told, Some((3, Event::End(Err(failure)))) if failure.code == Code::Timeout),
            "{told:?}"
        );
        drop(release);
        assert!(events.recv().await.is_none(), "nothing is said twice");
    })
    .unwrap();
    assert_eq!(state.audit.records()[0].result, "timeout");
}

#[test]
fn those_that_wait_leave_room_for_others() {
    let state = state();
    let (release, gate) = mpsc::channel();
    let gate = Arc::new(Mutex::new(gate));
    rt::block_on(async move {
        let long = Duration::from_secs(100);
        let mut waiting = Vec::new();
        loop {
            let mut events = stuck(&state, long, &gate);
            // What is refused is refused by our own thread, which has its turn now.
            for _ in 0..10 {
                rt::yield_now().await;
            }
            match events.try_recv() {
                Err(_) => waiting.push(events),
                Ok((_, told)) => {
                    assert!(
                        matches!(&told, Event::End(Err(failure)) if failure.code == Code::Busy),
                        "{told:?}"
                    );
                    break;
                }
            }
        }
        assert!((1..9).contains(&waiting.len()), "{}", waiting.len());
        let (sender, events) = running::channel();
        running::spawn(&state.workers, 7, 3, sender, |sink| {
            let _ = sink.send(Event::End(Ok(())));
        });
        assert_eq!(end(events).await, Ok(()), "other commands go on");
        drop(release);
        for events in waiting {
            assert_eq!(end(events).await, Ok(()));
        }
        assert_eq!(end(stuck(&state, long, &gate)).await, Ok(()));
    })
    .unwrap();
}
