//! Up to four threads and the queue before them.

use super::{catch, ticket::Ticket};
use crate::sys::{fork, origin, sched, signals};
use nix::unistd::gettid;
use std::{
    borrow::Cow,
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Threads kept when nothing runs: one for the next call, one to replace it.
const KEPT: usize = 2;
/// Threads at most: two that run or are lost to commands, one lost to a closure, one free.
const MOST: usize = 4;
/// Commands of the application that run at the same time, so that variables stay readable.
const COMMANDS: usize = 2;
/// Lost threads after which application code is refused.
const LOST: usize = 2;
/// Calls that may wait for a thread.
const QUEUED: usize = 64;
/// How long a thread above [`KEPT`] stays when there is nothing to do.
const LINGER: Duration = Duration::from_secs(10);
/// Calls that have run for longer are not worth queueing behind.
const STUCK: Duration = super::PATIENCE;

/// What kind of call it is, and so how long it may take before its thread counts as lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A closure of a variable, a reclaimer, a sink: expected back at once.
    Closure,
    /// A command or a route, which may take this long.
    Command(Duration),
}

/// Why application code was not even started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The console is not installed, was shut down, or this is a forked child.
    Inactive,
    /// No thread could be made.
    NoThread,
    /// So many threads never came back.
    Lost(usize),
    /// Every thread is taken and the queue makes no progress.
    Full,
    /// Refused for good, with the reason.
    Forbidden(Cow<'static, str>),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Inactive => f.write_str("the console is not active in this process"),
            Refusal::NoThread => f.write_str("no thread could be made for application code"),
            Refusal::Lost(n) => write!(f, "{n} threads are lost in application code that hangs"),
            Refusal::Full => f.write_str("every thread for application code is taken"),
            Refusal::Forbidden(why) => f.write_str(why),
        }
    }
}

/// What the threads are doing.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Status {
    /// How many there are.
    pub threads: usize,
    /// How many never came back so far.
    pub lost: usize,
    /// What runs, for how long.
    pub running: Vec<(String, Duration)>,
    /// Why application code is refused, if it is.
    pub refused: Option<String>,
}

/// A call, which is handed its ticket; it must not unwind and must not wait for the console.
pub(crate) type Work = Box<dyn FnOnce(&Ticket) + Send>;

struct Job {
    ticket: Arc<Ticket>,
    work: Work,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    threads: usize,
    /// The system's ids of those that have begun.
    ids: Vec<u32>,
    idle: usize,
    running: Vec<Arc<Ticket>>,
    alarm: Option<(Instant, fn())>,
    forbidden: Option<Cow<'static, str>>,
}

/// The threads of one process.
pub(crate) struct Pool {
    /// Process id and number of forks when it was made: a copy in a child has no threads.
    maker: (u32, u32),
    open: AtomicBool,
    state: Mutex<State>,
    work: Condvar,
}

impl Pool {
    /// A closed pool without threads.
    pub(super) fn new() -> Self {
        Self {
            maker: this_process(),
            open: AtomicBool::new(false),
            state: Mutex::default(),
            work: Condvar::new(),
        }
    }

