//! Programs of this workspace as people ship them. `cargo test` builds for debugging only; what
//! optimisation leaves of a stack is seen in release.

use crate::scratch;
use serde_json::Value;
use std::{
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

/// How the victim whose threads stand in known places was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// The profile `release`: no frame pointers, line tables.
    Release,
    /// The same program without debug information, by `strip` of binutils: cargo's own default.
    Plain,
    /// The same without any symbol.
    Stripped,
    /// The profile `abort`: a panic ends the process; a symbol table, no debug information.
    Abort,
}

/// What a build of the package `manhole-stacked` makes.
#[derive(Clone, Debug)]
struct Built {
    program: PathBuf,
    plugin: PathBuf,
}

/// The victim whose threads stand in known places. The first call in a run builds it: on two cores
/// that takes a minute for each profile, and nothing the next time.
///
/// # Panics
/// When the build fails; what the compiler says is on standard error.
#[track_caller]
pub fn stacked(build: Build) -> PathBuf {
    match build {
        Build::Release => profile("release").program,
        Build::Abort => profile("abort").program,
        Build::Plain => stripped(&PLAIN, "plain", "--strip-debug"),
        Build::Stripped => stripped(&STRIPPED, "stripped", "--strip-all"),
    }
}

/// The library that the victim can load.
///
/// # Panics
/// As [`stacked`].
#[track_caller]
pub fn plugin() -> PathBuf {
    profile("release").plugin
}

#[track_caller]
fn profile(name: &'static str) -> Built {
    static DONE: Mutex<Vec<(&str, Built)>> = Mutex::new(Vec::new());
    let mut done = DONE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, built)) = done.iter().find(|(known, _)| *known == name) {
        return built.clone();
    }
    let built = build(name);
    done.push((name, built.clone()));
    built
}

/// Where the files are that cargo says it has made.
#[track_caller]
fn build(profile: &str) -> Built {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args([
            "build",
            "--package",
            "manhole-stacked",
            "--profile",
            profile,
        ])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let output = command.output().expect("cargo can be started");
    assert!(
        output.status.success(),
        "{command:?} failed ({}); what it says stands above, or on its own when you run it",
        output.status
    );
    let messages: Vec<Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let file = |target: &str, kind: &str| {
        let made = messages
            .iter()
            .filter(|message| message["target"]["name"] == target);
        let files = made.flat_map(|message| message["filenames"].as_array());
        let path = files.flatten().find_map(|file| {
            let path = file.as_str()?;
            path.ends_with(kind).then(|| PathBuf::from(path))
        });
        path.unwrap_or_else(|| panic!("{command:?} made no {target}{kind}"))
    };
    Built {
        program: scratch::copy(&file("stacked", "/stacked"), &scratch::own(profile)),
        plugin: scratch::copy(&file("stacked_plugin", ".so"), &scratch::own(profile)),
    }
}

static PLAIN: OnceLock<PathBuf> = OnceLock::new();
static STRIPPED: OnceLock<PathBuf> = OnceLock::new();

#[track_caller]
fn stripped(done: &OnceLock<PathBuf>, name: &str, how: &str) -> PathBuf {
    let strip = || {
        let (whole, less) = (profile("release").program, scratch::own(name));
        let less = less.join("stacked");
        let mut strip = Command::new(crate::peers::find("strip"));
        let done = strip.args([how, "-o"]).arg(&less).arg(&whole).status();
        assert!(
            done.is_ok_and(|status| status.success()),
            "strip {how} {whole:?}"
        );
        less
    };
    done.get_or_init(strip).clone()
}
