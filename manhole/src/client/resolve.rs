//! From what the user typed to one console: a pid, a name, the start of a container's id, a path.

use std::path::PathBuf;

use super::{
    discover::{Found, look_at},
    hello::Known,
    proc,
    trouble::{Kind, Trouble},
};

/// The shortest start of a container's id that is taken for one.
const SHORTEST_ID: usize = 4;

/// What a target looks like, before anybody was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A process.
    Pid(i32),
    /// A socket.
    Path(PathBuf),
    /// A name or the start of a container's id.
    Name(String),
}

impl Target {
    /// Reads what the user typed.
    pub fn parse(text: &str) -> Self {
        match text.parse::<i32>() {
            Ok(pid) if pid > 0 => Target::Pid(pid),
            _ if text.contains('/') || text.ends_with(".sock") => Target::Path(text.into()),
            _ => Target::Name(text.to_owned()),
        }
    }
}

/// Finds the console of process `pid`.
///
/// # Errors
/// `NoTarget`, saying whether there is such a process at all.
pub fn by_pid(pid: i32) -> Result<Found, Trouble> {
    if let Some(found) = look_at(pid) {
        return Ok(found);
    }
    match proc::status(pid) {
        Err(_) => Err(Trouble::new(
            Kind::NoTarget,
            format!("there is no process {pid}"),
        )),
        Ok(status) => Err(Trouble::new(
            Kind::NoTarget,
            format!(
                "process {pid} ({}) has no console",
                super::safe_name(&status.comm)
            ),
        )
        .detail("a service has one when it calls manhole::install() and MANHOLE is not \"off\"")),
    }
}

/// Finds the one console that is called `name` or lives in the container whose id starts so.
///
/// # Errors
/// `NoTarget`, saying what runs here, or which ones share the name.
pub fn by_name<'a>(known: &'a [Known], name: &str) -> Result<&'a Known, Trouble> {
    let named: Vec<&Known> = known.iter().filter(|known| known.name() == name).collect();
    let matching = match named.is_empty() {
        true => known
            .iter()
            .filter(|known| in_container(known, name))
            .collect(),
        false => named,
    };
    match matching.as_slice() {
        [one] => Ok(one),
        [] => Err(unknown(known, name)),
        several => Err(ambiguous(several, name)),
    }
}

fn in_container(known: &Known, prefix: &str) -> bool {
    let id = known.found.container.as_ref().and_then(|c| c.id.as_deref());
    prefix.len() >= SHORTEST_ID && id.is_some_and(|id| id.starts_with(prefix))
}

fn unknown(known: &[Known], name: &str) -> Trouble {
    let running = match known.is_empty() {
        true => "none is running here".to_owned(),
        false => format!("running here: {}", roll(known)),
    };
    let trouble = Trouble::new(
        Kind::NoTarget,
        format!("no console named {name:?}; {running}"),
    );
    match known.is_empty() {
        true => trouble.detail("manhole-cli list says where it looked"),
        false => trouble,
    }
}

/// `checkout (4711, 4890), rates, indexer`: pids only where a name is not enough.
fn roll(known: &[Known]) -> String {
    let mut names: Vec<(String, Vec<i32>)> = Vec::new();
    for one in known {
        let name = one.name();
        match names.iter_mut().find(|(other, _)| *other == name) {
            Some((_, pids)) => pids.push(one.found.pid),
            None => names.push((name, vec![one.found.pid])),
        }
    }
    let shown = names.into_iter().map(|(name, pids)| match pids.as_slice() {
        [_] => name,
        _ => {
            let pids: Vec<String> = pids.iter().map(i32::to_string).collect();
            format!("{name} ({})", pids.join(", "))
        }
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn ambiguous(several: &[&Known], name: &str) -> Trouble {
    let trouble = Trouble::new(
        Kind::NoTarget,
        format!(
            "{name:?} is ambiguous, {} consoles match: use the PID or the container id",
            several.len()
        ),
    );
    several.iter().fold(trouble, |trouble, known| {
        let container = known.found.container.as_ref();
        let place = match container.and_then(super::Container::short_id) {
            Some(id) => format!("container {id}"),
            None => match known.found.paths.first() {
                Some(path) => path.display().to_string(),
                None => String::new(),
            },
        };
        trouble.detail(format!("{}  {}  {place}", known.found.pid, known.name()))
    })
}

#[cfg(test)]
mod tests {
    use super::{super::*, *};

    fn known(pid: i32, name: &str, container: Option<&str>) -> Known {
        Known {
            found: Found {
                pid,
                inner_pid: pid,
                comm: "comm".into(),
                uid: 0,
                paths: vec![format!("/run/manhole/{pid}.sock").into()],
                container: container.map(|id| Container {
                    id: Some(format!("{id:0<64}")),
                    pod: None,
                }),
            },
            hello: Ok(Hello {
                name: name.into(),
                ..Hello::default()
            }),
        }
    }

    fn host() -> Vec<Known> {
        vec![
            known(4711, "checkout", None),
            known(4890, "checkout", Some("9f3a1c")),
            known(5120, "rates", None),
            known(6001, "indexer", Some("9f3b")),
        ]
    }

    #[test]
    fn targets_are_told_apart_by_their_look() {
        assert_eq!(Target::parse("4711"), Target::Pid(4711));
        assert_eq!(Target::parse("-1"), Target::Name("-1".into()));
        assert_eq!(Target::parse("./x"), Target::Path("./x".into()));
        assert_eq!(Target::parse("1.sock"), Target::Path("1.sock".into()));
        assert_eq!(Target::parse("checkout"), Target::Name("checkout".into()));
    }

    #[test]
    fn one_match_is_taken() {
        let host = host();
        let check = |name: &str, pid| assert_eq!(by_name(&host, name).unwrap().found.pid, pid);
        check("rates", 5120);
        check("9f3a", 4890);
        check("9f3b0000", 6001);
    }

    #[test]
    fn a_wrong_name_says_what_runs_here() {
        let trouble = by_name(&host(), "chekout").unwrap_err();
        assert_eq!(
            trouble.text,
            "no console named \"chekout\"; running here: checkout (4711, 4890), rates, indexer"
        );
        assert_eq!(trouble.kind, Kind::NoTarget);
        assert!(by_name(&host(), "9f3").is_err(), "too short for an id");
        assert!(
            by_name(&[], "x")
                .unwrap_err()
                .text
                .ends_with("none is running here")
        );
    }

    #[test]
    fn an_ambiguous_name_lists_its_bearers() {
        let trouble = by_name(&host(), "checkout").unwrap_err();
        assert!(
            trouble
                .text
                .starts_with("\"checkout\" is ambiguous, 2 consoles")
        );
        assert_eq!(trouble.details[0], "4711  checkout  /run/manhole/4711.sock");
        assert_eq!(trouble.details[1], "4890  checkout  container 9f3a1c000000");
    }

    #[test]
    fn a_pid_without_a_console_says_why() {
        assert!(by_pid(i32::MAX).unwrap_err().text.contains("no process"));
        let mut other = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let trouble = by_pid(other.id() as i32).unwrap_err();
        assert!(trouble.text.ends_with("has no console"), "{trouble}");
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
