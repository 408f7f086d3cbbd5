//! What the kernel alone costs: the least that any server on a Unix socket has to do.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    sync::mpsc,
    thread,
};

fn listener() -> UnixListener {
    let dir = std::env::var("MANHOLE_DIR").unwrap();
    let path = format!("{dir}/floor.sock");
    let listener = UnixListener::bind(&path).unwrap();
    super::service::say(path);
    listener
}

/// Sends every line back; blocking calls, a thread per connection.
pub fn echo() {
    for stream in listener().incoming().flatten() {
        thread::spawn(move || each_line(stream, |line| line));
    }
}

/// The same, with each line handed to another thread and back: what it costs that a command may
/// block while the connection's thread goes on listening.
pub fn relayed_echo() {
    for stream in listener().incoming().flatten() {
        let (to, from_client) = mpsc::channel::<Vec<u8>>();
        let (back, replies) = mpsc::channel();
        thread::spawn(move || from_client.into_iter().try_for_each(|line| back.send(line)));
        thread::spawn(move || {
            each_line(stream, |line| {
                to.send(line).unwrap();
                replies.recv().unwrap()
            })
        });
    }
}

fn each_line(stream: UnixStream, mut reply: impl FnMut(Vec<u8>) -> Vec<u8>) {
    let mut reader = BufReader::new(&stream);
    let mut line = Vec::new();
    while reader
        .read_until(b'\n', &mut line)
        .is_ok_and(|count| count > 0)
    {
        let answer = reply(std::mem::take(&mut line));
        if (&stream).write_all(&answer).is_err() {
            return;
        }
    }
}

/// Answers every request with the same `length` bytes and closes.
pub fn canned(length: usize) {
    let body = "x".repeat(length);
    let reply =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    let mut head = [0; 4096];
    for mut stream in listener().incoming().flatten() {
        if stream.read(&mut head).is_ok() {
            let _ = stream.write_all(reply.as_bytes());
        }
    }
}
