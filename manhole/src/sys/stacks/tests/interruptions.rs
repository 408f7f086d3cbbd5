//! What the host notices: only the calls that no handler leaves alone.

use super::*;
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Condvar, Mutex},
    time::Instant,
};

/// Asks a thread over and over while it is in `place`, then has `end` bring it back; what it says.
fn during<T: Send + 'static>(
    place: impl FnOnce(&AtomicBool) -> T + Send + 'static,
    end: impl FnOnce(),
) -> T {
    let victim = Victim::new(place);
    for _ in 0..40 {
        let _ = ask(libc::SIGURG, victim.tid, PATIENCE); // it may have come back by itself
        thread::sleep(Duration::from_millis(1));
    }
    end();
    victim.join()
}

const WHILE: Duration = Duration::from_millis(60);

#[test]
fn sleeping_and_parking_last_as_long_as_they_should() {
    let slept = during(
        |_| {
            let start = Instant::now();
            thread::sleep(WHILE);
            start.elapsed()
        },
        || (),
    );
    assert!(slept >= WHILE);
    let waited = during(
        |_| {
            let (mutex, condition) = (Mutex::new(()), Condvar::new());
            let start = Instant::now();
            let never = condition.wait_timeout_while(mutex.lock().unwrap(), WHILE, |()| true);
            (never.unwrap().1.timed_out(), start.elapsed())
        },
        || (),
    );
    assert!(waited.0 && waited.1 >= WHILE);
    let received = during(
        |_| {
            let (_send, receive) = mpsc::channel::<()>();
            let start = Instant::now();
            (receive.recv_timeout(WHILE), start.elapsed())
        },
        || (),
    );
    assert_eq!(received.0, Err(mpsc::RecvTimeoutError::Timeout));
    assert!(received.1 >= WHILE);
}

#[test]
fn a_lock_is_had_when_it_is_given() {
    let lock = Arc::new(Mutex::new(1));
    let held = lock.lock().unwrap();
    let theirs = lock.clone();
    let got = during(move |_| *theirs.lock().unwrap(), || drop(held));
    assert_eq!(got, 1);
}

#[test]
fn reads_and_accepts_go_on() {
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    let read = during(
        move |_| reader.read(&mut [0; 8]).unwrap(),
        || writer.write_all(b"hello").unwrap(),
    );
    assert_eq!(read, 5);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = during(
        move |_| listener.accept().is_ok(),
        || drop(TcpStream::connect(address).unwrap()),
    );
    assert!(accepted);
}

#[test]
fn a_child_is_waited_for() {
    let mut child = std::process::Command::new("sleep")
        .arg("0.1")
        .spawn()
        .unwrap();
    assert!(during(move |_| child.wait().unwrap().success(), || ()));
}
