//! One sampler for all who ask at the same time: each has a window, and one of them runs it.
//!
//! Whoever finds nobody at it takes the sampler and runs it until its own window is over; then another
//! one goes on. The sampler goes with the last window.

use super::Options;
use crate::{
    model::{Code, Failure, samples::Samples},
    sys::list::List,
};
use std::{
    ops::Range,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Windows at a time.
const MOST: usize = 8;
/// How often one who waits looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(50);
/// How many looks one who is not wanted any more waits for what was seen until then.
const LAST: u32 = 40;

/// What requests share.
pub(in crate::probe) trait Sampler: Send + Sized + 'static {
    /// What is counted for a request.
    type Window: Window<Self>;
    /// What is sampled: `the clock`.
    const WHAT: &'static str;

    fn new() -> Self;

    /// Samples for everybody until the window of `mine` is over, or its caller is gone.
    ///
    /// # Errors
    /// When nobody can be sampled.
    fn drive(
        &mut self,
        mine: &Mine<Self>,
        keep_going: &dyn Fn() -> bool,
        progress: &dyn Fn(u64),
    ) -> Result<(), Failure>;
}

/// What is counted for a request, under way.
pub(in crate::probe) trait Window<S>: Send {
    /// Begins now.
    fn open(options: &Options, sampler: &mut S) -> Self;

    /// From when to when it is, on the monotonic clock.
    fn span(&self) -> &Range<u64>;

    /// Until when it is counted.
    fn seen_ns(&self) -> u64;

    /// The samples, with whom and what they name taken from `sampler`.
    fn finish(self, sampler: &mut S) -> Samples;

    /// How much of it is over, in nanoseconds.
    fn done_ns(&self) -> u64 {
        self.seen_ns().saturating_sub(self.span().start)
    }
}

/// Where the requests of one process meet. A forked child makes its own: this one may be locked by a
/// thread that the child does not have.
pub(in crate::probe) struct Desk<S: Sampler> {
    pid: u32,
    state: Mutex<State<S>>,
    news: Condvar,
}

/// All requests.
pub(in crate::probe) struct State<S: Sampler> {
    requests: Vec<Request<S>>,
    last: u64,
    /// While nobody runs it, and there are requests.
    sampler: Option<Box<S>>,
    driven: bool,
}

/// A request: what it asks for, and how far it is.
struct Request<S: Sampler> {
    id: u64,
    options: Options,
    opened: bool,
    /// While it is filled.
    window: Option<Box<S::Window>>,
    /// Until they are fetched.
    samples: Option<Box<Samples>>,
    /// Its caller is gone: what was seen is to be handed over at once.
    given_up: bool,
}

/// A request, closed when dropped.
pub(in crate::probe) struct Mine<S: Sampler> {
    id: u64,
    desk: &'static Desk<S>,
}

/// What one who asked is to do next.
enum Turn<S> {
    Done(Box<Samples>),
    /// Run the sampler.
    Drive(Box<S>),
    /// Somebody else does; so much of the window is over.
    Wait(u64),
}

