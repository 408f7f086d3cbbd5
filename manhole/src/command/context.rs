//! What a command knows about its call: who asks, how long it may take, whether to stop.

use super::{Cancel, State};
use crate::model::{Caller, Code, Failure, Level};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// The longest any command may run; arguments beyond it are refused as `usage`.
pub(crate) const LONGEST: Duration = Duration::from_secs(300);

/// One call of a command.
#[derive(Clone)]
pub(crate) struct Context {
    /// Who asks.
    pub caller: Caller,
    /// Set when the client goes or cancels.
    pub cancel: Cancel,
    /// When the command must have ended.
    pub deadline: Instant,
    /// When it began.
    pub started: Instant,
    /// Everything about this console.
    pub state: Arc<State>,
}

impl Context {
    /// A call that begins now.
    pub(crate) fn new(caller: Caller, state: Arc<State>) -> Self {
        let started = Instant::now();
        Self {
            caller,
            cancel: Cancel::default(),
            // A profile of the longest window still has to be rendered.
            deadline: started + LONGEST + Duration::from_secs(30),
            started,
            state,
        }
    }

    /// To be asked in every loop.
    ///
    /// # Errors
    /// `cancelled` when the client is gone, `timeout` past the deadline.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.cancel.is_cancelled() {
            return Err(Failure::cancelled());
        }
        if Instant::now() > self.deadline {
            let took = self.started.elapsed().as_secs();
            return Err(Failure::new(
                Code::Timeout,
                format!("no end after {took} s"),
            ));
        }
        Ok(())
    }

    /// Waits for `time`.
    ///
    /// # Errors
    /// As [`Context::check`], as soon as it holds.
    pub(crate) fn sleep(&self, time: Duration) -> Result<(), Failure> {
        self.cancel
            .wait_until((Instant::now() + time).min(self.deadline));
        self.check()
    }

    /// Whether the caller has at least `level`.
    pub(crate) fn may(&self, level: Level) -> bool {
        self.caller.level >= level
    }
}
