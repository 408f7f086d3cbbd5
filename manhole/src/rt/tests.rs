//! The loop against threads, sockets and clocks.

use super::*;
use std::{
    cell::Cell,
    io::{ErrorKind, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    thread,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

const LONG: Duration = Duration::from_secs(20);

#[test]
fn main_ends_the_loop_and_tasks_are_dropped_with_it() {
    struct Noted(Rc<Cell<bool>>);
    impl Drop for Noted {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let dropped = Rc::new(Cell::new(false));
    let noted = Noted(dropped.clone());
    let output = block_on(async move {
        spawn(async move {
            let _noted = noted;
            sleep(LONG).await;
        });
        sleep(Duration::from_millis(1)).await;
        7
    });
    assert_eq!(output.unwrap(), 7);
    assert!(dropped.get() && !is_here());
}

#[test]
fn wakes_from_other_threads_are_never_lost() {
    let (sender, mut events) = mpsc::channel(2);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let sender = sender.clone();
            thread::spawn(move || (0..5_000).for_each(|n| sender.blocking_send(n).unwrap()))
        })
        .collect();
    drop(sender);
    let sum = block_on(timeout(LONG, async move {
        let mut sum = 0_u64;
        while let Some(n) = events.recv().await {
            sum += n;
        }
        sum
    }));
    assert_eq!(sum.unwrap(), Ok(4 * 4_999 * 5_000 / 2));
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_stream_waits_for_bytes_for_room_and_for_the_end() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    block_on(async move {
        let stream = Stream::new(ours).unwrap();
        assert_eq!(
            stream.try_read(&mut [0; 4]).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        let early = timeout(Duration::from_millis(5), stream.readable()).await;
        assert_eq!(early.err(), Some(time::Elapsed));
        let writer = thread::spawn(move || {
            thread::sleep(Duration::from_millis(5));
            theirs.write_all(b"late").unwrap();
            theirs
        });
        stream.readable().await.unwrap();
        assert_eq!(stream.try_read(&mut [0; 8]).unwrap(), 4);
        while stream.try_write(&[0; 4096]).is_ok() {}
        let full = timeout(Duration::from_millis(5), stream.writable()).await;
        assert!(full.is_err());
        drop(writer.join().unwrap());
        timeout(LONG, stream.writable()).await.unwrap().unwrap();
        assert_eq!(
            stream.try_write(b"x").unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
    })
    .unwrap();
}

#[test]
fn both_sides_of_a_stream_can_be_waited_for() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    block_on(async move {
        let stream = Rc::new(Stream::new(ours).unwrap());
        let reads = Rc::new(Cell::new(false));
        let (reader, read) = (stream.clone(), reads.clone());
        spawn(async move {
            reader.readable().await.unwrap();
            read.set(true);
        });
        sleep(Duration::from_millis(2)).await;
        // Ready at once; the event disarms the reader, which must be armed again.
        stream.writable().await.unwrap();
        assert!(!reads.get());
        (&theirs).write_all(b"x").unwrap();
        let patience = Instant::now() + LONG;
        while !reads.get() && Instant::now() < patience {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(reads.get());
    })
    .unwrap();
}

#[test]
fn a_listener_accepts_what_came_before_and_what_comes_after() {
    let path = std::env::temp_dir().join(format!("manhole-rt-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    let early = UnixStream::connect(&path).unwrap();
    block_on(async {
        let listener = Listener::new(listener).unwrap();
        let accept = || std::future::poll_fn(|cx| listener.poll_accept(cx));
        drop(accept().await.unwrap());
        let knocking = path.clone();
        let late = thread::spawn(move || UnixStream::connect(knocking).unwrap());
        drop(timeout(LONG, accept()).await.unwrap().unwrap());
        late.join().unwrap();
    })
    .unwrap();
    drop(early);
    let _ = std::fs::remove_file(&path);
}

#[test]
fn timers_fire_in_order_and_never_early() {
    let order = Rc::new(RefCell::new(Vec::new()));
    let seen = order.clone();
    let started = Instant::now();
    block_on(async move {
        for millis in [30_u64, 10, 20] {
            let seen = seen.clone();
            spawn(async move {
                sleep(Duration::from_millis(millis)).await;
                assert!(started.elapsed() >= Duration::from_millis(millis));
                seen.borrow_mut().push(millis);
            });
        }
        let mut ticks = interval(Duration::from_millis(15));
        for _ in 0..4 {
            ticks.tick().await;
        }
    })
    .unwrap();
    assert!(started.elapsed() >= Duration::from_millis(45));
    assert_eq!(*order.borrow(), [10, 20, 30]);
}

#[test]
fn a_task_that_panics_costs_only_itself() {
    let output = block_on(async {
        spawn(async { panic!("on purpose") });
        sleep(Duration::from_millis(1)).await;
        "still here"
    });
    assert_eq!(output.unwrap(), "still here");
}

#[test]
fn a_task_that_never_rests_does_not_keep_sockets_waiting() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"x").unwrap();
    block_on(async move {
        spawn(std::future::poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        }));
        let stream = Stream::new(ours).unwrap();
        timeout(LONG, stream.readable()).await.unwrap().unwrap();
    })
    .unwrap();
}
