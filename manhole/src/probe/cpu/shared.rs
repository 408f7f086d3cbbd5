//! One sampler for all who ask at the same time: each has a window, and one of them runs it.
//!
//! Whoever finds nobody at it takes the sampler and runs it until its own window is over; then another
//! one goes on. The sampler, and with it all timers, goes with the last window.

use super::{
    Options,
    sampler::{FASTEST, Sampler, Walker, busy},
    window::Window,
};
use crate::{
    model::{Code, Failure, samples::Samples},
    sys::list::List,
};
use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Windows at a time.
const MOST: usize = 8;
/// How often one who waits looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(50);
/// How often samples are taken; sooner after many came at once.
const PAUSE: Duration = Duration::from_millis(10);
const SHORT: Duration = Duration::from_millis(2);
const MANY: usize = 64;
/// How many looks one who is not wanted any more waits for what was seen until then.
const LAST: u32 = 40;
/// How often progress is told.
const TOLD: Duration = Duration::from_millis(100);

/// What the requests of one process share. A forked child makes its own: this one may be locked by a
/// thread that the child does not have.
struct Shared {
    pid: u32,
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    last: u64,
    /// While nobody runs it, and there are requests.
    sampler: Option<Box<Sampler>>,
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
    Open(Box<Window>),
    Done(Box<Samples>),
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
            Turn::Drive(sampler) => mine.drive(sampler, keep_going, progress)?,
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
    /// Run the sampler.
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
        if state.requests.len() >= MOST {
            return Err(busy(MOST));
        }
        state.last += 1;
        let id = state.last;
        state.requests.push(Request {
            id,
            options: options.clone(),
            stage: Stage::New,
            given_up: false,
        });
        self.news.notify_all();
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
            return Turn::Done(samples);
        }
        if !state.driven {
            state.driven = true;
            let sampler = state.sampler.take();
            return Turn::Drive(sampler.unwrap_or_else(|| Box::new(Sampler::new())));
        }
        let (mut state, _) = self
            .shared
            .news
            .wait_timeout(state, LOOK)
            .unwrap_or_else(PoisonError::into_inner);
        match state.take_done(self.id) {
            Some(samples) => Turn::Done(samples),
            None => Turn::Wait(state.done_ns(self.id)),
        }
    }

    fn give_up(&self) {
        let mut state = self.shared.lock();
        let own = state.find(self.id);
        own.into_iter().for_each(|one| one.given_up = true);
    }

    /// Runs the sampler until the own window is over, or its caller is gone.
    fn drive(
        &self,
        sampler: Box<Sampler>,
        keep_going: &dyn Fn() -> bool,
        progress: &dyn Fn(u64),
    ) -> Result<(), Failure> {
        let mut driving = Driving {
            shared: self.shared,
            sampler: Some(sampler),
        };
        let mut walker = Walker::new(keep_going)?;
        let mut told = Instant::now();
        while let Some(sampler) = &mut driving.sampler {
            if !keep_going() {
                self.give_up();
            }
            let count = self.round(sampler, &mut walker, keep_going)?;
            let mut state = self.shared.lock();
            if !state.is_open(self.id) {
                break;
            }
            if told.elapsed() >= TOLD {
                told = Instant::now();
                progress(state.done_ns(self.id));
            }
            let pause = if count >= MANY { SHORT } else { PAUSE };
            let pause = pause.min(state.soonest_end());
            drop(state);
            thread::sleep(pause);
        }
        Ok(())
    }

    /// Books what has come, opens windows for who has come, and closes those that are over.
    fn round(
        &self,
        sampler: &mut Sampler,
        walker: &mut Walker,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<usize, Failure> {
        walker.refresh();
        let over = self.shared.lock().are_over();
        let (signal, hz) = self.shared.lock().wanted();
        let mut count = 0;
        if hz > 0 && hz != sampler.hz() {
            count += self.book(sampler, walker); // what is left at the old rate
        }
        if hz > 0 {
            sampler.run_at(signal, hz, walker, keep_going)?;
        }
        count += self.book(sampler, walker);
        self.close(&over, sampler);
        self.shared.lock().open_new(sampler);
        Ok(count)
    }

    fn book(&self, sampler: &mut Sampler, walker: &mut Walker) -> usize {
        let hz = sampler.hz();
        sampler.drain(walker, &mut |booking| {
            let mut state = self.shared.lock();
            state
                .open_windows()
                .for_each(|window| window.book(booking, hz));
        })
    }

    /// Hands over what was counted for those whose windows were over before the last samples were taken.
    fn close(&self, over: &[u64], sampler: &mut Sampler) {
        for id in over {
            let window = self.shared.lock().take_window(*id);
            // Not under the lock: it takes a while.
            let samples = window.map(|window| Box::new(window.finish(sampler)));
            let mut state = self.shared.lock();
            if let (Some(request), Some(samples)) = (state.find(*id), samples) {
                request.stage = Stage::Done(samples);
            }
        }
        if !over.is_empty() {
            self.shared.news.notify_all();
        }
    }
}

