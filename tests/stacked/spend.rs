//! Threads that use the processor in ways that are hard to sample: inside system calls, for moments
//! only, by shares, and in processes that were forked. Until they are told to end (`burn_end`).

use super::{Answer, burn, known, number, raw};
use nix::{
    sys::{
        resource::{UsageWho, getrusage},
        time::TimeValLike,
        wait::waitpid,
    },
    unistd::{ForkResult, execv},
};
use std::{
    ffi::CStr,
    fs::File,
    hint::black_box,
    io::Read,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

/// What shares are of.
const ROUND: Duration = Duration::from_millis(100);
/// A program that computes and has no handler for anything. Its end tells how it went.
const SHELL: (&CStr, [&CStr; 3]) = (
    c"/bin/sh",
    [
        c"sh",
        c"-c",
        c"i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done; exit 7",
    ],
);
/// How long a forked child computes, in microseconds.
const CHILD: u64 = 300_000;

/// What threads called `brief` have used, in microseconds, each when it ends.
static SPENT: AtomicU64 = AtomicU64::new(0);

pub(crate) fn perform(name: &str, words: &[&str]) -> Option<Answer> {
    Some(match name {
        "spend_in_zeros" => known::start("zeros".to_owned(), read_zeros),
        "spend_in_randoms" => known::start("randoms".to_owned(), read_randoms),
        "spend_briefly" => number(words, 0).and_then(briefly),
        "spent_briefly" => Ok(SPENT.load(Ordering::SeqCst).to_string()),
        "spend_share" => number(words, 0).and_then(share),
        "spend_forked" => forked(),
        "spend_as_shell" => ended(raw::fork_exec(SHELL.0, &SHELL.1)),
        "become_shell" => execv(SHELL.0, &SHELL.1)
            .map(|never| match never {})
            .map_err(|errno| errno.to_string()),
        _ => return None,
    })
}

/// What the calling thread has used, in microseconds.
fn used() -> u64 {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).expect("a thread has its usage");
    let used = usage.user_time() + usage.system_time();
    used.num_microseconds().unsigned_abs()
}

/// Computes until the calling thread has used so many microseconds more.
#[inline(never)]
fn spend(micros: u64) {
    let until = used() + micros;
    while used() < until {
        (0..20_000_u64).for_each(|number| {
            black_box(number);
        });
    }
}

#[inline(never)]
fn read_zeros() {
    black_box(read_all("/dev/zero")); // no tail call: the function is to be on the stack
}

#[inline(never)]
fn read_randoms() {
    black_box(read_all("/dev/urandom"));
}

/// A read of 8 MB takes longer than the kernel takes from tick to tick.
fn read_all(path: &str) -> usize {
    let mut file = File::open(path).expect("a device");
    let mut bytes = vec![0; 8 << 20];
    let mut count = 0;
    while !burn::is_over() {
        count += file.read(&mut bytes).expect("bytes");
    }
    count
}

/// Has one thread after the other compute for so many microseconds, without saying so to anybody.
fn briefly(micros: u64) -> Answer {
    known::start("starter".to_owned(), move || {
        while !burn::is_over() {
            let work = move || {
                spend(micros);
                SPENT.fetch_add(used(), Ordering::SeqCst);
            };
            let brief = thread::Builder::new().name("brief".to_owned()).spawn(work);
            let _ = brief.map(thread::JoinHandle::join);
        }
    })
}

/// Starts a thread that uses so many hundredths of a core.
fn share(percent: u64) -> Answer {
    let micros = u64::try_from(ROUND.as_micros()).unwrap_or(0) * percent / 100;
    known::start(format!("share-{percent}"), move || {
        let mut next = Instant::now();
        while !burn::is_over() {
            spend(micros);
            // One that comes late makes up for nothing: what it used is asked of the kernel.
            next = (next + ROUND).max(Instant::now());
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    })
}

/// Forks a child that computes; how it ended.
fn forked() -> Answer {
    match raw::fork().map_err(|errno| errno.to_string())? {
        ForkResult::Parent { child } => ended(Ok(child)),
        ForkResult::Child => {
            spend(CHILD);
            raw::exit_now(7)
        }
    }
}

fn ended(child: nix::Result<nix::unistd::Pid>) -> Answer {
    let status = child.and_then(|child| waitpid(child, None));
    status
        .map(|status| format!("{status:?}"))
        .map_err(|errno| errno.to_string())
}
