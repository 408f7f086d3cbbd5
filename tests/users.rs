//! Who runs the tests, and what cannot be tried by whom.

use std::io::Write;

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
