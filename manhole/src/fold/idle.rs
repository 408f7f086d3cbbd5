//! Which blocked threads wait for work, and so need no line of their own.

use super::{
    ends::behind_wait, hidden::hidden, path, roles::RoleKind, threads::Thread, waits::WaitKind,
};

/// Whether `thread`, which waits for something else than a lock, waits for work.
pub(super) fn is_idle(thread: &Thread<'_>) -> bool {
    let role = thread.role.kind;
    let has_app = thread.app().next().is_some();
    match thread.wait.kind {
        // A rayon worker in the middle of a job waits for the other half of it.
        WaitKind::Work => role != RoleKind::Rayon || !has_app,
        WaitKind::Events("epoll" | "io_uring" | "io_uring worker" | "aio") => true,
        WaitKind::Descriptor("accept") | WaitKind::Call("wait for a signal") => true,
        WaitKind::BlockOn if thread.stack.main || role == RoleKind::CurrentThread => true,
        WaitKind::BlockOn | WaitKind::Rayon => false,
        kind if has_app => is_main_only(thread) && waits_for_the_end(kind),
        // What is not known to be the application's business.
        WaitKind::Join | WaitKind::Scope => false,
        WaitKind::Descriptor(call) => matches!(call, "read" | "recv") && !is_hidden(thread),
        WaitKind::Sleep | WaitKind::Call(_) | WaitKind::Number(_) => !is_hidden(thread),
        _ => true,
    }
}

/// Whether the application is probably there, but out of sight.
fn is_hidden(thread: &Thread<'_>) -> bool {
    hidden(thread, behind_wait(thread)).is_some()
}

/// Whether `main` itself is all there is of the application.
fn is_main_only(thread: &Thread<'_>) -> bool {
    thread.stack.main
        && thread
            .app()
            .all(|item| path::last(&item.name.path) == "main")
}

/// Whether a main thread waits so when others do the work.
fn waits_for_the_end(kind: WaitKind) -> bool {
    matches!(
        kind,
        WaitKind::Park
            | WaitKind::Condvar(_)
            | WaitKind::Receive(_)
            | WaitKind::Barrier
            | WaitKind::Join
            | WaitKind::Scope
            | WaitKind::Semaphore
            | WaitKind::Sleep
            | WaitKind::Events(_)
    )
}
