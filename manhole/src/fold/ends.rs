//! What is cut off both ends of a stack: what only serves the wait, and the start of the thread.

use super::{
    frames::{Code, Item, Name},
    path,
    threads::Thread,
    waits::{self, WaitKind},
};

/// The function that Rust starts threads and `main` with, for backtraces to end there.
const MARKER: &str = "__rust_begin_short_backtrace";

/// How a function belongs to the start of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Everything from it on does.
    Marker,
    /// It does if nothing else is behind it.
    Part,
    /// It only calls the closure that the thread was given.
    Call,
}

/// The functions of `thread` behind those that only serve its wait, which its words tell.
pub(super) fn behind_wait<'t, 'a>(thread: &'t Thread<'a>) -> &'t [Item<'a>] {
    let of_wait = |item: &&Item<'_>| match thread.wait.kind {
        WaitKind::Nothing => false,
        // What the marker calls may be hidden in it.
        _ if item.name.rules.start == Some(Start::Marker) => false,
        // It is the runtime that waits.
        WaitKind::BlockOn | WaitKind::Rayon => item.name.rules.may_wait,
        _ => item.name.rules.serves_wait,
    };
    let count = thread.items.iter().take_while(of_wait).count();
    thread.items.get(count..).unwrap_or_default()
}

/// Whether a function only serves a wait: libraries of C, std's locks and I/O, and their like.
pub(super) fn serves_wait(name: &Name) -> bool {
    let of = name.of.as_str();
    match name.code {
        Code::App | Code::Derived => false,
        Code::Native | Code::Nameless => is_libc(of),
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
    let start = |item: &Item<'_>| item.name.rules.start;
    let marker = items
        .iter()
        .rposition(|item| start(item) == Some(Start::Marker));
    let end = marker.unwrap_or_else(|| {
        let last = items.iter().rposition(|item| start(item).is_none());
        last.map_or(0, |at| at + 1)
    });
    let items = items.get(..end).unwrap_or(items);
    let from_root = items.iter().rev();
    let calls = from_root
        .take_while(|item| start(item) == Some(Start::Call))
        .count();
    items.get(..end - calls).unwrap_or(items)
}

/// How a function belongs to the start of a thread, if it does.
pub(super) fn start(name: &Name) -> Option<Start> {
    let last = name.last();
    match (name.code, name.of.as_str()) {
        (Code::Native, _) => {
            let c_name = path::c_name(last);
            let begins = c_name.starts_with("start") || c_name.starts_with("clone");
            (begins || matches!(c_name, "main" | "thread_start")).then_some(Start::Part)
        }
        (Code::Foreign, "std") if last == MARKER => Some(Start::Marker),
        (Code::Foreign, "std") => {
            let modules = ["::rt", "::panic", "::thread", "::backtrace"];
            let is_in = modules.iter().any(|module| name.path.contains(module));
            is_in.then_some(Start::Part)
        }
        (Code::Foreign, "core") if last == "call_once" => Some(Start::Call),
        (Code::Foreign, "alloc") if last == "call_once" => Some(Start::Part),
        _ => None,
    }
}
