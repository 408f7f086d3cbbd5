//! What a service may do to its own process, behind the console's back.

use super::{Answer, number, raw};
use nix::{
    sys::{
        resource::{Resource, getrlimit, setrlimit},
        stat::{Mode, umask},
    },
    unistd::{Gid, Uid},
};
use std::{
    fs::File,
    process::{Command, Stdio},
    sync::Mutex,
    time::Duration,
};

pub(crate) fn perform(name: &str, words: &[&str]) -> Option<Answer> {
    Some(match name {
        "pid" => Ok(std::process::id().to_string()),
        "umask" => {
            octal(words).map(|mask| format!("{:o}", umask(Mode::from_bits_truncate(mask)).bits()))
        }
        "setuid" => number(words, 0).and_then(set_uid),
        "close_fds" => Ok(close_fds()),
        "set_env" => set_env(words),
        "chdir" => done(nix::unistd::chdir(words.first().copied().unwrap_or("/"))),
        "emfile" => number(words, 0).and_then(emfile),
        "rlimit" => rlimit(words),
        "no_memory" => number(words, 0).and_then(no_memory),
        "undumpable" => done(nix::sys::prctl::set_dumpable(false)),
        "sigpipe_default" => done(raw::sigpipe_default()),
        "exit" => std::process::exit(number(words, 0).unwrap_or(0)),
        "abort" => std::process::abort(),
        "return" => std::process::exit(0),
        "panic" => Ok(panic_in_thread()),
        "panic_main" => panic!("the main thread panics"),
        "wedge" => wedge(),
        "stay" => Ok(stay()),
        "spawn" => spawn(),
        "sleepers" => number(words, 0).map(sleepers),
        "evil_thread" => thread("\x1b[31mbad"),
        "hold" => hold(words),
        _ => return None,
    })
}

pub(crate) fn done<T>(result: nix::Result<T>) -> Answer {
    result
        .map(|_| String::new())
        .map_err(|errno| errno.to_string())
}

fn octal(words: &[&str]) -> Result<u32, String> {
    let word = words.first().copied().unwrap_or("");
    u32::from_str_radix(word, 8).map_err(|_| format!("{word:?} is no mask"))
}

fn set_env(words: &[&str]) -> Answer {
    let [name, value] = words else {
        return Err("a name and a value?".to_owned());
    };
    // With a `=` before it a value may be empty.
    raw::set_env(name, value.trim_start_matches('='));
    Ok(String::new())
}

/// Gives up root for good, as a daemon does.
fn set_uid(uid: u32) -> Answer {
    let gid = Gid::from_raw(uid);
    let uid = Uid::from_raw(uid);
    done(
        nix::unistd::setgroups(&[])
            .and_then(|()| nix::unistd::setresgid(gid, gid, gid))
            .and_then(|()| nix::unistd::setresuid(uid, uid, uid)),
    )
}

/// Closes every descriptor there is, as daemons of old do. The answer is lost with them.
fn close_fds() -> String {
    super::answer("ok closing");
    for fd in 0..1024 {
        let _ = nix::unistd::close(fd); // most are not open
    }
    // Nobody can tell us anything any more.
    loop {
        std::thread::park();
    }
}

/// Opens files until no more can be had, with a limit of `limit`, and keeps them.
fn emfile(limit: u64) -> Answer {
    static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(|errno| errno.to_string())?;
    setrlimit(Resource::RLIMIT_NOFILE, limit.min(hard), hard).map_err(|errno| errno.to_string())?;
    let mut held = HELD
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    loop {
        match File::open("/dev/null") {
            Ok(file) => held.push(file),
            Err(error) => return Ok(format!("{} {error}", held.len())),
        }
    }
}

fn rlimit(words: &[&str]) -> Answer {
    let resource = match words.first().copied() {
        Some("as") => Resource::RLIMIT_AS,
        Some("nproc") => Resource::RLIMIT_NPROC,
        Some("nofile") => Resource::RLIMIT_NOFILE,
        _ => return Err("no such limit".to_owned()),
    };
    let limit = number(words, 1)?;
    done(setrlimit(resource, limit, limit))
}

/// Leaves the process `spare` KiB of address space beyond what it has.
fn no_memory(spare: u64) -> Answer {
    let statm = std::fs::read_to_string("/proc/self/statm").map_err(|error| error.to_string())?;
    let pages: u64 = statm
        .split(' ')
        .next()
        .and_then(|pages| pages.parse().ok())
        .ok_or("statm")?;
    let limit = pages * 4096 + spare * 1024;
    done(setrlimit(Resource::RLIMIT_AS, limit, limit))
}

fn panic_in_thread() -> String {
    let ended = std::thread::spawn(|| panic!("a thread of the service panics")).join();
    format!("panicked {}", ended.is_err())
}

/// The main thread waits for itself, for ever.
fn wedge() -> ! {
    super::answer("ok wedged");
    let lock = Mutex::new(());
    let _first = lock.lock();
    let _second = lock.lock();
    loop {
        std::thread::park();
    }
}

/// Outlives the end of its standard input.
fn stay() -> String {
    std::thread::spawn(|| {
        std::thread::sleep(Duration::from_secs(600));
        std::process::exit(9);
    });
    super::answer("ok");
    loop {
        std::thread::park();
    }
}

/// Starts a program by std, which uses `posix_spawn`, and answers with its pid.
fn spawn() -> Answer {
    let child = Command::new("sleep")
        .arg("600")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn();
    child
        .map(|child| child.id().to_string())
        .map_err(|error| error.to_string())
}

/// Starts threads that only wait.
fn sleepers(count: usize) -> String {
    let started = (0..count).map(|number| {
        let thread = std::thread::Builder::new()
            .name(format!("sleeper-{number}"))
            .stack_size(64 << 10);
        thread.spawn(|| {
            loop {
                std::thread::park();
            }
        })
    });
    started.filter(Result::is_ok).count().to_string()
}

/// Starts one thread with a name that a terminal would obey.
fn thread(name: &str) -> Answer {
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(|| {
        loop {
            std::thread::park();
        }
    });
    started
        .map(|_| String::new())
        .map_err(|error| error.to_string())
}

/// Takes memory and keeps it, in MiB.
fn hold(words: &[&str]) -> Answer {
    let mib: usize = number(words, 0)?;
    let mut bytes: Vec<u8> = Vec::new();
    bytes
        .try_reserve_exact(mib << 20)
        .map_err(|error| error.to_string())?;
    bytes.resize(mib << 20, 1);
    std::mem::forget(bytes);
    Ok(String::new())
}
