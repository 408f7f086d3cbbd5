//! Where the application's code is probably hidden: in functions that run what they are given, when
//! nobody knows what the compiler merged into them.
//!
//! A binary with a symbol table only shows `Handler::call` and not the handler that was inlined there.

use super::{
    frames::{Code, Item, Name},
    threads::Thread,
    waits::WaitKind,
};

/// A function that runs what it is given, by its crate, a part of its path and its last word; and
/// what that was.
type Caller = (&'static str, &'static str, &'static str, &'static str);

const HANDLER: &str = "(inlined here: probably one of your handlers)";
const SERVICE: &str = "(inlined here: probably one of your services)";
const TASK: &str = "(inlined here: probably one of your tasks)";
const BLOCKING: &str = "(inlined here: probably a blocking closure)";
const JOB: &str = "(inlined here: probably one of your closures)";
/// What is said of a thread whose whole function is out of sight.
pub(super) const THREAD: &str =
    "(the thread's own function has no name here: it is probably inlined)";

const CALLERS: [Caller; 13] = [
    ("axum", "andler", "call", HANDLER),
    ("actix_web", "andler", "", HANDLER),
    ("poem", "", "call", HANDLER),
    ("warp", "", "call", HANDLER),
    ("rocket", "andler", "handle", HANDLER),
    ("tower", "", "call", SERVICE),
    ("hyper", "service", "call", SERVICE),
    ("tonic", "", "call", SERVICE),
    ("tokio", "::BlockingTask::", "poll", BLOCKING),
    ("tokio", "::task::core::", "poll", TASK),
    ("tokio", "::task::raw::", "poll", TASK),
    ("rayon_core", "::job::", "", JOB),
    (
        "std",
        "::backtrace::",
        "__rust_begin_short_backtrace",
        THREAD,
    ),
];

/// Of `items`, the functions of `thread` behind its wait: where the application's code is probably
/// hidden, and a remark that says so. `None` when some of it is in sight.
pub(super) fn hidden(thread: &Thread<'_>, items: &[Item<'_>]) -> Option<(usize, &'static str)> {
    let is_at_rest = match thread.wait.kind {
        WaitKind::Work | WaitKind::BlockOn => true,
        WaitKind::Events(_) => thread.role.kind.root().is_some(),
        _ => false,
    };
    if is_at_rest || thread.app().next().is_some() {
        return None;
    }
    for (at, item) in items.iter().enumerate() {
        let remark = item.name.rules.caller.filter(|_| item.hides());
        match remark {
            // A task or a thread of another crate's, if that has frames of its own.
            Some(TASK | THREAD | JOB)
                if items.iter().take(at).any(|item| item.name.rules.others) =>
            {
                return None;
            }
            Some(remark) => return Some((at, remark)),
            None => {}
        }
    }
    None
}

/// What is said where what `name` runs is inlined into it.
pub(super) fn caller(name: &Name) -> Option<&'static str> {
    let mut callers = CALLERS.iter();
    let found = callers.find(|(of, part, last, _)| {
        name.is_in(of, part) && (last.is_empty() || name.last() == *last)
    });
    found.map(|(.., remark)| *remark)
}

/// Whether a function is of a crate that nobody would inline the application into.
pub(super) fn is_others(name: &Name) -> bool {
    let shared = ["core", "alloc", "std", "tokio", "rayon", "rayon_core"];
    matches!(name.code, Code::Foreign | Code::Derived) && !shared.contains(&name.of.as_str())
}
