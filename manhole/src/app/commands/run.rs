//! A call of an application's command, from its start to its end.

use super::{Args, Context, Registered, Reply};
use crate::{
    app::{
        channel::{self, Nothing, Receiver},
        threads::{Kind, Outcome, Refusal, Started},
    },
    model::{self, Code, Failure, Level},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Lines and progress that may wait for the reader before the command waits.
const AHEAD: usize = 64;
/// How long the answer may take once the command's own code has returned.
const HANDOVER: Duration = Duration::from_secs(1);

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Who {
    /// Effective user id.
    pub uid: u32,
    /// Process id, 0 outside our namespace.
    pub pid: i32,
    /// What the caller may do.
    pub level: Level,
}

/// What a command says while it runs, and how it ends.
#[derive(Debug)]
pub(crate) enum Said {
    /// A line, to be passed on at once.
    Line(String),
    /// How far it is.
    Progress {
        /// Done so far.
        done: f64,
        /// All there is to do.
        total: f64,
        /// The unit of both.
        unit: &'static str,
    },
    /// The end.
    End(Result<Reply, Failure>),
}

/// A command under way; dropping it tells the command that nobody waits any more.
pub(crate) struct Running {
    name: &'static str,
    started: Started<Result<Reply, String>>,
    cancelled: Arc<AtomicBool>,
    said: Receiver<Said>,
}

impl Registered {
    /// Starts the command on an application thread.
    ///
    /// # Errors
    /// `busy` while another call of it runs or all threads are taken, `unsupported` when
    /// application code is refused here.
    pub(crate) fn start(
        &self,
        args: model::Args,
        who: Who,
        deadline: Instant,
    ) -> Result<Running, Failure> {
        let entry = self.0;
        let name = entry.spec.name;
        let (out, said) = channel::bounded(AHEAD);
        let cancelled = Arc::new(AtomicBool::new(false));
        let ctx = Context {
            who,
            cancelled: Arc::clone(&cancelled),
            deadline,
            out,
        };
        let args = Args(args);
        let work = move || match ctx.cancelled() {
            // It waited for a thread until its caller had gone: to act now would surprise.
            true => Err("cancelled before it began".to_owned()),
            false => (entry.handler)(&ctx, &args),
        };
        let time = deadline.saturating_duration_since(Instant::now());
        let what = || format!("command {name}");
        let started = entry
            .gate
            .start(Kind::Command(time), Duration::ZERO, what, work)
            .map_err(|outcome| failure(name, outcome))?;
        Ok(Running {
            name,
            started,
            cancelled,
            said,
        })
    }
}

impl Running {
    /// The next thing the command says; `None` when it says nothing for `patience`.
    pub(crate) fn next(&self, patience: Duration) -> Option<Said> {
        match self.said.receive(patience) {
            Ok(said) => Some(said),
            Err(Nothing::Late) => None,
            // Its context is gone, so its code has returned or panicked.
            Err(Nothing::Gone) => Some(Said::End(self.end())),
        }
    }

    fn end(&self) -> Result<Reply, Failure> {
        let outcome = self.started.wait(HANDOVER);
        match outcome.unwrap_or_else(|| self.started.busy()) {
            Outcome::Done(Ok(reply)) => Ok(reply),
            Outcome::Done(Err(why)) => Err(Failure::new(
                Code::Internal,
                format!("{}: the application says: {why}", self.name),
            )),
            other => Err(failure(self.name, other)),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
        self.started.ticket().abandon();
    }
}

/// The failure of a call that has no answer.
pub(crate) fn failure<T>(name: &str, outcome: Outcome<T>) -> Failure {
    match outcome {
        Outcome::Panicked(message) => Failure::new(
            Code::Panic,
            format!("{name}: the application's code panicked: {message}"),
        ),
        Outcome::Busy(since) => Failure::new(
            Code::Busy,
            format!(
                "{name}: a call of it has been running for {} s; try again when it has ended",
                since.as_secs()
            ),
        ),
        // Both pass when what hangs or runs comes back.
        Outcome::Refused(why @ (Refusal::Full | Refusal::Lost(_))) => {
            let text = format!("{name}: {why}; info shows which; try again later");
            Failure::new(Code::Busy, text)
        }
        Outcome::Refused(why) => {
            Failure::new(Code::Unsupported, format!("{name}: {why}; see info"))
        }
        Outcome::Done(_) => Failure::new(Code::Internal, format!("{name}: no failure at all")),
    }
}
