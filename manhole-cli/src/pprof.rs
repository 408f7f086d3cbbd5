//! `pprof`: a profile of a running process, kept as a file, and shown by Go's tool where that is
//! installed. `flamegraph`: the same as a picture.

use std::{
    ffi::OsStr,
    io::{IsTerminal, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use manhole::client::{Kind, Trouble};

use crate::{
    args::{self, Options, Rows},
    fetch::{self, Wanted, shown, size},
    interrupt, profile,
    report::Outcome,
    save::NewFile,
    target,
    terminal::Terminal,
    view::{self, Look},
};

/// What is profiled if nothing is said.
const CPU: &str = "cpu";

/// Runs `pprof`.
pub(crate) fn pprof(pprof: &args::Pprof, options: &Options) -> Outcome {
    let mut opened = target::open_one(&pprof.target)?;
    let wanted = Wanted {
        kind: pprof.kind.clone(),
        time: pprof.time,
    };
    let visible = Terminal::stderr(options).interactive;
    let bytes = fetch::fetch(&mut opened, &wanted, visible, options.timeout)?;
    let file = match &pprof.output {
        Some(file) => file.clone(),
        None => fetch::file_name(&mut opened, &wanted.kind, "pb.gz"),
    };
    drop(opened);
    save(&file, &bytes)?;
    let found = profile::read(&file)?;
    let kept = shown(&file);
    eprintln!(
        "# {kept}: {}; manhole-cli view {kept} shows it anywhere",
        size(bytes.len())
    );
    drop(bytes);
    match tool() {
        Some(tool) => run(tool, &pprof.args, &file),
        None => {
            let lost = match pprof.args.is_empty() {
                true => "",
                false => "; what stands behind -- is for these",
            };
            eprintln!("# neither go tool pprof nor pprof is installed{lost}");
            view::show(
                &found.shortened(),
                None,
                Look::Top,
                Rows::DEFAULT,
                &kept,
                options,
            )
        }
    }
}

fn save(path: &Path, bytes: &[u8]) -> Result<(), Trouble> {
    let failed = |error: &std::io::Error| {
        Trouble::io(
            Kind::Failed,
            format!("failed to write {}", path.display()),
            error,
        )
    };
    let mut file =
        NewFile::create(path).map_err(|trouble| trouble.detail("-o FILE is another place"))?;
    file.write_all(bytes).map_err(|error| failed(&error))?;
    file.keep()
}

/// The words that start Go's tool.
fn tool() -> Option<Vec<PathBuf>> {
    let path = std::env::var_os("PATH")?;
    let known = [&["go", "tool", "pprof"][..], &["pprof"]];
    known.into_iter().find_map(|words| {
        let (program, rest) = words.split_first()?;
        let mut found = vec![installed(program, &path)?];
        found.extend(rest.iter().map(PathBuf::from));
        Some(found)
    })
}

/// A program of this name that can be run.
fn installed(name: &str, path: &OsStr) -> Option<PathBuf> {
    let runs = |file: &PathBuf| {
        let meta = file.metadata();
        meta.is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    // An empty part would be the directory we are in.
    let dirs = std::env::split_paths(path).filter(|dir| dir.is_absolute());
    dirs.map(|dir| dir.join(name)).find(runs)
}

fn run(tool: Vec<PathBuf>, args: &[String], file: &Path) -> Outcome {
    let mut words = tool.into_iter();
    let program = words.next().unwrap_or_default();
    let mut command = Command::new(&program);
    command.args(words).args(args);
    // Its prompt is for people.
    if args.is_empty() && !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
        command.arg("-top");
    }
    // Otherwise a name may be an option.
    let file = match file.is_absolute() {
        true => file.to_owned(),
        false => Path::new(".").join(file),
    };
    // Ctrl-C is for the tool.
    let _ignored = interrupt::ignored();
    let status = command.arg(file).status().map_err(|error| {
        Trouble::io(
            Kind::Failed,
            format!("failed to start {}", program.display()),
            &error,
        )
    })?;
    Ok((!status.success()).then_some(Kind::Failed))
}

/// Runs `flamegraph`.
pub(crate) fn flamegraph(flame: &args::Flamegraph, options: &Options) -> Outcome {
    let wanted = wanted(flame.kind.as_deref(), flame.time);
    let mut opened = target::open_one(&flame.target)?;
    let out = match &flame.output {
        Some(file) => file.clone(),
        None => fetch::file_name(&mut opened, &wanted.kind, "svg"),
    };
    view::refuse_terminal(&out)?;
    let visible = Terminal::stderr(options).interactive;
    let bytes = fetch::fetch(&mut opened, &wanted, visible, options.timeout)?;
    let label = opened.label();
    let found = profile::from_bytes(bytes, &label)?.shortened();
    let title = format!("{} of {label}", wanted.kind);
    view::show(
        &found,
        None,
        Look::Flame(&out),
        Rows::DEFAULT,
        &title,
        options,
    )
}

/// A time may stand in the place of the kind: `flamegraph shop 30`.
fn wanted(kind: Option<&str>, time: Option<Duration>) -> Wanted {
    let (kind, time) = match (kind, time) {
        (Some(word), None) if args::duration(word).is_ok() => (CPU, args::duration(word).ok()),
        (kind, time) => (kind.unwrap_or(CPU), time),
    };
    Wanted {
        kind: kind.to_owned(),
        time,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_and_a_time_may_each_be_left_out() {
        let check = |kind: Option<&str>, time: Option<u64>, expected: &str| {
            let Wanted { kind, time } = wanted(kind, time.map(Duration::from_secs));
            let time = time.map_or(String::new(), |time| format!(" {}", time.as_secs()));
            assert_eq!(kind + &time, expected);
        };
        check(None, None, "cpu");
        check(Some("wall"), None, "wall");
        check(Some("wall"), Some(7), "wall 7");
        check(Some("30"), None, "cpu 30");
        check(Some("2m"), None, "cpu 120");
    }

    #[test]
    fn programs_are_looked_for_in_absolute_places_only() {
        assert_eq!(installed("sh", OsStr::new("")), None);
        assert_eq!(installed("sh", OsStr::new(".:bin")), None);
        assert!(installed("sh", OsStr::new("/nowhere:/bin")).is_some());
        assert_eq!(
            installed("passwd", OsStr::new("/etc")),
            None,
            "it cannot be run"
        );
    }
}
