//! One sampler for all who ask at the same time: each has a window, and one of them runs the ticks.
//!
//! Whoever finds nobody at it takes the sampler and runs ticks until its own window is over; then another
//! one goes on. The sampler goes with the last window.

use super::{
    Options,
    ticks::{Plan, Sampler, Tick},
    walker::Walker,
    window::Window,
};
use crate::{
    model::{Code, Failure, samples::Samples},
    probe::clock,
    sys::{list::List, stacks},
};
use std::{
    collections::BTreeSet,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// Windows at a time.
const MOST: usize = 8;
/// How often one who waits looks whether it is still wanted, and the most that is slept at a time.
const LOOK: Duration = Duration::from_millis(50);
/// How long one who is not wanted any more waits for what was seen until then.
const LAST: u32 = 40;

/// What the requests of one process share. A forked child makes its own: this one may be locked by a
/// thread that the child does not have.
struct Shared {
    pid: u32,
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    windows: Vec<Request>,
    last: u64,
    /// While nobody runs ticks, and there are windows.
    sampler: Option<Sampler>,
    driven: bool,
}

/// A request: what it asks for, and how far it is.
struct Request {
    id: u64,
    options: Options,
    stage: Stage,
    /// Its caller is gone: what was seen is to be handed over at once.
    given_up: bool,
}

enum Stage {
    New,
    Open(Window),
    Done(Samples),
    /// Being handed over from one to the next.
    Passing,
}

static ALL: List<Shared> = List::new();

fn ours() -> Option<&'static Shared> {
    let pid = std::process::id();
    let find = || ALL.iter().filter(|one| one.pid == pid).last();
    find().or_else(|| {
        ALL.push(Shared {
            pid,
            state: Mutex::default(),
            news: Condvar::new(),
        });
        find()
    })
}

/// See [`super::sample`].
pub(super) fn sample(
    options: &Options,
    keep_going: &dyn Fn() -> bool,
    progress: &dyn Fn(u64),
) -> Result<Samples, Failure> {
    let shared = ours().ok_or_else(|| Failure::new(Code::Internal, "there is no sampler"))?;
    let mine = Mine {
        id: shared.open(options)?,
        shared,
    };
    let mut looks_left = LAST;
    loop {
        match mine.turn() {
            Turn::Done(samples) => return Ok(*samples),
            Turn::Drive(sampler) => mine.drive(*sampler, keep_going, progress)?,
            Turn::Wait(done_ns) => progress(done_ns),
        }
        if !keep_going() {
            mine.give_up();
            looks_left -= 1;
            if looks_left == 0 {
                return Err(Failure::cancelled());
            }
        }
    }
}

/// What one who asked is to do next.
enum Turn {
    Done(Box<Samples>),
    /// Run ticks.
    Drive(Box<Sampler>),
    /// Somebody else does; so much of the window is over.
    Wait(u64),
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, options: &Options) -> Result<u64, Failure> {
        let mut state = self.lock();
        if state.windows.len() >= MOST {
            let text = format!("{MOST} others sample the clock already; try again");
            return Err(Failure::new(Code::Busy, text));
        }
        state.last += 1;
        let id = state.last;
        state.windows.push(Request {
            id,
            options: options.clone(),
            stage: Stage::New,
            given_up: false,
        });
        Ok(id)
    }
}

/// A request, closed when dropped.
struct Mine {
    id: u64,
    shared: &'static Shared,
}

impl Mine {
    fn turn(&self) -> Turn {
        let mut state = self.shared.lock();
        if let Some(samples) = state.take_done(self.id) {
            return Turn::Done(Box::new(samples));
        }
        if !state.driven {
            state.driven = true;
            let sampler = state.sampler.take().unwrap_or_else(Sampler::new);
            return Turn::Drive(Box::new(sampler));
        }
        let (mut state, _) = self
            .shared
            .news
            .wait_timeout(state, LOOK)
            .unwrap_or_else(PoisonError::into_inner);
        match state.take_done(self.id) {
            Some(samples) => Turn::Done(Box::new(samples)),
            None => Turn::Wait(state.done_ns(self.id)),
        }
    }

    fn give_up(&self) {
        let mut state = self.shared.lock();
        let own = state.windows.iter_mut().find(|one| one.id == self.id);
        own.into_iter().for_each(|one| one.given_up = true);
    }

