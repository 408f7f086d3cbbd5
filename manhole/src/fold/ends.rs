//! What is cut off both ends of a stack: what only serves the wait, and the start of the thread.

use super::{
    frames::{Code, Item, Name},
    path,
    threads::Thread,
    waits::{self, WaitKind},
};

/// The function that Rust starts threads and `main` with, for backtraces to end there.
const START: &str = "__rust_begin_short_backtrace";

/// The functions of `thread` behind those that only serve its wait, which its words tell.
pub(super) fn behind_wait<'t, 'a>(thread: &'t Thread<'a>) -> &'t [Item<'a>] {
    let of_wait = |item: &&Item<'_>| match thread.wait.kind {
        WaitKind::Nothing => false,
        // It is the runtime that waits.
        WaitKind::BlockOn | WaitKind::Rayon => {
            waits::may_wait(&item.name) && item.name.last() != START
        }
        _ => is_of_wait(&item.name),
    };
    let count = thread.items.iter().take_while(of_wait).count();
    thread.items.get(count..).unwrap_or_default()
}

/// Whether a function only serves the wait: libraries of C, std's locks and I/O, and their like.
fn is_of_wait(name: &Name) -> bool {
    let of = name.of.as_str();
    match name.code {
        Code::App | Code::Derived => false,
        Code::Native | Code::Nameless => is_libc(of),
        // The marker stays: what it calls may be hidden in it.
        Code::Foreign if name.last() == START => false,
        Code::Foreign => waits::may_wait(name) && !matches!(of, "tokio" | "rayon_core"),
    }
}

/// Whether a file is part of the C library.
fn is_libc(library: &str) -> bool {
    let parts = [
        "libc",
        "libc.musl",
        "libpthread",
        "ld-linux",
        "ld-musl",
        "[vdso]",
    ];
    library.is_empty()
        || parts.iter().any(|part| {
            let rest = library.strip_prefix(part);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        })
}

/// `items` without the start of the thread or of `main`, which says nothing.
pub(super) fn without_start<'t, 'a>(items: &'t [Item<'a>]) -> &'t [Item<'a>] {
    let marker = items.iter().rposition(|item| item.name.last() == START);
    let end = marker.unwrap_or_else(|| {
        let last = items.iter().rposition(|item| !is_start(&item.name));
        last.map_or(0, |at| at + 1)
    });
    let items = items.get(..end).unwrap_or(items);
    // The call of the closure itself.
    let is_call = |item: &&Item<'_>| item.name.last() == "call_once" && item.name.of == "core";
    let calls = items.iter().rev().take_while(is_call).count();
    items.get(..end - calls).unwrap_or(items)
}

/// Whether a function starts threads or programs.
fn is_start(name: &Name) -> bool {
    let begins = |name: &str| ["start", "clone"].iter().any(|word| name.starts_with(word));
    match name.code {
        Code::Native => {
            let c_name = path::c_name(&name.path);
            begins(c_name) || matches!(c_name, "main" | "thread_start")
        }
        Code::Foreign => match name.of.as_str() {
            "std" => {
                let parts = ["::rt", "::panic", "::thread", "::backtrace"];
                parts.iter().any(|part| name.path.contains(part))
            }
            "core" | "alloc" => matches!(name.last(), "call_once" | "{}"),
            _ => false,
        },
        Code::App | Code::Derived | Code::Nameless => false,
    }
}
