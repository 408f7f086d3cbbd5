//! Profiles of a running process: asked for as a command, which tells how far it is, or over HTTP,
//! where there is no such command.

mod http;

pub(crate) use http::get;

use std::{ops::ControlFlow, path::PathBuf, time::Duration};

use manhole::client::{CallError, Code, Kind, LONGEST, Patience, Piece, Trouble};

use crate::{
    dump::utc_compact,
    interrupt,
    plain::escape,
    progress::Progress,
    refusal,
    stacks::{self, Found},
    table::{self, Entry},
    target::{Opened, SILENT},
};

/// The largest profile.
const CAP: usize = 256 << 20;

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// `cpu`, `wall`, `heap`, `goroutine`, or a profile of the application's.
    pub(crate) kind: String,
    /// For how long.
    pub(crate) time: Option<Duration>,
}

/// Where a profile comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The answer to a command that samples, or to that of the heap: it is asked for data, so that what has no name in the
    /// process can get one here.
    Samples(Vec<String>),
    /// The answer to another command.
    Command(Vec<String>),
    /// What is served at a path.
    Path(String),
}

/// Fetches a profile, as the console has it: gzipped.
///
/// # Errors
/// What the console says; `TimedOut` when the user cancelled.
pub(crate) fn fetch(
    opened: &mut Opened,
    wanted: &Wanted,
    visible: bool,
    timeout: Option<Duration>,
) -> Result<Vec<u8>, Trouble> {
    let _cancels = interrupt::cancels();
    let table = table::fetch(&mut opened.client, SILENT * 5)
        .map_err(|error| refusal::explain_door(opened, error))?;
    let mut progress = Progress::new(visible);
    let patience = Patience {
        total: timeout.unwrap_or(LONGEST),
        stop: &interrupt::requested,
    };
    match source(&table, wanted) {
        Source::Samples(words) => samples(opened, &words, patience, &mut progress),
        Source::Command(words) => command(opened, &words, patience, &mut progress, CAP),
        Source::Path(path) => {
            let mut meanwhile = |elapsed: Duration| {
                let Some(total) = wanted.time else { return };
                let done = elapsed.min(total).as_secs_f64().floor();
                progress.report(done, Some(total.as_secs_f64()), "s");
            };
            let fetched = http::get(&opened.way, &path, patience, CAP, &mut meanwhile);
            progress.clear();
            fetched.map_err(|error| explain(opened, &[path], error))
        }
    }
}

fn source(table: &[Entry], wanted: &Wanted) -> Source {
    let Wanted { kind, time } = wanted;
    // As its path has it.
    let kind = if kind == "profile" { "cpu" } else { kind };
    if let Some(entry) = table.iter().find(|entry| entry.name == kind)
        && entry.gives_pprof()
    {
        let seconds = time.map(|time| format!("{}", time.as_secs_f64()) + "s");
        if kind == stacks::HEAP {
            return Source::Samples(heap(seconds));
        }
        let words: Vec<String> = [kind.to_owned()].into_iter().chain(seconds).collect();
        return match stacks::SAMPLERS.contains(&kind) {
            true => Source::Samples(words),
            false => Source::Command(as_file(&words)),
        };
    }
    let name = if kind == "cpu" { "profile" } else { kind };
    let seconds = time.map(|time| format!("?seconds={}", time.as_secs_f64().ceil()));
    let seconds = seconds.unwrap_or_default();
    Source::Path(format!("/debug/pprof/{}{seconds}", http::quoted(name)))
}

/// What is live, or what comes to it in a time.
fn heap(seconds: Option<String>) -> Vec<String> {
    match seconds {
        None => vec![stacks::HEAP.to_owned()],
        Some(seconds) => vec![
            stacks::HEAP.to_owned(),
            "diff".to_owned(),
            format!("+{seconds}"),
        ],
    }
}

/// The same question, for a profile as a file.
fn as_file(words: &[String]) -> Vec<String> {
    let format = ["--format", "pprof"].map(str::to_owned);
    words.iter().cloned().chain(format).collect()
}

