//! Who runs the tests, and what cannot be tried by whom.

use crate::peers::{Outcome, Peer};
use std::{io::Write, path::Path};

/// A user that owns nothing here.
pub const ALICE: u32 = 41_001;
/// Another one.
pub const BOB: u32 = 41_002;
/// A group that neither of them has by itself.
pub const STAFF: u32 = 41_900;

/// The effective user id of the tests.
pub fn me() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// Whether we are root; when not, the test that asks says so and is to return.
///
/// # Panics
/// Where `CI=true`: nothing is skipped there.
#[must_use]
#[track_caller]
pub fn root() -> bool {
    if me() == 0 {
        return true;
    }
    let who = std::thread::current().name().unwrap_or("a test").to_owned();
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!ci, "{who} needs root, and on CI nothing is skipped");
    // Not eprintln: the test runner would swallow it.
    let _ = writeln!(std::io::stderr().lock(), "{who} ... skipped: needs root");
    false
}

/// Runs a line in batch mode as `uid`, through `nc`; credentials are the kernel's, so it takes a
/// process of that user's.
#[track_caller]
pub fn run_as(uid: u32, groups: &[u32], socket: &Path, line: &str) -> Outcome {
    let nc = Peer::new(["nc.openbsd", "-U"]).arg(socket);
    let nc = match uid == me() && groups.is_empty() {
        true => nc,
        false => nc.by(&become_user(uid, groups)),
    };
    nc.run(format!("{line}\n"))
}

/// The level that the console gives to `uid`, or what it says instead.
#[track_caller]
pub fn level_of(uid: u32, groups: &[u32], socket: &Path) -> String {
    let outcome = run_as(uid, groups, socket, "version");
    let level = outcome
        .text()
        .lines()
        .find_map(|line| line.strip_prefix("your level"));
    level.map_or_else(
        || format!("{}{}", outcome.text(), outcome.stderr),
        |level| level.trim().to_owned(),
    )
}

/// The words that run a program as `uid`, in the group of the same number and in `groups`.
pub fn become_user(uid: u32, groups: &[u32]) -> Vec<String> {
    let mut words = vec![
        "setpriv".to_owned(),
        format!("--reuid={uid}"),
        format!("--regid={uid}"),
    ];
    words.push(match groups {
        [] => "--clear-groups".to_owned(),
        groups => {
            let groups: Vec<String> = groups.iter().map(u32::to_string).collect();
            format!("--groups={}", groups.join(","))
        }
    });
    words
}