/// Samples as `options` say, at the desk of this process among `all`; `progress` is told how much of
/// the window is over, in nanoseconds. When `keep_going` says no, what was seen until then is returned.
///
/// # Errors
/// `busy` when too many sample already, and as [`Sampler::drive`].
pub(in crate::probe) fn sample<S: Sampler>(
    all: &'static List<Desk<S>>,
    options: &Options,
    keep_going: &dyn Fn() -> bool,
    progress: &dyn Fn(u64),
) -> Result<Samples, Failure> {
    let mine = ours(all).open(options)?;
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

/// The oldest of this process, so that all who come at once agree on one.
fn ours<S: Sampler>(all: &'static List<Desk<S>>) -> &'static Desk<S> {
    let pid = std::process::id();
    let find = || all.iter().filter(|one| one.pid == pid).last();
    find().unwrap_or_else(|| {
        let new = all.push(Desk {
            pid,
            state: Mutex::new(State {
                requests: Vec::new(),
                last: 0,
                sampler: None,
                driven: false,
            }),
            news: Condvar::new(),
        });
        find().unwrap_or(new)
    })
}

impl<S: Sampler> Desk<S> {
    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&'static self, options: &Options) -> Result<Mine<S>, Failure> {
        let mut state = self.lock();
        if state.requests.len() >= MOST {
            let text = format!("{MOST} others sample {} already; try again", S::WHAT);
            return Err(Failure::new(Code::Busy, text));
        }
        state.last += 1;
        let id = state.last;
        state.requests.push(Request {
            id,
            options: options.clone(),
            opened: false,
            window: None,
            samples: None,
            given_up: false,
        });
        Ok(Mine { id, desk: self })
    }
}

/// For who runs the sampler.
impl<S: Sampler> Mine<S> {
    /// All requests.
    pub(in crate::probe) fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.desk.lock()
    }

    /// Whether the own window is still to be filled.
    pub(in crate::probe) fn is_open(&self) -> bool {
        self.lock().find(self.id).is_some_and(|own| own.is_open())
    }

    /// How much of the own window is over, in nanoseconds.
    pub(in crate::probe) fn done_ns(&self) -> u64 {
        let mut state = self.lock();
        let window = state.find(self.id).and_then(|own| own.window.as_ref());
        window.map_or(0, |window| window.done_ns())
    }

    /// Has what was seen until now handed over, since nobody waits for more.
    pub(in crate::probe) fn give_up(&self) {
        if let Some(own) = self.lock().find(self.id) {
            own.given_up = true;
        }
    }

    /// Hands over what was counted in the windows that are `over`.
    pub(in crate::probe) fn close(&self, over: &[u64], sampler: &mut S) {
        for id in over {
            let window = self.lock().find(*id).and_then(|one| one.window.take());
            // Not under the lock: it takes a while.
            let samples = window.map(|window| Box::new(window.finish(sampler)));
            if let Some(request) = self.lock().find(*id) {
                request.samples = samples;
            }
        }
        if !over.is_empty() {
            self.desk.news.notify_all();
        }
    }
}

/// For who waits.
impl<S: Sampler> Mine<S> {
    fn turn(&self) -> Turn<S> {
        let mut state = self.lock();
        let samples = state.take_samples(self.id);
        if samples.is_none() && !state.driven {
            state.driven = true;
            let sampler = state.sampler.take();
            return Turn::Drive(sampler.unwrap_or_else(|| Box::new(S::new())));
        }
        let samples = samples.or_else(|| {
            let waited = self.desk.news.wait_timeout(state, LOOK);
            waited
                .unwrap_or_else(PoisonError::into_inner)
                .0
                .take_samples(self.id)
        });
        samples.map_or_else(|| Turn::Wait(self.done_ns()), Turn::Done)
    }

    fn drive(
        &self,
        sampler: Box<S>,
        keep_going: &dyn Fn() -> bool,
        progress: &dyn Fn(u64),
    ) -> Result<(), Failure> {
        let mut driving = Driving {
            desk: self.desk,
            sampler: Some(sampler),
        };
        match &mut driving.sampler {
            Some(sampler) => sampler.drive(self, keep_going, progress),
            None => Ok(()),
        }
    }
}

impl<S: Sampler> Drop for Mine<S> {
    fn drop(&mut self) {
        let mut state = self.lock();
        state.requests.retain(|one| one.id != self.id);
        let idle = state.requests.is_empty() && !state.driven;
        let sampler = if idle { state.sampler.take() } else { None };
        drop(state);
        drop(sampler);
    }
}

/// The sampler, given back when dropped for whoever goes on.
struct Driving<S: Sampler> {
    desk: &'static Desk<S>,
    sampler: Option<Box<S>>,
}

impl<S: Sampler> Drop for Driving<S> {
    fn drop(&mut self) {
        let mut state = self.desk.lock();
        state.driven = false;
        state.sampler = self.sampler.take();
        self.desk.news.notify_all();
    }
}

impl<S: Sampler> State<S> {
    /// Opens the windows of those who came.
    pub(in crate::probe) fn open_new(&mut self, sampler: &mut S) {
        for request in self.requests.iter_mut().filter(|one| !one.opened) {
            request.opened = true;
            request.window = Some(Box::new(S::Window::open(&request.options, sampler)));
        }
    }

    /// The windows that are being filled.
    pub(in crate::probe) fn windows(&mut self) -> impl Iterator<Item = &mut S::Window> {
        let windows = self
            .requests
            .iter_mut()
            .map(|one| one.window.as_deref_mut());
        windows.flatten()
    }

    /// Those whose time is up, or whose callers are gone.
    pub(in crate::probe) fn over(&self) -> Vec<u64> {
        let is_over = |one: &&Request<S>| {
            let window = one.window.as_ref();
            window.is_some_and(|it| one.given_up || it.seen_ns() >= it.span().end)
        };
        let over = self.requests.iter().filter(is_over);
        over.map(|one| one.id).collect()
    }

