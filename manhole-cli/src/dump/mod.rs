//! `dump`: everything that a console can tell without being changed, one command after the other,
//! for somebody who reads it elsewhere and later.

mod paper;
mod plan;
mod store;

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use manhole::client::{CallError, Code, Kind, Patience, Trouble};
use nix::unistd::geteuid;

use crate::{
    args::{self, Options},
    fetch, interrupt,
    plain::escape,
    progress::Progress,
    refusal,
    report::Outcome,
    save, stacks, table,
    target::{self, Opened, SILENT},
    terminal::Terminal,
};
use paper::{About, Record};
use plan::{Item, Plan};
use store::Store;

/// No single command may take longer, so that what hangs does not cost all the others.
const EACH: Duration = Duration::from_secs(30);

/// After that time a server that does not even cancel is left.
const LATEST: Duration = Duration::from_secs(40);

/// The problem of whatever the user cancelled.
const CANCELLED: &str = "cancelled";

/// Runs `dump`.
pub(crate) fn dump(dump: &args::Dump, options: &Options) -> Outcome {
    let to_stdout = dump.output.as_deref() == Some(Path::new("-"));
    if to_stdout && !dump.plan && std::io::stdout().is_terminal() {
        let text = "an archive is no sight for a terminal: send it to a file, or use -o DIR";
        return Err(Trouble::new(Kind::Usage, text));
    }
    splay(dump.splay);
    let mut opened = target::open_one(&dump.target)?;
    let about = introduce(&mut opened)?;
    let table = table::fetch(&mut opened.client, SILENT * 5).map_err(Trouble::from)?;
    let plan = plan::plan(&table, &about.level);
    if dump.plan {
        show(&plan, &about);
        return Ok(None);
    }
    let name = format!(
        "manhole-{}-{}-{}",
        about.name,
        about.pid,
        compact(about.began)
    );
    let store = match (&dump.output, to_stdout) {
        (_, true) => Store::archive(name),
        (Some(path), _) => Store::directory(path)?,
        (None, _) => Store::directory(&PathBuf::from(name))?,
    };
    let mut work = Work {
        opened,
        store,
        deadline: Instant::now() + dump.budget,
        room: usize::try_from(dump.max_size).unwrap_or(usize::MAX),
        triage: String::new(),
        records: Vec::new(),
        unmade: None,
        progress: Progress::new(Terminal::stderr(options).interactive),
    };
    work.collect(&plan)?;
    work.finish(&about, &plan)
}

/// Waits a random time up to `most`.
fn splay(most: Option<Duration>) {
    if let Some(most) = most {
        let share = f64::from(save::random()) / f64::from(u32::MAX);
        thread::sleep(most.mul_f64(share));
    }
}

/// The time as a part of a file's name: `20261121T031244Z`.
pub(crate) fn utc_compact() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    compact(now.map_or(0, |time| time.as_secs()))
}

fn introduce(opened: &mut Opened) -> Result<About, Trouble> {
    let hello = match opened.hello() {
        Ok(hello) => hello.clone(),
        Err(error) => return Err(refusal::explain_door(opened, error)),
    };
    let began = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(About {
        name: hello.name,
        version: hello.version,
        pid: opened.client.pid(),
        host: hello.host,
        level: hello.level,
        uid: geteuid().as_raw(),
        began: began.map_or(0, |time| time.as_secs()),
    })
}

/// `20261121T031244Z`: fit for a file name.
fn compact(seconds: u64) -> String {
    paper::utc(seconds).replace(['-', ':'], "")
}

fn show(plan: &Plan, about: &About) {
    println!(
        "# dump of {}[{}]: {} commands, one after the other",
        about.name,
        about.pid,
        plan.items.len()
    );
    println!("{:<24}  {:<16}  command", "file", "impact");
    for item in &plan.items {
        let command = crate::exec::line(&item.words);
        let cost = match item.cost.is_empty() {
            true => String::new(),
            false => format!("  ({})", item.cost),
        };
        let line = format!("{:<24}  {:<16}  {command}{cost}", item.file, item.impact);
        println!("{}", escape(&line));
        if let Some(text) = &item.text {
            println!(
                "{}",
                escape(&format!(
                    "{text:<24}  {:<16}  made from {}",
                    "none", item.file
                ))
            );
        }
    }
    for (command, reason) in &plan.missing {
        println!("{}", escape(&format!("# not {command}: {reason}")));
    }
}

