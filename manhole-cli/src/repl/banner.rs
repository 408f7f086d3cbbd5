//! The two lines above the first prompt: what runs here and how it feels, and what we may do.

use manhole::client::{Hello, units};
use serde_json::Value;

/// What `info` and /proc add to what a console says about itself; all of it optional.
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) struct Facts {
    /// Seconds since it was started.
    pub(super) up: Option<f64>,
    /// Resident memory in bytes.
    pub(super) rss: Option<u64>,
    /// What memory it may use, in bytes.
    pub(super) limit: Option<u64>,
    /// How many threads it has.
    pub(super) threads: Option<u64>,
    /// How good names in stacks are: `with inlined functions and lines`.
    pub(super) names: Option<String>,
    /// What is missing, and how to add it.
    pub(super) missing: Option<String>,
}

/// Both lines. Everything in them comes from the process: sanitise before it is shown.
pub(super) fn lines(hello: &Hello, pid: i32, facts: &Facts, user: &str) -> [String; 2] {
    let version = hello.version.as_deref();
    let mut first = format!(
        "{}{} [{pid}] on {}",
        hello.name,
        version.map_or(String::new(), |version| format!(" {version}")),
        hello.host
    );
    if let Some(up) = facts.up {
        first.push_str(&format!(", up {}", units::nanos((up * 1e9) as u64)));
    }
    match (facts.rss, facts.limit) {
        (Some(rss), Some(limit)) => {
            first.push_str(&format!(
                ", rss {} of {}",
                units::bytes(rss),
                units::bytes(limit)
            ));
        }
        (Some(rss), None) => first.push_str(&format!(", rss {}", units::bytes(rss))),
        _ => {}
    }
    if let Some(threads) = facts.threads {
        let plural = if threads == 1 { "" } else { "s" };
        first.push_str(&format!(", {} thread{plural}", units::count(threads)));
    }
    let mut second = format!("level {} ({user})", hello.level);
    if let Some(names) = &facts.names {
        second.push_str(&format!("; names {names}"));
    }
    if let Some(missing) = &facts.missing {
        second.push_str(&format!("; {missing}"));
    }
    [first, second]
}

/// Reads `/proc/PID/status` for what it says about memory and threads.
pub(super) fn from_status(status: &[u8], facts: &mut Facts) {
    let text = String::from_utf8_lossy(status);
    let number = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    facts.rss = number("VmRSS:").map(|kib| kib * 1024);
    facts.threads = number("Threads:");
}

/// Looks into the answers of `memory --json` and `info --json` for what they are known to hold.
pub(super) fn from_answer(answer: &[u8], facts: &mut Facts) {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let data = answer.get("data");
    let find = |key: &str| data.and_then(|data| data.get(key));
    let cgroup = find("cgroup").and_then(|cgroup| cgroup.get("max_bytes"));
    let limit = cgroup
        .or_else(|| find("limit_bytes"))
        .and_then(Value::as_u64);
    facts.limit = facts.limit.or(limit);
    let names = find("process").and_then(|process| process.get("names")?.as_str());
    facts.names = facts.names.take().or_else(|| names.map(str::to_owned));
    let missing = find("missing").and_then(Value::as_array);
    let missing = missing.into_iter().flatten();
    let missing: Vec<&str> = missing
        .filter_map(|row| row.get("what")?.as_str())
        .collect();
    match missing.as_slice() {
        [] => {}
        [one] => facts.missing = Some((*one).to_owned()),
        several => {
            facts.missing = Some(format!(
                "{} things missing or limited: see info",
                several.len()
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banner_says_what_runs_here_and_what_we_may_do() {
        let hello = Hello {
            name: "checkout".into(),
            version: Some("2.4.1".into()),
            pid: 1,
            host: "web-17".into(),
            level: "control".into(),
        };
        let mut facts = Facts {
            up: Some(273_600.0),
            limit: Some(4 << 30),
            ..Facts::default()
        };
        from_status(b"Name:\tx\nVmRSS:\t 3051356 kB\nThreads:\t60\n", &mut facts);
        from_answer(
            br#"{"data":{"process":{"names":"with inlined functions and lines"},
                "missing":[{"what":"heap: not installed"},{"what":"x"}]}}"#,
            &mut facts,
        );
        let [first, second] = lines(&hello, 4711, &facts, "uid 0");
        assert_eq!(
            first,
            "checkout 2.4.1 [4711] on web-17, up 3d 4h, rss 2.91 GiB of 4.00 GiB, 60 threads"
        );
        assert_eq!(
            second,
            "level control (uid 0); names with inlined functions and lines; 2 things missing or limited: see info"
        );
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let hello = Hello {
            name: "x".into(),
            level: "view".into(),
            host: "h".into(),
            ..Hello::default()
        };
        let mut facts = Facts::default();
        from_answer(b"nonsense", &mut facts);
        assert_eq!(
            lines(&hello, 7, &facts, "uid 1"),
            ["x [7] on h", "level view (uid 1)"]
        );
    }
}