/// A profile made here from samples. Where their data makes no sense to this version, or is too much,
/// the console makes it.
fn samples(
    opened: &mut Opened,
    words: &[String],
    patience: Patience<'_>,
    progress: &mut Progress,
) -> Result<Vec<u8>, Trouble> {
    let question = stacks::question(words);
    let found = match answer(opened, &question, patience, progress, stacks::CAP) {
        Ok(output) => Found::parse(&output),
        Err(CallError::Failed(failure)) if failure.code == Code::Truncated => None,
        Err(error) => return Err(explain(opened, words, error)),
    };
    let profile = found.and_then(|mut found| {
        stacks::improve(&mut found, opened, progress);
        progress.clear();
        found.profile()
    });
    match profile {
        Some(profile) => Ok(profile),
        None => command(opened, &as_file(words), patience, progress, CAP),
    }
}

fn command(
    opened: &mut Opened,
    words: &[String],
    patience: Patience<'_>,
    progress: &mut Progress,
    cap: usize,
) -> Result<Vec<u8>, Trouble> {
    let answered = answer(opened, words, patience, progress, cap);
    answered.map_err(|error| explain(opened, words, error))
}

/// The whole answer to a command, with progress.
fn answer(
    opened: &mut Opened,
    words: &[String],
    patience: Patience<'_>,
    progress: &mut Progress,
    cap: usize,
) -> Result<Vec<u8>, CallError> {
    let (mut output, mut over) = (Vec::new(), false);
    let result = opened.client.call(words, patience, &mut |piece| {
        match piece {
            Piece::Progress { done, total, unit } => progress.report(done, total, unit),
            Piece::Data { bytes, .. } => {
                over = output.len() + bytes.len() > cap;
                if over {
                    return ControlFlow::Break(());
                }
                output.extend_from_slice(bytes);
            }
        }
        ControlFlow::Continue(())
    });
    progress.clear();
    match result {
        _ if over => Err(http::over("the profile", cap)),
        result => result.map(|_| output),
    }
}

fn explain(opened: &mut Opened, words: &[String], error: CallError) -> Trouble {
    match error {
        CallError::Failed(failure) if failure.code == Code::Denied => {
            refusal::explain(opened, words, &failure)
        }
        CallError::Failed(failure) if failure.code == Code::Cancelled => {
            Trouble::new(Kind::TimedOut, "cancelled")
        }
        CallError::Failed(failure) => Trouble::from(CallError::Failed(failure)),
        lost => refusal::explain_door(opened, lost),
    }
}

/// What a file is called that the user gave no name: `shop-4711-cpu-20261121T142102Z.pb.gz`. Nothing of
/// it is the target's choice but letters.
pub(crate) fn file_name(opened: &mut Opened, kind: &str, extension: &str) -> PathBuf {
    let name = match opened.hello() {
        Ok(hello) if !hello.name.is_empty() => hello.name.clone(),
        _ => "console".to_owned(),
    };
    let kind = manhole::client::safe_name(kind);
    let (pid, time) = (opened.client.pid(), utc_compact());
    PathBuf::from(format!("{name}-{pid}-{kind}-{time}.{extension}"))
}

/// `48 KiB`, for people.
pub(crate) fn size(bytes: usize) -> String {
    manhole::client::units::bytes(bytes as u64)
}

/// A path as it may be shown.
pub(crate) fn shown(path: &std::path::Path) -> String {
    escape(&path.display().to_string()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: &str, time: Option<f64>, expected: &str) {
        let wanted = Wanted {
            kind: kind.to_owned(),
            time: time.map(Duration::from_secs_f64),
        };
        let table = table::parse(table::tests::TABLE).unwrap();
        let found = match source(&table, &wanted) {
            Source::Command(words) => words.join(" "),
            Source::Samples(words) => format!("samples: {}", words.join(" ")),
            Source::Path(path) => path,
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn commands_come_first_and_everything_else_has_a_path() {
        check("cpu", None, "samples: cpu");
        check("cpu", Some(1.5), "samples: cpu 1.5s");
        check("profile", Some(30.0), "samples: cpu 30s");
        check("heap", None, "/debug/pprof/heap");
        check("goroutine", Some(1.5), "/debug/pprof/goroutine?seconds=2");
        check("vars", None, "/debug/pprof/vars");
        check("shop/open?", None, "/debug/pprof/shop/open%3F");
    }
}