/// A dump under way.
struct Work {
    opened: Opened,
    store: Store,
    deadline: Instant,
    /// Bytes that may still come.
    room: usize,
    triage: String,
    records: Vec<Record>,
    /// What could not be made here, to be asked for.
    unmade: Option<Item>,
    progress: Progress,
}

impl Work {
    fn collect(&mut self, plan: &Plan) -> Result<(), Trouble> {
        let _cancels = interrupt::cancels();
        let total = plan.items.len() as f64;
        for (done, item) in plan.items.iter().enumerate() {
            self.progress.report(done as f64, Some(total), "commands");
            let record = match self.reason_to_skip() {
                Some(problem) => Some(record(item, 0, 0, Some(problem))),
                None => self.one(item)?,
            };
            self.records.extend(record);
            if let Some(item) = self.unmade.take() {
                let record = self.one(&item)?;
                self.records.extend(record);
            }
        }
        self.progress.clear();
        Ok(())
    }

    fn reason_to_skip(&self) -> Option<String> {
        match () {
            () if interrupt::requested() => Some(CANCELLED.to_owned()),
            () if !self.opened.client.is_usable() => Some("the connection was lost".to_owned()),
            () if Instant::now() >= self.deadline => {
                Some("not begun: --budget was used up".to_owned())
            }
            () if self.room == 0 => Some("not begun: --max-size was reached".to_owned()),
            () => None,
        }
    }

    /// What became of one command; `None` for what this process has nothing to say about, which is
    /// nothing that is missing.
    fn one(&mut self, item: &Item) -> Result<Option<Record>, Trouble> {
        let started = Instant::now();
        let patience = Patience {
            total: LATEST,
            stop: &|| interrupt::requested() || started.elapsed() > EACH,
        };
        let result = match item.words.as_slice() {
            [word, path] if word == plan::GET => {
                fetch::get(&self.opened.way, path, patience, self.room, &mut |_| {})
            }
            words => {
                let collected = self.opened.client.collect(words, patience, self.room);
                collected.map(|(output, _)| output)
            }
        };
        let elapsed = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match result {
            Ok(output) => {
                if item.words == ["triage"] {
                    self.triage = String::from_utf8_lossy(&output).into_owned();
                }
                if let Some(file) = &item.text {
                    self.make_text(item, file, &output)?;
                }
                let size = output.len();
                self.room -= size.min(self.room);
                self.store.put(&item.file, output)?;
                Ok(Some(record(item, size, elapsed, None)))
            }
            Err(CallError::Failed(failure)) if failure.code == Code::Truncated => {
                let problem = format!("over the {} bytes that were left of --max-size", self.room);
                Ok(Some(record(item, 0, elapsed, Some(problem))))
            }
            Err(CallError::Failed(failure)) if failure.code == Code::Cancelled => {
                let problem = match interrupt::requested() {
                    true => CANCELLED.to_owned(),
                    false => format!("gave up after {} s", EACH.as_secs()),
                };
                Ok(Some(record(item, 0, elapsed, Some(problem))))
            }
            Err(CallError::Failed(failure))
                if failure.code == Code::Unsupported
                    && item
                        .words
                        .first()
                        .is_some_and(|word| plan::is_of_heap(word)) =>
            {
                Ok(None)
            }
            Err(CallError::Failed(failure)) => {
                let problem = format!("{}: {}", failure.code, failure.text);
                Ok(Some(record(item, 0, elapsed, Some(problem))))
            }
            Err(CallError::Lost(trouble)) => {
                self.reconnect();
                Ok(Some(record(item, 0, elapsed, Some(trouble.text))))
            }
        }
    }

    /// The text of stacks, from their data and the binary on this host.
    fn make_text(&mut self, item: &Item, file: &str, output: &[u8]) -> Result<(), Trouble> {
        let item = Item {
            file: file.to_owned(),
            text: None,
            words: item
                .words
                .iter()
                .filter(|word| *word != "--json")
                .cloned()
                .collect(),
            ..item.clone()
        };
        let Some(mut found) = stacks::Found::parse(output) else {
            self.unmade = Some(item);
            return Ok(());
        };
        stacks::improve(&mut found, &self.opened, &mut self.progress);
        let text = stacks::text(found).into_bytes();
        let size = text.len();
        self.room -= size.min(self.room);
        self.store.put(&item.file, text)?;
        self.records.push(record(&item, size, 0, None));
        Ok(())
    }

