//! What the storm consists of, a round of each kind of work.

use crate::{bare, bare::Library, coroutine, raw, steps};
use nix::{
    libc,
    sys::wait::{WaitStatus, waitpid},
    unistd::ForkResult,
};
use std::{
    ffi::{CString, c_int, c_void},
    hint::black_box,
    panic::{catch_unwind, resume_unwind},
    process::Command,
    sync::OnceLock,
    thread,
    time::Duration,
};

/// What is loaded and unloaded; nothing where libraries cannot be loaded.
static PLUGIN: OnceLock<Option<CString>> = OnceLock::new();

pub(super) fn prepare(plugin: Option<CString>) -> Result<(), String> {
    PLUGIN.get_or_init(|| plugin);
    std::panic::set_hook(Box::new(|_| {})); // thousands of them would fill the log
    let flags = libc::SA_ONSTACK | libc::SA_RESTART;
    bare::handle(libc::SIGUSR2, on_another_stack, flags).map_err(text)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Lets the other threads have a core: there are more of them than cores.
fn breathe() {
    thread::sleep(Duration::from_micros(300));
}

/// Threads that come and go, each below some steps.
pub(super) fn threads() -> Result<(), String> {
    let spawn = |depth: usize| {
        let thread = thread::Builder::new().stack_size(64 << 10);
        thread.spawn(move || black_box(steps::descend(depth, work_a_little, depth as u64)))
    };
    let started: Vec<_> = (0..8).map(spawn).collect();
    for thread in started {
        let joined = thread.map_err(text)?.join();
        joined.map_err(|_| "a thread panicked".to_owned())?;
    }
    breathe();
    Ok(())
}

#[inline(never)]
fn work_a_little(seed: u64) -> u64 {
    (0..500).fold(seed, |sum, number| black_box(sum ^ number))
}

/// Unwinding through frames that have something to drop.
pub(super) fn panics() -> Result<(), String> {
    for depth in 0..20 {
        let caught = catch_unwind(|| dropping(depth));
        match caught.map_err(|cause| cause.downcast::<&str>()) {
            Err(Ok(text)) if *text == "the storm" => {}
            other => return Err(format!("{other:?} came of a panic")),
        }
    }
    breathe();
    Ok(())
}

#[inline(never)]
fn dropping(depth: usize) -> usize {
    let kept = black_box(vec![depth; 10]);
    if depth == 0 {
        match black_box(true) {
            true => panic!("the storm"),
            false => resume_unwind(Box::new(1)),
        }
    }
    dropping(depth - 1) + black_box(&kept).len()
}

/// Memory of all sizes, from the heap and from the kernel.
pub(super) fn allocations() -> Result<(), String> {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for round in 0..200_usize {
        kept.push(black_box(vec![
            1;
            (round * 7919) % 300_000 / (1 + round % 60)
        ]));
        if round % 3 == 0 {
            kept.swap_remove(round / 5);
        }
    }
    breathe();
    Ok(())
}

/// Loads the plugin, has a thread in it, and unloads it.
pub(super) fn plugins() -> Result<(), String> {
    let Some(path) = PLUGIN.get().and_then(Option::as_ref) else {
        breathe();
        return Ok(());
    };
    let library = Library::open(path)?;
    let pass = library.entry(c"plugin_pass")?;
    let visits = [300, 600].map(|microseconds| thread::spawn(move || pass(microseconds)));
    for visit in visits {
        visit.join().map_err(|_| "a visit panicked".to_owned())?;
    }
    library.close()
}

/// Waits for a child's end, which must be an orderly one.
fn reap(child: nix::unistd::Pid) -> Result<(), String> {
    match waitpid(child, None).map_err(text)? {
        WaitStatus::Exited(_, 0) => Ok(()),
        other => Err(format!("a child: {other:?}")),
    }
}

pub(super) fn forks() -> Result<(), String> {
    match raw::fork().map_err(text)? {
        ForkResult::Parent { child } => reap(child)?,
        ForkResult::Child => raw::exit_now(0),
    }
    thread::sleep(Duration::from_millis(2));
    Ok(())
}

pub(super) fn execs() -> Result<(), String> {
    reap(raw::fork_exec(c"/bin/true", &[c"true"]).map_err(text)?)?;
    thread::sleep(Duration::from_millis(3));
    Ok(())
}

/// As std starts programs: by vfork, with the parent in uninterruptible sleep.
pub(super) fn commands() -> Result<(), String> {
    let status = Command::new("/bin/true").status().map_err(text)?;
    thread::sleep(Duration::from_millis(3));
    match status.success() {
        true => Ok(()),
        false => Err(format!("a command: {status}")),
    }
}

pub(super) fn coroutines() -> Result<(), String> {
    black_box(coroutine::switch(20));
    Ok(())
}

/// Handlers that stand on a stack of their own for a while.
pub(super) fn handlers() -> Result<(), String> {
    thread_local! {
        static STACK: std::io::Result<()> = bare::alternate_stack(64 << 10);
    }
    STACK.with(|made| made.as_ref().map_err(text).map(drop))?;
    let me = nix::unistd::gettid().as_raw();
    bare::to_thread(me, libc::SIGUSR2).map_err(text)?;
    breathe();
    Ok(())
}

extern "C" fn on_another_stack(_: c_int, _: *mut libc::siginfo_t, _: *mut c_void) {
    black_box(steps::descend(9, work_longer, 9));
}

#[inline(never)]
fn work_longer(seed: u64) -> u64 {
    (0..100_000).fold(seed, |sum, number| black_box(sum ^ number))
}
