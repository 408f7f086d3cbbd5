//! Dumps written as text, for tests.
//!
//! ```text
//! # a remark
//! symtab                  inlined functions are not known (before the threads)
//! crates shop_core        the builder named these
//! thread 4713 tokio-rt-worker S futex 0x7f00 0x0 0x2 0x0
//!   libc.so.6 | syscall
//!   checkout | checkout::cache::Cache::lookup | /srv/checkout/src/cache.rs:6
//!   + | checkout::price | /srv/checkout/src/main.rs:14
//!   (start)
//! ```
//!
//! A line is a function: the file that its code is in, its name, its place. `+` stands for the file
//! of the line before, and says that what is above was inlined into it. `thread` is followed by id,
//! name, state, and what it is blocked in; `main` by the same. No name is `?`, one found by searching
//! the stack begins with `??`. `(start)` stands for the frames that Rust starts a thread with.

use crate::model::stack::{Answered, Call, Dump, End, Frame, Function, Module, ThreadStack};
use nix::libc;

/// When samples are taken: 2026-11-21T03:12:44Z.
pub(in crate::fold) const TAKEN: u64 = 1_795_230_764_000_000_000;

/// What is at the root of every thread that Rust started.
const START: [&str; 5] = [
    "checkout | std::sys::backtrace::__rust_begin_short_backtrace",
    "checkout | core::ops::function::FnOnce::call_once{{vtable.shim}}",
    "checkout | <std::sys::thread::unix::Thread>::new::thread_start",
    "libc.so.6 | start_thread",
    "libc.so.6 | clone3",
];

/// The dump that `text` describes, of the program `checkout`.
pub(in crate::fold) fn dump(text: &str) -> Dump {
    let mut dump = Dump {
        taken_unix_ns: TAKEN,
        modules: vec![Module {
            path: "/usr/bin/checkout".to_owned(),
            binary: true,
            ..Module::default()
        }],
        ..Dump::default()
    };
    let mut inlines_known = true;
    for line in text.lines() {
        let word = line.split_whitespace().next().unwrap_or("#");
        match word {
            "#" => {}
            "symtab" => inlines_known = false,
            "crates" => dump
                .app_crates
                .extend(line.split_whitespace().skip(1).map(str::to_owned)),
            "thread" | "main" => dump.threads.push(thread(line)),
            "(start)" => START
                .iter()
                .for_each(|line| add(&mut dump, line, inlines_known)),
            _ => add(&mut dump, line.trim(), inlines_known),
        }
    }
    dump
}

fn thread(line: &str) -> ThreadStack {
    let mut words = line.split_whitespace();
    let main = words.next() == Some("main");
    let tid = words.next().unwrap().parse().unwrap();
    ThreadStack {
        tid,
        name: words.next().unwrap().to_owned(),
        main,
        state: words.next().unwrap().chars().next().unwrap(),
        answer: Answered::Stack,
        end: End::Root,
        call: words.next().map(|name| call(name, words)),
        ..ThreadStack::default()
    }
}

fn call<'a>(name: &str, arguments: impl Iterator<Item = &'a str>) -> Call {
    let number = match name {
        "futex" => libc::SYS_futex,
        "sleep" => libc::SYS_clock_nanosleep,
        "epoll" => libc::SYS_epoll_pwait,
        "recv" => libc::SYS_recvfrom,
        "read" => libc::SYS_read,
        "accept" => libc::SYS_accept4,
        "child" => libc::SYS_wait4,
        number => number.parse().unwrap_or(-1),
    };
    let mut call = Call {
        number: Some(number).filter(|number| *number >= 0),
        ..Call::default()
    };
    for (at, word) in arguments.enumerate() {
        match word.strip_prefix("0x") {
            Some(hex) if at < 6 => call.arguments[at] = u64::from_str_radix(hex, 16).unwrap(),
            _ => call.on = Some(word.to_owned()),
        }
    }
    call
}

fn add(dump: &mut Dump, line: &str, inlines_known: bool) {
    let mut parts = line.split('|').map(str::trim);
    let (file, name) = (parts.next().unwrap(), parts.next().unwrap());
    let place = parts.next().unwrap_or_default();
    let place = place.rsplit_once(':');
    let function = Function {
        name: name.trim_start_matches("??").trim().to_owned(),
        mangled: None,
        file: place.map(|(file, _)| file.to_owned()),
        line: place.and_then(|(_, line)| line.parse().ok()),
    };
    let module = (file != "+").then(|| module(dump, file));
    let address = dump.threads.iter().map(|thread| thread.frames.len() as u64);
    let address = 0x1000 + address.sum::<u64>();
    let mut frames = dump.threads.last().unwrap().frames.to_vec();
    match module {
        None => {
            let frame = frames.last_mut().unwrap();
            frame.functions = frame.functions.iter().cloned().chain([function]).collect();
        }
        module => frames.push(Frame {
            address,
            module,
            uncertain: name.starts_with("??"),
            functions: [function]
                .into_iter()
                .filter(|function| function.name != "?")
                .collect(),
            inlines_known,
        }),
    }
    dump.threads.last_mut().unwrap().frames = frames.into();
}

fn module(dump: &mut Dump, file: &str) -> u32 {
    let is = |module: &Module| module.path.rsplit('/').next() == Some(file);
    let at = dump.modules.iter().position(is).unwrap_or_else(|| {
        dump.modules.push(Module {
            path: format!("/lib/{file}"),
            ..Module::default()
        });
        dump.modules.len() - 1
    });
    at as u32
}