    /// What comes next may work all the same, if it is still the same process.
    fn reconnect(&mut self) {
        let pid = self.opened.client.pid();
        if let Some(client) = self.opened.way.connect().ok().filter(|c| c.pid() == pid) {
            self.opened.client = client;
        }
    }

    fn finish(mut self, about: &About, plan: &Plan) -> Outcome {
        let cancelled = self
            .records
            .iter()
            .any(|record| record.problem.as_deref() == Some(CANCELLED));
        let manifest = paper::manifest(about, &self.records, &plan.missing);
        self.store
            .put("manifest.json", format!("{manifest:#}\n").into_bytes())?;
        let readme = paper::readme(about, &self.triage, &self.records, &plan.missing);
        let place = self
            .store
            .finish(("README.txt", readme.into_bytes()), about.began)?;
        let problems = paper::problems(&self.records, &plan.missing);
        let files = self
            .records
            .iter()
            .filter(|record| record.file.is_some())
            .count()
            + 2;
        eprintln!("# {files} files in {}", escape(&place));
        for (what, why) in &problems {
            eprintln!("{}", escape(&format!("# missing: {what}: {why}")));
        }
        Ok(match (problems.is_empty(), cancelled) {
            (true, _) => None,
            (false, true) => Some(Kind::TimedOut),
            (false, false) => Some(Kind::Failed),
        })
    }
}

fn record(item: &Item, bytes: usize, elapsed_ms: u64, problem: Option<String>) -> Record {
    Record {
        words: item.words.clone(),
        file: problem.is_none().then(|| item.file.clone()),
        bytes,
        elapsed_ms,
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake;
    use manhole::client::Failure;

    const COMMANDS: &str = r#"{"data":{"commands":[
        {"name":"fds","level":"view","allowed":true,"impact":"reads","args":[]},
        {"name":"maps","level":"view","allowed":true,"impact":"samples","args":[]},
        {"name":"stacks","level":"inspect","allowed":false,"impact":"reads","args":[]}]}}"#;

    fn reply(words: &[String]) -> fake::Reply {
        match words.join(" ").as_str() {
            "version --json" => Ok(fake::VERSION),
            "commands --json" => Ok(COMMANDS),
            "triage" => Ok("All is well.\n"),
            "fds" => Ok("3 files\n"),
            "fds --json" => Ok("{}\n"),
            _ => Err(Failure::new(Code::Unsupported, "maps: no /proc")),
        }
    }

    fn run(name: &str, max_size: u64) -> (PathBuf, Outcome) {
        let fake = fake::Fake::start(name, reply);
        let output =
            std::env::temp_dir().join(format!("manhole-dump-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&output);
        let request = args::Dump {
            target: fake.target(),
            output: Some(output.clone()),
            plan: false,
            budget: Duration::from_secs(20),
            max_size,
            splay: None,
        };
        let options = Options {
            color: args::When::Never,
            raw: false,
            timeout: None,
        };
        (output, dump(&request, &options))
    }

    #[test]
    fn a_dump_holds_what_there_is_and_says_what_is_missing() {
        let (output, outcome) = run("partial", 1 << 20);
        assert_eq!(outcome, Ok(Some(Kind::Failed)));
        let read = |name: &str| std::fs::read_to_string(output.join(name)).unwrap();
        assert_eq!(read("fds.txt"), "3 files\n");
        let readme = read("README.txt");
        assert!(readme.starts_with("shop 1.0 ["), "{readme}");
        assert!(readme.contains("\nAll is well.\n"), "{readme}");
        assert!(
            readme.contains("  maps: unsupported: maps: no /proc\n"),
            "{readme}"
        );
        assert!(
            readme.contains("  stacks: needs level inspect, you have view\n"),
            "{readme}"
        );
        assert!(read("manifest.json").contains("\"complete\": false"));
        std::fs::remove_dir_all(output).unwrap();
    }

    #[test]
    fn a_dump_stops_at_its_size() {
        let (output, outcome) = run("size", 14);
        assert_eq!(outcome, Ok(Some(Kind::Failed)));
        let readme = std::fs::read_to_string(output.join("README.txt")).unwrap();
        assert!(
            readme.contains("  fds: over the 1 bytes that were left of --max-size"),
            "{readme}"
        );
        std::fs::remove_dir_all(output).unwrap();
    }
}
