//! From a builder to a running console: once per process, without ever hurting it.

use super::{
    Builder, Console, Signal, Status,
    environment::{self, Environment},
    handle::Inner,
    island, log_line,
};
use crate::{
    Error, ErrorKind,
    command::{Access, State},
    model::Level,
    sys,
};
use std::{
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, TryLockError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

/// How long `install` waits for the socket.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long `try_install` does.
const TRY_PATIENCE: Duration = Duration::from_millis(500);
/// Stack of the console's thread.
const STACK: usize = 512 << 10;

/// The process that is installing right now, or 0. A forked child sees its parent's number and
/// knows that nobody will ever finish that work.
static INSTALLING: AtomicU32 = AtomicU32::new(0);
/// The console of this process.
static INSTALLED: Mutex<Option<Arc<Inner>>> = Mutex::new(None);

/// `Builder::install`.
pub(super) fn install(builder: Builder) -> Console {
    let patience = builder.start_timeout.unwrap_or(PATIENCE);
    started(builder, PATIENCE).unwrap_or_else(|(console, log)| {
        // The first may be at it on another thread: what is handed out should be as ready.
        console
            .inner
            .wait(patience, |status| *status != Status::Starting);
        log.line("manhole: installed a second time; the first console goes on as it is");
        console
    })
}

/// `Builder::try_install`.
pub(super) fn try_install(builder: Builder) -> Result<Console, Error> {
    let taken = "a console is already installed in this process";
    started(builder, TRY_PATIENCE)
        .map_err(|_| Error::new(ErrorKind::AlreadyInstalled, taken))?
        .into_result()
}

/// Starts a console and gives it a moment to say what became of it; the other arm is the one that
/// was there before.
fn started(builder: Builder, patience: Duration) -> Result<Console, (Console, log_line::Log)> {
    let patience = builder.start_timeout.unwrap_or(patience);
    let before = Instant::now();
    let (console, log) = begin(builder)?;
    let decided = |status: &Status| *status != Status::Starting;
    let left = patience.saturating_sub(before.elapsed());
    console.inner.wait(left, decided);
    log.say(&console);
    Ok(console)
}

/// The console of this process, held for some instructions at a time. Tried, not waited for: in a
/// forked child a thread that exists no more may hold it for ever.
fn installed() -> Option<MutexGuard<'static, Option<Arc<Inner>>>> {
    let until = Instant::now() + PATIENCE;
    loop {
        match INSTALLED.try_lock() {
            Ok(slot) => return Some(slot),
            Err(TryLockError::Poisoned(slot)) => return Some(slot.into_inner()),
            Err(TryLockError::WouldBlock) if Instant::now() > until => return None,
            Err(TryLockError::WouldBlock) => std::thread::yield_now(),
        }
    }
}

/// The console that is installed in this very process. One that failed does not stand in the way of
/// another try.
fn current() -> Option<Arc<Inner>> {
    let inner = installed()?.clone()?;
    let over = matches!(inner.status(), Status::Failed(_) | Status::Closed);
    (inner.is_ours() && !over).then_some(inner)
}

/// Forgets `inner`, so that a console can be installed anew.
pub(super) fn forget(inner: &Arc<Inner>) {
    if let Some(mut slot) = installed()
        && slot
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, inner))
    {
        *slot = None;
    }
}

