//! A console that answers as a test wants, for tests only: the real ones are tried end to end by the
//! package `manhole-tests`.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    thread,
};

use manhole::client::{
    End, Failure,
    machine::{Request, encode_data_header, encode_end, parse_request},
};

/// What a command answers: text, or a failure.
pub(crate) type Reply = Result<&'static str, Failure>;

/// A console at a path of its own.
pub(crate) struct Fake {
    /// Its socket.
    pub(crate) path: PathBuf,
}

impl Fake {
    /// Starts one; `reply` is asked with the words of each command.
    pub(crate) fn start(name: &str, reply: fn(&[String]) -> Reply) -> Self {
        let file = format!("manhole-fake-{name}-{}.sock", std::process::id());
        let path = std::env::temp_dir().join(file);
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || converse(stream, reply));
            }
        });
        Self { path }
    }

    /// The target that means it.
    pub(crate) fn target(&self) -> String {
        self.path.display().to_string()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn converse(mut stream: UnixStream, reply: fn(&[String]) -> Reply) {
    let lines = BufReader::new(stream.try_clone().unwrap()).lines();
    for line in lines.map_while(Result::ok) {
        let Ok(Request::Command { id, words, .. }) = parse_request(line.as_bytes()) else {
            continue;
        };
        let answer = match reply(&words) {
            Err(failure) => encode_end(id, &Err(failure)),
            Ok(text) => {
                encode_data_header(id, text.len(), "text/plain", None, false)
                    + text
                    + &encode_end(id, &Ok(End::default()))
            }
        };
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// What every console answers to `version --json`.
pub(crate) const VERSION: &str =
    r#"{"process":{"name":"shop","pid":7,"host":"web"},"data":{"version":"1.0","level":"view"}}"#;
