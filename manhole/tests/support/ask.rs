//! One question to a console, and its answer; shared by the programs that play a service of their own.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

/// The whole reply to `command`; at most a minute is waited for it.
pub(crate) fn ask(path: impl AsRef<Path>, command: &str) -> String {
    let mut client = UnixStream::connect(path).expect("a console");
    client
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("a time limit");
    writeln!(client, "{command}").expect("a command is taken");
    let mut reply = String::new();
    client.read_to_string(&mut reply).expect("an answer");
    reply
}
