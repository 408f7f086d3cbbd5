//! `list`: every console on this host, and where it looked when there is none.

use std::{
    io::{self, Write},
    time::Duration,
};

use manhole::client::{Container, Kind, Known, Survey, ask_all, safe_name, survey, units, uptime};
use nix::unistd::geteuid;
use serde_json::{Value, json};

use crate::{
    args::Options,
    clean,
    plain::{cut, escape},
    refusal::user_name,
    report::Outcome,
    target::{CLIENT, OURSELVES, SILENT},
    terminal::Terminal,
};

/// A line of the list.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    pid: i32,
    name: String,
    user: String,
    up: Option<f64>,
    version: String,
    level: String,
    place: String,
    reachable: bool,
}

/// Runs `list`.
pub(crate) fn list(as_json: bool, options: &Options) -> Outcome {
    let survey = survey();
    let looked = Survey {
        found: Vec::new(),
        ..survey
    };
    let patience = options.timeout.unwrap_or(SILENT);
    let known = ask_all(survey, CLIENT, OURSELVES, patience);
    let rows: Vec<Row> = known.iter().map(|known| row(known, patience)).collect();
    let stale = clean::stale().len();
    let terminal = Terminal::stdout(options);
    let text = match as_json {
        true => format!("{}\n", to_json(&rows, stale, &looked)),
        false if rows.is_empty() => nothing(&looked, stale),
        false => to_text(&rows, stale, &terminal),
    };
    // A reader that has seen enough is no trouble.
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(rows.is_empty().then_some(Kind::NoTarget))
}

fn row(known: &Known, patience: Duration) -> Row {
    let (version, level, reachable) = match &known.hello {
        Ok(hello) => (
            hello.version.clone().unwrap_or_else(|| "-".into()),
            hello.level.clone(),
            true,
        ),
        Err(trouble) => {
            let level = match trouble.kind {
                Kind::Refused => "denied",
                Kind::TimedOut => "silent",
                _ => "-",
            };
            ("-".to_owned(), level.to_owned(), false)
        }
    };
    let mut place = describe_place(known);
    match &known.hello {
        Err(trouble) if trouble.kind == Kind::TimedOut => {
            let waited = units::nanos(u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX));
            place.push_str(&format!(" (no answer for {waited})"));
        }
        Err(trouble) if trouble.kind != Kind::Refused => {
            place.push_str(&format!(" ({})", trouble.text));
        }
        _ => {}
    }
    Row {
        pid: known.found.pid,
        name: known.name(),
        user: user_name(known.found.uid).unwrap_or_else(|| known.found.uid.to_string()),
        up: uptime(known.found.pid),
        version,
        level,
        place,
        reachable,
    }
}

fn describe_place(known: &Known) -> String {
    let found = &known.found;
    let path = found.paths.first().map(|path| path.display().to_string());
    let path = path.unwrap_or_else(|| "socket not found".to_owned());
    match &found.container {
        None => path,
        Some(container) => format!(
            "{} (pid {} inside), {path}",
            describe_container(container),
            found.inner_pid
        ),
    }
}

fn describe_container(container: &Container) -> String {
    let id = container.id.as_deref().and_then(|id| id.get(..6));
    match (&container.pod, id) {
        (Some(pod), Some(id)) => format!("pod {pod}, container {id}"),
        (_, Some(id)) => format!("container {id}"),
        (_, None) => "own namespaces".to_owned(),
    }
}

/// `3d 4h`, `12m`, `41s`: what a column has room for.
pub(crate) fn short_time(seconds: f64) -> String {
    let seconds = seconds as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match () {
        () if days > 0 => format!("{days}d {}h", hours % 24),
        () if hours > 0 => format!("{hours}h {}m", minutes % 60),
        () if minutes > 0 => format!("{minutes}m"),
        () => format!("{seconds}s"),
    }
}

fn to_text(rows: &[Row], stale: usize, terminal: &Terminal) -> String {
    let head = ["PID", "NAME", "USER", "UP", "VERSION", "LEVEL", "WHERE"].map(str::to_owned);
    let mut lines = vec![head];
    for row in rows {
        lines.push([
            row.pid.to_string(),
            row.name.clone(),
            row.user.clone(),
            row.up.map_or("-".to_owned(), short_time),
            row.version.clone(),
            row.level.clone(),
            row.place.clone(),
        ]);
    }
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
    let widths: Vec<usize> = (0..6).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for line in &lines {
        let mut out = format!("{:>6}", line[0]);
        for (cell, width) in line[1..6].iter().zip(&widths[1..]) {
            out.push_str(&format!("  {cell:<width$}"));
        }
        out.push_str("  ");
        out.push_str(&line[6]);
        let clean = escape(&out);
        match terminal.width {
            Some(width) => text.push_str(&cut(&clean, width)),
            None => text.push_str(&clean),
        }
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&summary(rows, stale));
    text.push('\n');
    text
}