/// Starts the console unless there is one; the other arm gives that one.
fn begin(builder: Builder) -> Result<(Console, log_line::Log), (Console, log_line::Log)> {
    let log = log_line::Log::new(builder.log_to.clone());
    let me = std::process::id();
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(inner) = current() {
            return Err((Console { inner }, log));
        }
        let seen = INSTALLING.load(Ordering::SeqCst);
        if seen != me
            && INSTALLING
                .compare_exchange(seen, me, Ordering::SeqCst, Ordering::SeqCst)
                .is_ok()
        {
            break;
        }
        if Instant::now() > until {
            // Another thread of ours is at it and slow: its console is not ours to hand out yet.
            let inner = Inner::new(
                None,
                Status::Failed("another thread is installing the console".to_owned()),
            );
            return Err((Console { inner }, log));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let inner = prepare(builder, &log);
    let before = installed().and_then(|mut slot| slot.replace(inner.clone()));
    drop(before); // with the lock released
    INSTALLING.store(0, Ordering::SeqCst);
    Ok((Console { inner }, log))
}

fn prepare(builder: Builder, log: &log_line::Log) -> Arc<Inner> {
    if cfg!(feature = "stub") {
        return Inner::new(
            None,
            Status::Disabled("built with the feature stub".to_owned()),
        );
    }
    let environment = environment::read();
    for complaint in &environment.complaints {
        log.line(&format!("manhole: {complaint}"));
    }
    if environment.off {
        return Inner::new(None, Status::Disabled("MANHOLE=off".to_owned()));
    }
    launch(builder, environment)
}

/// Makes the state and the thread. Whatever fails here is the status, never the process's end.
fn launch(mut builder: Builder, environment: Environment) -> Arc<Inner> {
    sys::pin_object();
    sys::origin::claim();
    let access = access(&builder, &environment);
    super::fork::remember(&builder, &access);
    let name = builder.name.take().unwrap_or_else(executable);
    let listener = log_line::listener(builder.audit.take());
    let mut state = State::new(name, builder.version.take(), access, listener);
    state.routes = std::mem::take(&mut builder.routes);
    state.stacks.app_crates = std::mem::take(&mut builder.app_crates);
    if let Some(signal) = builder.signal {
        state.stacks.signal = signal.number();
    }
    log_line::connect_messages(builder.log_to.clone());
    super::rights::watch();
    crate::app::activate();
    state.routes.activate();
    let dormant = builder.activate_on.filter(|_| !environment.on);
    // Not on the console's thread: once this returns, the signal must not end the process.
    let status = match dormant.map(Signal::prepare) {
        None => Status::Starting,
        Some(Ok(())) => Status::Dormant,
        Some(Err(why)) => return Inner::new(None, Status::Failed(why)),
    };
    let inner = Inner::new(Some(Arc::new(state)), status);
    let (place, handover) = island::hand_over(std::mem::take(&mut builder.place));
    let plan = island::Plan {
        place,
        environment,
        dormant: dormant.is_some(),
        open_to_others: !builder.uids.is_empty() || !builder.gids.is_empty(),
        cap_is_chosen: builder.max_level.is_some(),
    };
    let theirs = inner.clone();
    let spawned = sys::signals::blocked_while(|| {
        std::thread::Builder::new()
            .name("manhole".to_owned())
            .stack_size(STACK)
            .spawn(move || island::run(theirs, plan))
    });
    match spawned {
        Ok(_) => handover.finish(PATIENCE),
        Err(error) => inner.set(Status::Failed(format!(
            "failed to start the console's thread: {error}"
        ))),
    }
    inner
}

fn access(builder: &Builder, environment: &Environment) -> Access {
    let by_choice = builder.max_level;
    let mut access = Access {
        uids: builder.uids.clone(),
        gids: builder.gids.clone(),
        cap: by_choice,
        cap_reason: by_choice.map(|_| "the service's max_level"),
        chosen: by_choice.is_some(),
    };
    let mut lower = |level: Level, reason| {
        if access.cap.is_none_or(|cap| level < cap) {
            access.cap = Some(level);
            access.cap_reason = Some(reason);
        }
    };
    if let Some(level) = environment.max_level {
        lower(level, "MANHOLE_MAX_LEVEL");
    }
    if let Some((level, reason)) = builder.inherited {
        lower(level, reason);
    }
    if by_choice.is_none() && sys::process::undumpable_by_choice() {
        lower(Level::View, "the process made itself undumpable");
    }
    access
}

fn executable() -> String {
    let path = std::env::current_exe().ok();
    let name = path
        .as_deref()
        .and_then(Path::file_name)
        .and_then(|name| name.to_str());
    name.unwrap_or("process")
        .trim_end_matches(" (deleted)")
        .to_owned()
}
