//! The service as the process that started it sees it.

use std::{
    env,
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use manhole::client::{Kind, Trouble};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use super::SERVICE_WORD;

/// A service that has not said where it listens by then does not start.
const PATIENCE: Duration = Duration::from_secs(10);

/// One that was asked to end gets this long.
const FAREWELL: Duration = Duration::from_secs(2);

/// Settings of the console that would take from the demo what it shows.
const UNWANTED: [&str; 2] = ["MANHOLE", "MANHOLE_MAX_LEVEL"];

/// The running service; it ends when this is dropped, and when this process ends.
pub(super) struct Service {
    process: Child,
    pub(super) pid: u32,
    pub(super) port: u16,
    pub(super) socket: PathBuf,
}

impl Service {
    /// Starts it and waits until it serves. To be called on the main thread: the service ends with
    /// the thread that started it.
    ///
    /// # Errors
    /// `Failed`, with the service's own words when it had any.
    pub(super) fn start() -> Result<Self, Trouble> {
        let failed = |error| Trouble::io(Kind::Failed, "failed to start the demo service", &error);
        let mut command = Command::new(env::current_exe().map_err(failed)?);
        command
            .arg(SERVICE_WORD)
            .arg(std::process::id().to_string());
        for name in UNWANTED {
            command.env_remove(name);
        }
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // Ctrl-C on our terminal is for us: it cancels a command, it does not end the service.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let mut service = Self {
            pid: process.id(),
            process,
            port: 0,
            socket: PathBuf::new(),
        };
        let line = first_line(service.process.stdout.take());
        let (port, socket) = parse(&line).map_err(|why| {
            Trouble::new(
                Kind::Failed,
                format!("the demo service does not run: {why}"),
            )
        })?;
        (service.port, service.socket) = (port, socket);
        Ok(service)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let pid = i32::try_from(self.pid).unwrap_or_default();
        // It has not been waited for, so the pid is still its own.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        let asked = Instant::now();
        while asked.elapsed() < FAREWELL {
            match self.process.try_wait() {
                Ok(None) => thread::sleep(Duration::from_millis(10)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the service says first; empty when that is nothing.
fn first_line(output: Option<impl Read + Send + 'static>) -> String {
    let Some(output) = output else {
        return String::new();
    };
    let (send, line) = mpsc::channel();
    let read = move || {
        let mut line = String::new();
        let _ = BufReader::new(output.take(64 << 10)).read_line(&mut line);
        let _ = send.send(line);
    };
    match thread::Builder::new().name("demo-start".into()).spawn(read) {
        Ok(_) => line.recv_timeout(PATIENCE).unwrap_or_default(),
        Err(_) => String::new(),
    }
}

/// The service's port and the console's socket, or why there are none.
fn parse(line: &str) -> Result<(u16, PathBuf), String> {
    let said: Value = serde_json::from_str(line).unwrap_or_default();
    let port = said.get("port").and_then(Value::as_u64);
    let port = port.and_then(|port| u16::try_from(port).ok());
    let text = |key: &str| said.get(key).and_then(Value::as_str);
    match (port, text("socket"), text("failed")) {
        (Some(port), Some(socket), _) => Ok((port, PathBuf::from(socket))),
        (_, _, Some(why)) => Err(why.to_owned()),
        _ => Err("it said nothing".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_says_where_it_is_or_why_it_is_not() {
        let check = |line: &str, expected: Result<(u16, PathBuf), &str>| {
            assert_eq!(parse(line), expected.map_err(str::to_owned), "{line}");
        };
        let good = Ok((8080, PathBuf::from("/tmp/x.sock")));
        check("{\"port\":8080,\"socket\":\"/tmp/x.sock\"}\n", good);
        check("{\"failed\":\"no port\"}\n", Err("no port"));
        check("{\"port\":80800,\"socket\":\"x\"}", Err("it said nothing"));
        check("", Err("it said nothing"));
        check("{\"port\":80", Err("it said nothing"));
    }

    #[test]
    fn the_first_line_is_waited_for_and_no_more() {
        assert_eq!(first_line(Some(&b"one\ntwo\n"[..])), "one\n");
        assert_eq!(first_line(None::<&[u8]>), "");
    }
}