fn summary(rows: &[Row], stale: usize) -> String {
    let reachable = rows.iter().filter(|row| row.reachable).count();
    let mut text = format!("{reachable} of {} reachable.", rows.len());
    let mut shared: Vec<&str> = rows
        .iter()
        .filter(|row| rows.iter().filter(|other| other.name == row.name).count() > 1)
        .map(|row| row.name.as_str())
        .collect();
    shared.sort_unstable();
    shared.dedup();
    for name in shared {
        text.push_str(&format!(
            " \"{name}\" is ambiguous: use the PID or the container id."
        ));
    }
    text.push_str(&stale_hint(stale));
    text
}

fn stale_hint(stale: usize) -> String {
    match stale {
        0 => String::new(),
        1 => " 1 stale socket: manhole-cli clean".to_owned(),
        n => format!(" {n} stale sockets: manhole-cli clean"),
    }
}

fn nothing(looked: &Survey, stale: usize) -> String {
    let plural = |n: usize, word: &str| match n {
        1 => format!("1 {word}"),
        n => format!("{n} {word}s"),
    };
    let mut text = format!(
        "No consoles found. Looked at {} processes: /run/manhole, /tmp/manhole-*, /dev/shm/manhole-*, \
         RUNTIME_DIRECTORY, {}.{}\n",
        looked.processes,
        plural(looked.containers, "container"),
        stale_hint(stale)
    );
    if looked.hidden > 0 && !geteuid().is_root() {
        text.push_str(&format!(
            "{} processes belong to other users and could not be looked into: try sudo manhole-cli list.\n",
            looked.hidden
        ));
    }
    text.push_str(
        "A service has a console when it calls manhole::install() and MANHOLE is not \"off\".\n",
    );
    text
}

fn to_json(rows: &[Row], stale: usize, looked: &Survey) -> Value {
    let consoles: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "pid": row.pid,
                "name": safe_name(&row.name),
                "user": row.user,
                "up_ns": row.up.map(|seconds| (seconds * 1e9) as u64),
                "version": (row.version != "-").then_some(&row.version),
                "level": row.reachable.then_some(&row.level),
                "reachable": row.reachable,
                "state": if row.reachable { "ok" } else { row.level.as_str() },
                "where": row.place,
            })
        })
        .collect();
    json!({
        "consoles": consoles,
        "stale_sockets": stale,
        "looked_at": {
            "processes": looked.processes,
            "hidden": looked.hidden,
            "containers": looked.containers,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let row = |pid, name: &str, level: &str, place: &str, reachable| Row {
            pid,
            name: name.into(),
            user: "app".into(),
            up: Some(273_600.0),
            version: "2.4.1".into(),
            level: level.into(),
            place: place.into(),
            reachable,
        };
        vec![
            row(4711, "checkout", "control", "/run/manhole/4711.sock", true),
            row(
                4890,
                "checkout",
                "control",
                "container 9f3a1c (pid 1 inside)",
                true,
            ),
            row(
                6001,
                "indexer",
                "silent",
                "/tmp/x\x1b[1m.sock (no answer for 1 s)",
                false,
            ),
        ]
    }

    #[test]
    fn the_table_reads_as_documented() {
        let text = to_text(&rows(), 1, &Terminal::plain());
        assert_eq!(
            text,
            "   PID  NAME      USER  UP     VERSION  LEVEL    WHERE\n\
             \x20 4711  checkout  app   3d 4h  2.4.1    control  /run/manhole/4711.sock\n\
             \x20 4890  checkout  app   3d 4h  2.4.1    control  container 9f3a1c (pid 1 inside)\n\
             \x20 6001  indexer   app   3d 4h  2.4.1    silent   /tmp/x\\x1b[1m.sock (no answer for 1 s)\n\n\
             2 of 3 reachable. \"checkout\" is ambiguous: use the PID or the container id. \
             1 stale socket: manhole-cli clean\n"
        );
    }

    #[test]
    fn on_a_terminal_no_line_is_wider_than_it() {
        let narrow = Terminal {
            width: Some(40),
            ..Terminal::plain()
        };
        let text = to_text(&rows(), 0, &narrow);
        let table = text.split("\n\n").next().unwrap();
        assert!(
            table.lines().all(|line| line.chars().count() <= 40),
            "{table}"
        );
    }

    #[test]
    fn an_empty_list_says_where_it_looked() {
        let looked = Survey {
            processes: 212,
            containers: 3,
            ..Survey::default()
        };
        let text = nothing(&looked, 2);
        assert!(text.starts_with("No consoles found. Looked at 212 processes: /run/manhole,"));
        assert!(
            text.contains("3 containers. 2 stale sockets: manhole-cli clean\n"),
            "{text}"
        );
    }

    #[test]
    fn programs_get_base_units_and_null() {
        let value = to_json(&rows(), 0, &Survey::default());
        assert_eq!(value["consoles"][0]["up_ns"], 273_600_000_000_000_u64);
        assert_eq!(value["consoles"][2]["level"], Value::Null);
        assert_eq!(value["consoles"][2]["state"], "silent");
    }

    #[test]
    fn times_are_short() {
        let check = |seconds, expected: &str| assert_eq!(short_time(seconds), expected);
        check(0.4, "0s");
        check(61.0, "1m");
        check(7680.0, "2h 8m");
        check(273_600.0, "3d 4h");
    }
}
