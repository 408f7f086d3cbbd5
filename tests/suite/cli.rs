//! `manhole-cli` as people and scripts run it: the program itself, found wherever the build put it.

use manhole_tests::{
    peers::{Outcome, Peer},
    users,
};
use std::path::Path;

/// The program.
pub(crate) const CLI: &str = env!("CARGO_BIN_EXE_manhole-cli-under-test");

/// The program, about to be run with nothing of our environment that it looks at.
pub(crate) fn cli<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> Peer {
    let words = words.into_iter().map(|word| word.as_ref().to_owned());
    Peer::new(std::iter::once(CLI.to_owned()).chain(words))
        .env("NO_COLOR", "")
        .env("RUST_BACKTRACE", "0")
}

/// Runs `manhole-cli exec`.
#[track_caller]
pub(crate) fn exec<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> Outcome {
    let words = words.into_iter().map(|word| word.as_ref().to_owned());
    cli(std::iter::once("exec".to_owned()).chain(words)).run("")
}

/// Requires an exit code.
#[track_caller]
pub(crate) fn ends_with(code: i32, outcome: &Outcome) {
    let said = String::from_utf8_lossy(&outcome.stdout);
    assert_eq!(outcome.code(), Some(code), "{said}\n{}", outcome.stderr);
}

/// A path as an argument.
pub(crate) fn word(path: &Path) -> String {
    path.to_str().expect("a path in plain letters").to_owned()
}

/// Runs a script of the shell where no other process is to be seen, with /run, /tmp and /dev/shm of
/// its own. It finds the victim in `$victim`, the client in `$cli`; `start NAME DIR` starts a victim
/// and says its pid in `$pid`. `None` when that takes root and we are not.
#[track_caller]
pub(crate) fn alone(script: &str) -> Option<Outcome> {
    if !users::root() {
        return None;
    }
    let prelude = r#"
        for place in /run /tmp /dev/shm; do mount -t tmpfs -o mode=1777 own $place; done
        victim=$1 cli=$2
        start() {
            sleep 600 | "$victim" "install name=$1 dir=$2" >/dev/null 2>&1 & pid=$!
            until "$cli" exec "$2/$pid.sock" version >/dev/null 2>&1; do sleep 0.05; done
        }
    "#;
    let outcome = Peer::new([
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--mount-proc",
        "--kill-child",
        "bash",
        "-uc",
    ])
    .arg(format!("{prelude}\n{script}"))
    .args(["bash", env!("CARGO_BIN_EXE_victim"), CLI])
    .env("MANHOLE_DIR", "")
    .run("");
    Some(outcome)
}