    /// When the next window is over, on the monotonic clock; never when there is none.
    pub(in crate::probe) fn next_end_ns(&mut self) -> u64 {
        let ends = self.windows().map(|window| window.span().end);
        ends.min().unwrap_or(u64::MAX)
    }

    /// The signal, and the highest rate that is asked for; 0 when nobody asks.
    pub(in crate::probe) fn wanted(&self) -> (i32, u32) {
        let open = self.requests.iter().filter(|one| one.is_open());
        open.fold((0, 0), |(_, hz), Request { options, .. }| {
            (options.signal, hz.max(options.hz).max(1))
        })
    }

    fn find(&mut self, id: u64) -> Option<&mut Request<S>> {
        self.requests.iter_mut().find(|one| one.id == id)
    }

    fn take_samples(&mut self, id: u64) -> Option<Box<Samples>> {
        self.find(id)?.samples.take()
    }
}

impl<S: Sampler> Request<S> {
    /// Whether its window is still to be filled.
    fn is_open(&self) -> bool {
        !self.opened || self.window.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::options, *};
    use crate::model::samples::Report;
    use std::{
        sync::{
            atomic::{AtomicUsize, Ordering},
            mpsc::channel,
        },
        thread,
    };

    static ALL: List<Desk<Rounds>> = List::new();
    static THERE: AtomicUsize = AtomicUsize::new(0);
    static MADE: AtomicUsize = AtomicUsize::new(0);

    /// Counts rounds, and takes each for a nanosecond.
    struct Rounds;
    struct Counted(Range<u64>, u64);

    impl Window<Rounds> for Counted {
        fn open(options: &Options, _: &mut Rounds) -> Self {
            Self(0..options.window.as_nanos() as u64, 0)
        }

        fn span(&self) -> &Range<u64> {
            &self.0
        }

        fn seen_ns(&self) -> u64 {
            self.1
        }

        fn finish(self, _: &mut Rounds) -> Samples {
            let report = Report {
                samples: self.1,
                ..Report::default()
            };
            Samples {
                report,
                ..Samples::default()
            }
        }
    }

    impl Sampler for Rounds {
        type Window = Counted;
        const WHAT: &'static str = "rounds";

        fn new() -> Self {
            THERE.fetch_add(1, Ordering::SeqCst);
            MADE.fetch_add(1, Ordering::SeqCst);
            Rounds
        }

        fn drive(
            &mut self,
            mine: &Mine<Self>,
            keep_going: &dyn Fn() -> bool,
            progress: &dyn Fn(u64),
        ) -> Result<(), Failure> {
            while mine.is_open() {
                if !keep_going() {
                    return Err(Failure::cancelled());
                }
                mine.lock().open_new(self);
                progress(mine.done_ns());
                mine.lock().windows().for_each(|window| window.1 += 1);
                let over = mine.lock().over();
                mine.close(&over, self);
                thread::sleep(Duration::from_millis(1)); // others want the lock, too
            }
            Ok(())
        }
    }

    impl Drop for Rounds {
        fn drop(&mut self) {
            THERE.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn who_comes_second_is_served_by_the_first_and_goes_on_when_that_fails() {
        let window = |rounds| options(1, Duration::from_nanos(rounds));
        let (begun, begins) = channel();
        thread::scope(|scope| {
            scope.spawn(move || {
                begins.recv().unwrap();
                let samples = sample(&ALL, &window(10), &|| true, &|_| {}).unwrap();
                assert_eq!(samples.report.samples, 10);
            });
            let progress = |_| begun.send(()).unwrap_or(());
            let alone = || ours(&ALL).lock().windows().count() < 2;
            assert!(sample(&ALL, &window(u64::MAX), &alone, &progress).is_err());
        });
        let counted = [&MADE, &THERE].map(|it| it.load(Ordering::SeqCst));
        assert_eq!(counted, [1, 0]);
    }

    #[test]
    fn there_is_a_bound() {
        static OTHERS: List<Desk<Rounds>> = List::new();
        let open = || ours(&OTHERS).open(&options(1, Duration::ZERO));
        let mut all: Vec<_> = (0..MOST).map(|_| open().ok().unwrap()).collect();
        assert_eq!(open().err().unwrap().code, Code::Busy);
        all.pop();
        assert!(open().is_ok());
    }
}
