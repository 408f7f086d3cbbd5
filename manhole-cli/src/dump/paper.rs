//! The two files that explain a dump: README.txt for people, manifest.json for programs.

use std::fmt::Write;

use manhole::client::units;
use serde_json::{Value, json};

use crate::{exec::line, plain::escape};

/// Whom a dump is about, and who made it when.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct About {
    /// The service, reduced to plain letters.
    pub(super) name: String,
    /// Its version.
    pub(super) version: Option<String>,
    /// Its pid, as we number it.
    pub(super) pid: i32,
    /// The host it believes to be on.
    pub(super) host: String,
    /// Our level there.
    pub(super) level: String,
    /// Our user id.
    pub(super) uid: u32,
    /// When it began, in seconds since the epoch.
    pub(super) began: u64,
}

/// How one command went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// The command.
    pub(super) words: Vec<String>,
    /// Its file, if there is one.
    pub(super) file: Option<String>,
    /// Its size.
    pub(super) bytes: usize,
    /// How long it took, in milliseconds.
    pub(super) elapsed_ms: u64,
    /// Why it is missing or incomplete.
    pub(super) problem: Option<String>,
}

/// `2026-11-21T03:12:44Z`, from seconds since the epoch.
pub(super) fn utc(seconds: u64) -> String {
    units::time_utc(seconds.saturating_mul(1_000_000_000))
}

/// The README: who and when, what is wrong, what is here, what is missing.
pub(super) fn readme(
    about: &About,
    triage: &str,
    records: &[Record],
    plan_missing: &[(String, String)],
) -> String {
    let mut text = format!(
        "{} {}[{}] on {}, {}, collected as uid {} with level {}\n\n",
        about.name,
        about
            .version
            .as_deref()
            .map_or(String::new(), |version| format!("{version} ")),
        about.pid,
        about.host,
        utc(about.began),
        about.uid,
        about.level
    );
    // People will read this with cat.
    for line in triage.trim_end().lines() {
        let _ = writeln!(text, "{}", escape(line));
    }
    text.push_str("\nFiles\n");
    for record in records.iter().filter(|record| record.file.is_some()) {
        let file = record.file.as_deref().unwrap_or_default();
        let _ = writeln!(
            text,
            "  {file:<24} {:>9} bytes  {}",
            record.bytes,
            line(&record.words)
        );
    }
    if records.iter().any(is_profile) {
        text.push_str(
            "\nmanhole-cli view FILE.pb.gz shows a profile anywhere, and go tool pprof does.\n",
        );
    }
    let missing = problems(records, plan_missing);
    match missing.is_empty() {
        true => text.push_str("\nNothing is missing. Secrets are masked.\n"),
        false => {
            text.push_str("\nMissing\n");
            for (what, why) in missing {
                let _ = writeln!(text, "  {what}: {why}");
            }
            text.push_str("\nSecrets are masked.\n");
        }
    }
    text
}

fn is_profile(record: &Record) -> bool {
    let file = record.file.as_deref();
    file.is_some_and(|file| file.ends_with(".pb.gz"))
}

/// What is missing, and why.
pub(super) fn problems(
    records: &[Record],
    plan_missing: &[(String, String)],
) -> Vec<(String, String)> {
    let failed = records.iter().filter_map(|record| {
        let problem = record.problem.clone()?;
        Some((line(&record.words), problem))
    });
    failed.chain(plan_missing.iter().cloned()).collect()
}

/// The manifest.
pub(super) fn manifest(
    about: &About,
    records: &[Record],
    plan_missing: &[(String, String)],
) -> Value {
    let files: Vec<Value> = records
        .iter()
        .map(|record| {
            json!({
                "command": line(&record.words),
                "file": record.file,
                "bytes": record.bytes,
                "elapsed_ms": record.elapsed_ms,
                "problem": record.problem,
            })
        })
        .collect();
    let missing: Vec<Value> = problems(records, plan_missing)
        .into_iter()
        .map(|(command, reason)| json!({"command": command, "reason": reason}))
        .collect();
    json!({
        "format": 1,
        "client": crate::target::CLIENT,
        "name": about.name,
        "version": about.version,
        "pid": about.pid,
        "host": about.host,
        "level": about.level,
        "uid": about.uid,
        "began": utc(about.began),
        "complete": missing.is_empty(),
        "files": files,
        "missing": missing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Vec<Record> {
        let record = |words: &str, file: Option<&str>, problem: Option<&str>| Record {
            words: words.split(' ').map(str::to_owned).collect(),
            file: file.map(str::to_owned),
            bytes: 12,
            elapsed_ms: 3,
            problem: problem.map(str::to_owned),
        };
        vec![
            record("fds --all", Some("fds.txt"), None),
            record("maps", None, Some("timeout: no answer")),
        ]
    }

    fn about() -> About {
        About {
            name: "checkout".into(),
            version: Some("2.4.1".into()),
            pid: 4711,
            host: "web-17".into(),
            level: "view".into(),
            uid: 7,
            began: 1_795_230_764,
        }
    }

    #[test]
    fn the_readme_opens_with_who_and_what_is_wrong() {
        let missing = [("cpu".to_owned(), "needs level inspect".to_owned())];
        let text = readme(&about(), "# triage\nAll is well.\n", &records(), &missing);
        assert!(text.starts_with(
            "checkout 2.4.1 [4711] on web-17, 2026-11-21T03:12:44Z, collected as uid 7 with level view\n\n\
             # triage\nAll is well.\n\nFiles\n  fds.txt "
        ), "{text}");
        assert!(text.contains("Missing\n  maps: timeout: no answer\n  cpu: needs level inspect\n"));
    }

    #[test]
    fn the_manifest_lists_what_is_missing() {
        let value = manifest(&about(), &records(), &[]);
        assert_eq!(value["complete"], false);
        assert_eq!(value["missing"][0]["command"], "maps");
        assert_eq!(value["files"][0]["file"], "fds.txt");
        assert_eq!(manifest(&about(), &records()[..1], &[])["complete"], true);
    }
}