    pub(super) fn is_of_this_process(&self) -> bool {
        self.maker == this_process() && origin::is_ours()
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    pub(super) fn open(&self) {
        self.open.store(true, Ordering::Release);
    }

    pub(super) fn close(&self) {
        self.open.store(false, Ordering::Release);
        let (queue, _alarm) = {
            let mut state = self.lock();
            (std::mem::take(&mut state.queue), state.alarm.take())
        };
        self.work.notify_all();
        drop(queue); // outside the lock: it drops what the application captured
    }

    pub(super) fn refuse(&self, why: Cow<'static, str>) {
        self.lock().forbidden = Some(why);
    }

    /// Whether it was refused for good.
    pub(super) fn is_forbidden(&self) -> bool {
        self.lock().forbidden.is_some()
    }

    /// Makes the threads that are kept, as children of the calling host thread.
    pub(super) fn populate(&'static self) {
        while self.lock().threads < KEPT && self.spawn() {}
    }

    /// Queues `work`, or says why not.
    pub(crate) fn submit(
        &self,
        kind: Kind,
        what: String,
        work: Work,
    ) -> Result<Arc<Ticket>, Refusal> {
        let (command, allowed) = match kind {
            Kind::Closure => (false, Duration::ZERO),
            Kind::Command(allowed) => (true, allowed),
        };
        let ticket = Ticket::new(what, command, allowed);
        super::look();
        {
            let mut state = self.lock();
            if !self.is_open() {
                return Err(Refusal::Inactive);
            }
            state.admit(command)?;
            state.queue.push_back(Job {
                ticket: Arc::clone(&ticket),
                work,
            });
        }
        self.work.notify_one();
        Ok(ticket)
    }

    pub(super) fn alarm(&self, at: Instant, wake: fn()) {
        {
            let mut state = self.lock();
            let earlier = state.alarm.is_some_and(|(set, _)| set <= at);
            if earlier {
                return;
            }
            state.alarm = Some((at, wake));
        }
        self.work.notify_one();
    }

    pub(super) fn status(&self) -> Status {
        let state = self.lock();
        let running = state.running.iter();
        Status {
            threads: state.threads,
            lost: state.lost(),
            running: running
                .map(|call| (call.what().to_owned(), call.running()))
                .collect(),
            refused: state.admit(false).err().map(|why| why.to_string()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes one more thread, as a child of the calling one; returns whether there is one more.
    fn spawn(&'static self) -> bool {
        {
            let mut state = self.lock();
            if state.threads >= MOST {
                return false;
            }
            state.threads += 1;
        }
        let builder = thread::Builder::new().name("manhole-app".to_owned());
        match signals::blocked_while(|| builder.spawn(move || self.serve())) {
            Ok(_detached) => true,
            Err(why) => {
                self.lock().threads -= 1;
                super::super::messages::warn(format!(
                    "failed to make a thread for application code: {why}"
                ));
                false
            }
        }
    }

    fn serve(&'static self) {
        signals::block_all();
        sched::be_ordinary();
        let id = gettid().as_raw().unsigned_abs();
        self.lock().ids.push(id);
        while let Some(job) = self.next() {
            let Job { ticket, work } = job;
            ticket.begin();
            // The gate has caught panics of the call itself; this one is for its destructors.
            let _ = catch(|| work(&ticket));
            self.lock()
                .running
                .retain(|call| !Arc::ptr_eq(call, &ticket));
        }
        self.lock().ids.retain(|other| *other != id);
    }

    /// The system's ids of the threads.
    pub(super) fn ids(&self) -> Vec<u32> {
        self.lock().ids.clone()
    }

    /// Waits for the next call; `None` when this thread should end.
    fn next(&'static self) -> Option<Job> {
        let mut state = self.lock();
        state.idle += 1;
        let mut lingered = false;
        loop {
            let surplus = state.idle > KEPT;
            if !self.is_open() || (surplus && lingered) {
                state.idle -= 1;
                state.threads -= 1;
                return None;
            }
            if let Some(job) = state.take() {
                state.idle -= 1;
                let taken = state.running.iter().filter(|call| !call.is_over());
                let alone = taken.count() >= state.threads;
                let watch = state.alarm.is_some();
                drop(state);
                if alone {
                    self.spawn();
                } else if watch {
                    self.work.notify_one(); // somebody else minds the alarm
                }
                return Some(job);
            }
            let wake = state
                .alarm
                .map(|(at, _)| at.saturating_duration_since(Instant::now()));
            let wait = match surplus {
                true => Some(wake.map_or(LINGER, |wake| wake.min(LINGER))),
                false => wake,
            };
            state = match wait {
                None => {
                    let woken = self.work.wait(state);
                    woken.unwrap_or_else(PoisonError::into_inner)
                }
                Some(wait) => {
                    let woken = self.work.wait_timeout(state, wait);
                    let (state, timeout) = woken.unwrap_or_else(PoisonError::into_inner);
                    lingered = surplus && timeout.timed_out();
                    state
                }
            };
        }
    }
}

fn this_process() -> (u32, u32) {
    (std::process::id(), fork::generation())
}

impl State {
    fn lost(&self) -> usize {
        self.running.iter().filter(|call| call.is_lost()).count()
    }

    fn admit(&self, command: bool) -> Result<(), Refusal> {
        if let Some(why) = &self.forbidden {
            return Err(Refusal::Forbidden(why.clone()));
        }
        if self.threads == 0 {
            return Err(Refusal::NoThread);
        }
        let lost = self.lost();
        if lost >= LOST {
            return Err(Refusal::Lost(lost));
        }
        let commands = self
            .running
            .iter()
            .chain(self.queue.iter().map(|job| &job.ticket));
        let crowded = command && commands.filter(|call| call.is_command()).count() >= COMMANDS;
        let stuck =
            self.running.len() >= MOST && self.running.iter().all(|call| call.running() > STUCK);
        match crowded || stuck || self.queue.len() >= QUEUED {
            true => Err(Refusal::Full),
            false => Ok(()),
        }
    }

    /// The next call to make: what is queued, or the alarm when its time has come.
    fn take(&mut self) -> Option<Job> {
        let due = self.alarm.is_some_and(|(at, _)| at <= Instant::now());
        let job = match self.alarm {
            Some((_, wake)) if due => {
                self.alarm = None;
                Job {
                    ticket: Ticket::new("alarm".to_owned(), false, Duration::ZERO),
                    work: Box::new(move |_| wake()),
                }
            }
            _ => self.queue.pop_front()?,
        };
        self.running.push(Arc::clone(&job.ticket));
        Some(job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(threads: usize, ran: &[u64], command: bool, expected: Result<(), Refusal>) {
        let running = ran.iter().map(|seconds| Duration::from_secs(*seconds));
        let state = State {
            threads,
            running: running.map(Ticket::running_for).collect(),
            ..State::default()
        };
        assert_eq!(state.admit(command), expected, "{threads} threads, {ran:?}");
    }

    #[test]
    fn application_code_is_refused_after_two_lost_threads() {
        check(0, &[], false, Err(Refusal::NoThread));
        check(2, &[], false, Ok(()));
        check(2, &[31], false, Ok(()));
        check(3, &[31, 9], true, Ok(()));
        check(3, &[31, 11], false, Err(Refusal::Lost(2)));
        check(3, &[31, 11], true, Err(Refusal::Lost(2)));
        check(4, &[9, 9, 9, 9], false, Err(Refusal::Full));
        check(4, &[9, 9, 9, 0], false, Ok(())); // one of them has only just begun
    }
}