    /// Runs ticks until the own window is over, or its caller is gone.
    fn drive(
        &self,
        sampler: Sampler,
        keep_going: &dyn Fn() -> bool,
        progress: &dyn Fn(u64),
    ) -> Result<(), Failure> {
        let mut driving = Driving {
            shared: self.shared,
            sampler: Some(sampler),
        };
        let mut began_ns = clock::monotonic_ns();
        let mut walker = Walker::new(began_ns, keep_going)?;
        while let Some(sampler) = &mut driving.sampler {
            if !keep_going() {
                self.give_up();
            }
            let (plan, due_ns) = self.shared.lock().begin(sampler);
            if !self.shared.lock().is_open(self.id) {
                break; // it has been given up
            }
            pause(began_ns, &plan, due_ns, sampler, keep_going);
            began_ns = clock::monotonic_ns();
            let always = || true; // who else waits for this tick shall have it whole
            if let Some(tick) = sampler.tick(&plan, &mut walker, &always)? {
                self.shared.lock().book(&tick, &plan, sampler);
                self.shared.news.notify_all();
            }
            let state = self.shared.lock();
            if !state.is_open(self.id) {
                break;
            }
            progress(state.done_ns(self.id));
        }
        Ok(())
    }
}

impl Drop for Mine {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.windows.retain(|one| one.id != self.id);
        if state.windows.is_empty() && !state.driven {
            state.sampler = None;
            drop(state);
            stacks::forget();
        }
    }
}

/// The sampler, given back when dropped for whoever goes on.
struct Driving {
    shared: &'static Shared,
    sampler: Option<Sampler>,
}

impl Drop for Driving {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.driven = false;
        state.sampler = self.sampler.take();
        self.shared.news.notify_all();
    }
}

impl State {
    fn find(&self, id: u64) -> Option<&Request> {
        self.windows.iter().find(|one| one.id == id)
    }

    fn is_open(&self, id: u64) -> bool {
        let stage = self.find(id).map(|one| &one.stage);
        matches!(stage, Some(Stage::New | Stage::Open(_)))
    }

    fn done_ns(&self, id: u64) -> u64 {
        match self.find(id).map(|one| &one.stage) {
            Some(Stage::Open(window)) => window.done_ns(),
            _ => 0,
        }
    }

    fn take_done(&mut self, id: u64) -> Option<Samples> {
        let own = self.windows.iter_mut().find(|one| one.id == id)?;
        match std::mem::replace(&mut own.stage, Stage::Passing) {
            Stage::Done(samples) => Some(samples),
            other => {
                own.stage = other;
                None
            }
        }
    }

    /// Begins the windows of those who came, ends those of who is gone, and says what the next tick is
    /// to do and when at the latest.
    fn begin(&mut self, sampler: &mut Sampler) -> (Plan, u64) {
        let mut plan = Plan {
            signal: 0,
            hz: 1,
            only: Some(BTreeSet::new()),
        };
        let mut due_ns = u64::MAX;
        for request in &mut self.windows {
            if matches!(request.stage, Stage::New) {
                request.stage = Stage::Open(Window::new(&request.options, sampler));
            }
            request.close_if(sampler, |request, _| request.given_up);
            let Stage::Open(window) = &request.stage else {
                continue;
            };
            plan.signal = request.options.signal;
            plan.hz = plan.hz.max(window.asked_hz);
            plan.only = match (plan.only, &window.only) {
                (Some(all), Some(own)) => Some(all.union(own).copied().collect()),
                _ => None,
            };
            due_ns = due_ns.min(window.ends_ns());
        }
        (plan, due_ns)
    }

    /// Books a tick in every window, and closes those that are over.
    fn book(&mut self, tick: &Tick, plan: &Plan, sampler: &mut Sampler) {
        let now_ns = clock::monotonic_ns();
        for request in &mut self.windows {
            if let Stage::Open(window) = &mut request.stage {
                window.book(tick, now_ns, plan.hz);
            }
            request.close_if(sampler, |_, window| window.is_over());
        }
    }
}

impl Request {
    fn close_if(&mut self, sampler: &mut Sampler, when: impl Fn(&Self, &Window) -> bool) {
        let Stage::Open(window) = &self.stage else {
            return;
        };
        if !when(self, window) {
            return;
        }
        if let Stage::Open(window) = std::mem::replace(&mut self.stage, Stage::Passing) {
            self.stage = Stage::Done(window.finish(sampler));
        }
    }
}

/// Sleeps until the next tick: a period after the last one on average, at random between half of one and
/// one and a half, so that what the application does at a rate of its own is not always met in the same
/// place. At least a quarter, however long the last tick took.
fn pause(
    last_ns: u64,
    plan: &Plan,
    due_ns: u64,
    sampler: &mut Sampler,
    keep_going: &dyn Fn() -> bool,
) {
    let period_ns = 1_000_000_000 / u64::from(plan.hz.max(1));
    let bound = usize::try_from(period_ns).unwrap_or(usize::MAX).max(1);
    let wanted = last_ns + period_ns / 2 + sampler.random.below(bound) as u64;
    let soonest = clock::monotonic_ns().saturating_add(period_ns / 4);
    let until = wanted.max(soonest).min(due_ns);
    loop {
        let left = until.saturating_sub(clock::monotonic_ns());
        if left == 0 || !keep_going() {
            return;
        }
        thread::sleep(Duration::from_nanos(left).min(LOOK));
    }
}