impl Drop for Mine {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.requests.retain(|one| one.id != self.id);
        let idle = state.requests.is_empty() && !state.driven;
        let sampler = if idle { state.sampler.take() } else { None };
        drop(state);
        drop(sampler);
    }
}

/// The sampler, given back when dropped for whoever goes on.
struct Driving {
    shared: &'static Shared,
    sampler: Option<Box<Sampler>>,
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
    fn find(&mut self, id: u64) -> Option<&mut Request> {
        self.requests.iter_mut().find(|one| one.id == id)
    }

    fn is_open(&self, id: u64) -> bool {
        let own = self.requests.iter().find(|one| one.id == id);
        matches!(own.map(|one| &one.stage), Some(Stage::New | Stage::Open(_)))
    }

    fn done_ns(&self, id: u64) -> u64 {
        let own = self.requests.iter().find(|one| one.id == id);
        match own.map(|one| &one.stage) {
            Some(Stage::Open(window)) => window.done_ns(),
            _ => 0,
        }
    }

    fn take_done(&mut self, id: u64) -> Option<Box<Samples>> {
        let own = self.find(id)?;
        match std::mem::replace(&mut own.stage, Stage::Passing) {
            Stage::Done(samples) => Some(samples),
            other => {
                own.stage = other;
                None
            }
        }
    }

    fn take_window(&mut self, id: u64) -> Option<Box<Window>> {
        let own = self.find(id)?;
        match std::mem::replace(&mut own.stage, Stage::Passing) {
            Stage::Open(window) => Some(window),
            other => {
                own.stage = other;
                None
            }
        }
    }

    fn open_windows(&mut self) -> impl Iterator<Item = &mut Box<Window>> {
        self.requests
            .iter_mut()
            .filter_map(|one| match &mut one.stage {
                Stage::Open(window) => Some(window),
                _ => None,
            })
    }

    /// Whose time is up.
    fn are_over(&self) -> Vec<u64> {
        let over = self.requests.iter().filter(|one| match &one.stage {
            Stage::Open(window) => window.is_over() || one.given_up,
            _ => false,
        });
        over.map(|one| one.id).collect()
    }

    /// How long until the next window is over.
    fn soonest_end(&mut self) -> Duration {
        let left = self.open_windows().map(|window| window.left());
        left.min().unwrap_or(PAUSE)
    }

    /// The signal, and the highest rate that is asked for; 0 when nobody asks.
    fn wanted(&self) -> (i32, u32) {
        let open = |one: &&Request| matches!(one.stage, Stage::New | Stage::Open(_));
        let mut signal = 0;
        let rates = self.requests.iter().filter(open).map(|one| {
            signal = one.options.signal;
            one.options.hz.max(1)
        });
        let hz = rates.max().unwrap_or(0);
        (signal, hz.min(FASTEST))
    }

    /// All threads have their timers: whoever is new begins now.
    fn open_new(&mut self, sampler: &mut Sampler) {
        for request in &mut self.requests {
            if matches!(request.stage, Stage::New) {
                request.stage = Stage::Open(Box::new(Window::new(&request.options, sampler)));
            }
        }
    }
}
