//! `stacks` again and again, and profiles of the processor at the highest rate, while a process is in
//! uproar, and what became of all of them.

use crate::{
    procfs,
    stacks::{Look, Thread},
    text,
    victim::Setup,
    victim::Victim,
    wait,
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// The storm's own threads on stacks that are not theirs: a handler's, a coroutine's. Their stacks
/// end where that one does.
const ELSEWHERE: [&str; 2] = ["s-coroutines", "s-handlers"];
/// Calls that a signal may interrupt in spite of SA_RESTART. Of std it is receiving with a time-out.
pub const INTERRUPTIBLE: [&str; 9] = [
    "poll",
    "epoll_wait",
    "udp_timeout",
    "nanosleep",
    "clock_nanosleep",
    "select",
    "futex_timed",
    "sem_timedwait",
    "sigtimedwait",
];
/// Memory in KiB that a run may add: heaps of a process that allocates on many threads grow a little
/// by themselves, and a leak of a few KiB in each look comes to more.
const GROWTH: u64 = 48 << 10;

/// A storm that is to be.
#[derive(Clone, Debug)]
pub struct Storm {
    /// The library that is loaded and unloaded; `None` where that cannot be.
    pub plugin: Option<PathBuf>,
    /// Kinds of work to leave out.
    pub without: Vec<String>,
    /// How many threads stand in known places.
    pub known: usize,
    /// How many looks at least.
    pub looks: usize,
    /// How long at least.
    pub time: Duration,
    /// What share of the stacks must be complete.
    pub complete_percent: f64,
    /// Whether the processor is sampled meanwhile, a thousand times a second.
    pub profile: bool,
    /// Whether every allocation is sampled, and somebody asks who holds the memory. The program must
    /// allocate through `manhole::Alloc`.
    pub heap: bool,
}

/// What was said of the heap.
#[derive(Debug, Default)]
pub struct Heaps {
    /// How often somebody asked, and was not answered.
    pub looks: u64,
    /// See there.
    pub refused: u64,
    /// As the last answer has it: samples that are live, and those for which there was no room.
    pub live_samples: u64,
    /// See there.
    pub dropped: u64,
    /// The most stacks that one answer had.
    pub stacks: usize,
}

/// Profiles of the processor, added up.
#[derive(Debug, Default)]
pub struct Profiles {
    /// How many were taken, and those that were refused.
    pub taken: u64,
    /// See there.
    pub refused: u64,
    /// Periods counted, missing for want of a place, and at incomplete stacks.
    pub samples: u64,
    /// See there.
    pub dropped: u64,
    /// See there.
    pub truncated: u64,
    /// Processor time of the process without the console, and what the samples stand for.
    pub used_ns: u64,
    /// See there.
    pub counted_ns: u64,
}

/// What became of it.
#[derive(Debug, Default)]
pub struct Report {
    /// Looks that were answered.
    pub looks: usize,
    /// Looks that were not, by the code of the error.
    pub refused: BTreeMap<String, usize>,
    /// Threads that were asked on stacks of their own, and how many of these stacks are complete.
    pub asked: usize,
    /// See there.
    pub complete: usize,
    /// Threads by how they answered.
    pub answers: BTreeMap<String, usize>,
    /// Stacks of threads that answered, by where they end.
    pub ends: BTreeMap<String, usize>,
    /// The incomplete ones: thread, answer, end, and the function at the leaf.
    pub incomplete: BTreeMap<String, usize>,
    /// From the request to the end of the reply, sorted.
    pub times: Vec<Duration>,
    /// What the process did meanwhile, and the signals it sent and got.
    pub counts: BTreeMap<String, u64>,
    /// Calls: how often each returned, and how often early.
    pub calls: BTreeMap<String, (u64, u64)>,
    /// Early in the run and at its end: descriptors, threads, resident KiB.
    pub footprint: [(usize, usize, u64); 2],
    /// What was sampled meanwhile.
    pub profiles: Profiles,
    /// Who held the memory meanwhile.
    pub heaps: Heaps,
    /// What must not be.
    pub problems: Vec<String>,
}

impl Storm {
    /// A short one.
    pub fn short(plugin: Option<PathBuf>) -> Self {
        Self {
            plugin,
            without: Vec::new(),
            known: 20,
            looks: 100,
            time: Duration::ZERO,
            complete_percent: 99.0,
            profile: true,
            heap: false,
        }
    }

    /// Has a victim storm, and looks.
    ///
    /// # Panics
    /// When the victim does not even start.
    pub fn run(&self, setup: Setup) -> Report {
        let mut victim = setup.start();
        let mut report = Report::default();
        victim.tell("own_urg");
        victim.install("");
        let socket = victim.socket();
        let plugin = self.plugin.as_ref();
        let plugin = plugin.map_or(String::new(), |path| format!("plugin={}", path.display()));
        let without = self.without.join(",");
        victim.tell(&format!(
            "storm known={} without={without} {plugin}",
            self.known
        ));
        wait::until_true("the storm has begun", || {
            let counts = numbers(&victim.tell("storm_counts"));
            counts.get("usr1").is_some_and(|rounds| *rounds > 2)
        });
        let over = AtomicBool::new(false);
        if self.heap {
            let reply = text::run(&socket, "heap sampling 1");
            if reply.contains("ERR") {
                report.problems.push(reply);
            }
        }
        thread::scope(|scope| {
            let heaps = scope.spawn(|| self.heap.then(|| ask_for_the_heap(&socket, &over)));
            let profiler = scope.spawn(|| self.profile.then(|| profile(&socket, &over)));
            self.look(&mut report, &socket, &victim);
            over.store(true, Ordering::SeqCst);
            let profiles = profiler.join().expect("every profile is read");
            report.profiles = profiles.unwrap_or_default();
            let heaps = heaps.join().expect("every look at the heap is read");
            report.heaps = heaps.unwrap_or_default();
        });
        if !procfs::lives(victim.pid()) {
            let said = victim.stderr();
            report
                .problems
                .push(format!("the process ended; it said {said}"));
            return report;
        }
        report.footprint[1] = footprint(&victim);
        report.check_timers(victim.pid());
        report.end(&mut victim);
        report.judge(self);
        report
    }

    fn look(&self, report: &mut Report, socket: &Path, victim: &Victim) {
        let begin = Instant::now();
        let half_way =
            |report: &Report| report.looks * 2 >= self.looks && begin.elapsed() * 2 >= self.time;
        let mut early = false;
        while report.looks < self.looks || begin.elapsed() < self.time {
            report.look(socket);
            if !report.problems.is_empty() && !procfs::lives(victim.pid()) {
                return;
            }
            if !early && half_way(report) {
                report.footprint[0] = footprint(victim);
                early = true;
            }
        }
    }
}

/// One profile after the other until it is `over`.
fn profile(socket: &Path, over: &AtomicBool) -> Profiles {
    let mut all = Profiles::default();
    while !over.load(Ordering::SeqCst) {
        let reply = text::run(socket, "cpu 2 --hz 1000 --json");
        let json: Value = serde_json::from_str(&reply).unwrap_or_default();
        let report = &json["data"]["report"];
        let number = |key: &str| report[key].as_u64().unwrap_or(0);
        if !report.is_object() {
            all.refused += 1;
            continue;
        }
        all.taken += 1;
        all.samples += number("samples");
        all.dropped += number("dropped");
        all.truncated += number("truncated");
        all.used_ns += number("cpu_ns");
        let weights = json["data"]["weights"].as_array().into_iter().flatten();
        let counted = weights.filter_map(|weight| weight["ns"].as_u64());
        all.counted_ns += counted.sum::<u64>();
    }
    all
}

/// Asks who holds the memory, again and again until it is `over`.
fn ask_for_the_heap(socket: &Path, over: &AtomicBool) -> Heaps {
    let mut all = Heaps::default();
    while !over.load(Ordering::SeqCst) {
        let reply = text::run(socket, "heap --json");
        let json: Value = serde_json::from_str(&reply).unwrap_or_default();
        let report = &json["data"]["report"];
        if !report.is_object() {
            all.refused += 1;
            continue;
        }
        all.looks += 1;
        all.live_samples = report["live_samples"].as_u64().unwrap_or(0);
        all.dropped = report["dropped"].as_u64().unwrap_or(0);
        let stacks = json["data"]["threads"].as_array().map_or(0, Vec::len);
        all.stacks = all.stacks.max(stacks);
    }
    all
}

/// Descriptors, threads without those that come and go, resident KiB.
fn footprint(victim: &Victim) -> (usize, usize, u64) {
    let pid = victim.pid();
    let threads = procfs::threads(pid);
    let passing = |name: &str| ["stacked", "s-plugins"].contains(&name) || name.starts_with("c-");
    let staying = threads.iter().filter(|(_, name)| !passing(name));
    (
        procfs::fds(pid, pid).len(),
        staying.count(),
        procfs::rss_kib(pid),
    )
}

/// What is to be said of a stack that is not complete.
fn in_words(thread: &Thread) -> String {
    let name = thread.name.trim_end_matches(|c: char| c.is_ascii_digit());
    let doubt = if thread.uncertain { " uncertain" } else { "" };
    let leaf = thread.functions().next().unwrap_or("?");
    let frames = thread.frames.len();
    format!(
        "{name} {}, {frames} frames to {}{doubt}, in {leaf}",
        thread.answer, thread.end
    )
}

/// `a=1 b=2`.
fn numbers(text: &str) -> BTreeMap<String, u64> {
    let words = text.split(' ').filter_map(|word| word.split_once('='));
    let numbers = words.filter_map(|(key, number)| Some((key.to_owned(), number.parse().ok()?)));
    numbers.collect()
}

/// What the victim says of its calls: how often each returned, and how often early.
pub fn calls(text: &str) -> BTreeMap<String, (u64, u64)> {
    let rows = text.split(' ').filter_map(|row| {
        let mut words = row.split(':');
        let name = words.next()?.to_owned();
        let mut number = || words.next()?.parse().ok();
        Some((name, (number()?, number()?)))
    });
    rows.collect()
}

impl Report {
    fn look(&mut self, socket: &Path) {
        let start = Instant::now();
        let reply = text::run(socket, "stacks --json");
        self.times.push(start.elapsed());
        let Some(look) = Look::read(&reply) else {
            let code = text::code(&reply).unwrap_or("no reply").to_owned();
            if code != "busy" {
                let line = reply.lines().next().unwrap_or_default();
                self.problems.push(format!("a look was answered {line:?}"));
            }
            *self.refused.entry(code).or_default() += 1;
            return;
        };
        self.looks += 1;
        for thread in &look.threads {
            *self.answers.entry(thread.answer.clone()).or_default() += 1;
            if ELSEWHERE.contains(&thread.name.as_str()) {
                continue;
            }
            match thread.answer.as_str() {
                "blocks" | "uninterruptible" | "stopped" | "not-asked" => continue,
                "stack" => *self.ends.entry(thread.end.clone()).or_default() += 1,
                _ => {}
            }
            self.asked += 1;
            match thread.complete() {
                true => self.complete += 1,
                false => *self.incomplete.entry(in_words(thread)).or_default() += 1,
            }
        }
        self.check_known(&look);
    }

    /// A stack that is complete is the right one.
    fn check_known(&mut self, look: &Look) {
        let wrong = look
            .known()
            .find(|(thread, place)| thread.complete() && thread.own_functions() != *place);
        if let Some((thread, place)) = wrong
            && self.problems.len() < 10
        {
            self.problems
                .push(format!("{place:?} is where this stands: {thread:#?}"));
        }
    }

    /// Nobody samples any more, so no timer of ours is left. Where the kernel does not list them nobody
    /// knows.
    fn check_timers(&mut self, pid: u32) {
        let timers = std::fs::read_to_string(format!("/proc/{pid}/timers")).unwrap_or_default();
        if !timers.is_empty() {
            self.problems.push(format!("timers are left: {timers}"));
        }
    }

    fn end(&mut self, victim: &mut Victim) {
        if !procfs::lives(victim.pid()) {
            let said = victim.stderr();
            self.problems
                .push(format!("the process ended; it said {said}"));
            return;
        }
        match victim.ask("storm_end") {
            Ok(counts) => self.counts = numbers(&counts),
            Err(error) => self.problems.push(error),
        }
        let calls = victim.tell("calls_end");
        let rows = calls.split(' ').filter_map(|row| {
            let mut words = row.split(':');
            let name = words.next()?.to_owned();
            Some((
                name,
                (words.next()?.parse().ok()?, words.next()?.parse().ok()?),
            ))
        });
        self.calls = rows.collect();
        victim.release();
        let status = victim.wait();
        if !status.success() {
            self.problems
                .push(format!("the process ended with {status}"));
        }
    }

    fn judge(&mut self, storm: &Storm) {
        self.times.sort();
        let percent = self.complete_percent();
        if percent < storm.complete_percent {
            let wanted = storm.complete_percent;
            let problem = format!("{percent:.2} % of the stacks are complete, not {wanted} %");
            self.problems.push(problem);
        }
        for signal in ["urgent", "usr1"] {
            let count = |what: &str| self.counts.get(&format!("{signal}_{what}"));
            if count("sent") != count("handled") {
                let counts = (count("sent"), count("handled"));
                self.problems
                    .push(format!("{signal}: sent and handled {counts:?}"));
            }
        }
        for (name, (_, early)) in &self.calls {
            if *early > 0 && !INTERRUPTIBLE.contains(&name.as_str()) {
                let problem = format!("{name} came back early {early} times");
                self.problems.push(problem);
            }
        }
        if storm.profile && (self.profiles.taken == 0 || self.profiles.refused > 0) {
            self.problems.push(format!("{:?}", self.profiles));
        }
        if storm.heap && (self.heaps.looks == 0 || self.heaps.refused > 0) {
            self.problems.push(format!("{:?}", self.heaps));
        }
        let [(fds, threads, kib), (fds_after, threads_after, kib_after)] = self.footprint;
        // The work itself opens some for a moment: pipes, children's ends, connections.
        if fds_after > fds + 30 || threads_after > threads + 12 || kib_after > kib + GROWTH {
            self.problems.push(format!("it grew: {:?}", self.footprint));
        }
    }

    /// The share of complete stacks.
    pub fn complete_percent(&self) -> f64 {
        100.0 * self.complete as f64 / self.asked.max(1) as f64
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |percent: usize| {
            let last = self.times.len().saturating_sub(1);
            let time = self.times.get(last * percent / 100);
            time.copied().unwrap_or_default().as_secs_f64() * 1e3
        };
        writeln!(
            f,
            "looks       {} answered, refused {:?}",
            self.looks, self.refused
        )?;
        writeln!(
            f,
            "a look      p50 {:.1} ms, p99 {:.1} ms, worst {:.1} ms",
            time(50),
            time(99),
            time(100)
        )?;
        writeln!(f, "threads     {:?}", self.answers)?;
        writeln!(
            f,
            "complete    {} of {} asked on their own stacks, {:.3} %; ends {:?}",
            self.complete,
            self.asked,
            self.complete_percent(),
            self.ends
        )?;
        let mut incomplete: Vec<_> = self.incomplete.iter().collect();
        incomplete.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (what, count) in incomplete.into_iter().take(12) {
            writeln!(f, "  {count:>5}     {what}")?;
        }
        writeln!(
            f,
            "meanwhile   {}",
            list(&self.counts, |count| count.to_string())
        )?;
        let early: BTreeMap<_, _> = self
            .calls
            .iter()
            .filter(|(_, (_, early))| *early > 0)
            .collect();
        writeln!(
            f,
            "interrupted {}",
            list(&early, |(returned, early)| format!("{early} of {returned}"))
        )?;
        writeln!(f, "profiles    {:?}", self.profiles)?;
        writeln!(f, "heap        {:?}", self.heaps)?;
        let [(fds, threads, kib), (fds_after, threads_after, kib_after)] = self.footprint;
        writeln!(
            f,
            "half-way -> end: descriptors {fds} -> {fds_after}, threads {threads} -> {threads_after}, resident {kib} -> {kib_after} KiB"
        )?;
        match self.problems.as_slice() {
            [] => writeln!(f, "no problem"),
            problems => problems
                .iter()
                .try_for_each(|text| writeln!(f, "PROBLEM     {text}")),
        }
    }
}

fn list<K: fmt::Display, V>(map: &BTreeMap<K, V>, show: impl Fn(&V) -> String) -> String {
    let entries = map
        .iter()
        .map(|(key, value)| format!("{key} {}", show(value)));
    entries.collect::<Vec<String>>().join(", ")
}
