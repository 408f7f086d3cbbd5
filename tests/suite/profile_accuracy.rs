//! What a profile of the processor says, beside what the kernel has counted for the same threads.
//!
//! How much of the processor anybody gets is the machine's affair: nothing here expects a time. What is
//! compared is what was sampled with the kernel's own account of the window, and the bounds are those
//! of sampling: a thread may be one period off at either end, and what it used since the last tick at
//! which the kernel looked at it is not sampled yet.

use crate::stacked;
use manhole_tests::{
    built::Build,
    procfs,
    stacks::{Look, Thread},
    text,
    victim::Victim,
    wait,
};
use std::{collections::BTreeMap, fs, thread};

const MS: u64 = 1_000_000;
/// What a thread may have used since it was last looked at: the kernel looks each 1 to 10 ms, and a
/// virtual machine is not given all of its ticks.
const TICKS: u64 = 15 * MS;

/// A profile, and what the kernel says of the threads in its window.
struct Profile {
    look: Look,
    hz: u64,
    /// What each thread that was there all the time has used, in nanoseconds, by name.
    used: BTreeMap<String, u64>,
}

impl Profile {
    /// Samples for so many seconds, and has `work` done meanwhile.
    fn take(victim: &mut Victim, seconds: u32, hz: u64, work: impl FnOnce(&mut Victim)) -> Self {
        let socket = victim.socket();
        let sampling = thread::spawn(move || {
            let reply = text::run(&socket, &format!("cpu {seconds} --hz {hz} --json"));
            Look::read(&reply).unwrap_or_else(|| panic!("{reply:.1000}"))
        });
        wait_for_timers(victim, true);
        let before = used(victim);
        work(victim);
        wait_for_timers(victim, false);
        let mut used = used(victim);
        let look = sampling.join().expect("a profile");
        used.retain(|name, used| {
            let known = before.get(name);
            *used = used.saturating_sub(*known.unwrap_or(&0));
            known.is_some()
        });
        Self { look, hz, used }
    }

    fn report(&self, key: &str) -> u64 {
        let figure = self.look.json["data"]["report"][key].as_u64();
        figure.unwrap_or_else(|| panic!("{key}: {}", self.look.json["data"]["report"]))
    }

    /// What was sampled of the threads that are `wanted`, in nanoseconds.
    fn counted(&self, wanted: impl Fn(&Thread) -> bool) -> u64 {
        let weights = self.look.json["data"]["weights"].as_array();
        let ns = weights.into_iter().flatten().map(|it| it["ns"].as_u64());
        let threads = self.look.threads.iter().zip(ns);
        let wanted = threads.filter(|(thread, _)| wanted(thread));
        wanted.map(|(_, ns)| ns.expect("a weight")).sum()
    }

    fn counted_of(&self, name: &str) -> u64 {
        self.counted(|thread| thread.name == name)
    }

    /// How far off the figure of one thread may be, in nanoseconds.
    fn slack(&self) -> u64 {
        1000 * MS / self.hz + TICKS
    }

    /// At least 99 % of what the process has used was sampled; where so many `threads` were given too
    /// little of the processor to tell, all but their last ticks.
    #[track_caller]
    fn is_complete(&self, threads: u64) {
        let (counted, used) = (self.counted(|_| true), self.report("cpu_ns"));
        let (missing, slack) = (used.saturating_sub(counted), threads * self.slack());
        let report = &self.look.json["data"]["report"];
        assert!(missing <= slack.max(used / 100), "{counted}: {report}");
        assert!(counted <= used + slack, "{counted}: {report}");
        assert!(
            self.report("truncated") * 50 <= self.report("samples"),
            "{report}"
        );
    }
}

/// Has a victim start the thread `name`, and waits until it is called that.
fn start(victim: &mut Victim, name: &str, deed: &str) {
    victim.tell(deed);
    wait::until_true("the thread has its name", || {
        used(victim).contains_key(name)
    });
}

/// The window of a profile is as long as the kernel lists its timers.
fn wait_for_timers(victim: &Victim, there: bool) {
    let timers = format!("/proc/{}/timers", victim.pid());
    wait::until_true("timers come and go", || {
        fs::read_to_string(&timers).is_ok_and(|timers| timers.is_empty() != there)
    });
}

/// What the threads of a process have used, in nanoseconds, by name.
fn used(victim: &Victim) -> BTreeMap<String, u64> {
    let threads = procfs::threads(victim.pid()).into_iter();
    let used = threads.filter_map(|(tid, name)| {
        let line = procfs::read(victim.pid(), &format!("task/{tid}/schedstat"))?;
        Some((name, line.split(' ').next()?.parse().ok()?))
    });
    used.collect()
}

/// Ticks that a thread has spent in the program, and in the kernel.
fn modes(victim: &Victim, name: &str) -> (u64, u64) {
    let threads = procfs::threads(victim.pid());
    let (tid, _) = threads
        .iter()
        .find(|(_, known)| known == name)
        .expect("the thread");
    let line = procfs::read(victim.pid(), &format!("task/{tid}/stat")).expect("a line");
    let behind = line.rsplit_once(") ").expect("a name").1;
    let mut words = behind.split(' ').skip(11).map(|word| word.parse());
    let mut next = || words.next().expect("a field").expect("a number");
    (next(), next())
}

/// Threads that use 50, 25, 15 and 10 % of a core for ten seconds: of the samples that the kernel's
/// account calls for at least 99 % are there, and no share is off by half a point.
#[track_caller]
fn shares_are_right(hz: u64) {
    let mut victim = stacked(Build::Release).install();
    let shares = [50, 25, 15, 10];
    for share in shares {
        start(
            &mut victim,
            &format!("share-{share}"),
            &format!("spend_share {share}"),
        );
    }
    let profile = Profile::take(&mut victim, 10, hz, |_| {});
    profile.is_complete(4);
    let names = shares.map(|share| format!("share-{share}"));
    let counted = names.each_ref().map(|name| profile.counted_of(name));
    let used = names.each_ref().map(|name| profile.used[name]);
    let of = |part: u64, whole: [u64; 4]| part as f64 / whole.iter().sum::<u64>() as f64;
    // A thread whose first period begins anywhere is off by one at most; so is what all add up to.
    let period = 1000 * MS / hz;
    let bound = 0.005_f64.max(2.0 * of(period, used));
    for (name, (part, true_part)) in names.iter().zip(counted.into_iter().zip(used)) {
        let (share, true_share) = (of(part, counted), of(true_part, used));
        let off = (share - true_share).abs();
        assert!(
            off < bound,
            "{name}: {share} of {true_share}, {counted:?} of {used:?}"
        );
    }
}

#[test]
fn shares_are_right_at_100_hz() {
    shares_are_right(100);
}

#[test]
fn shares_are_right_at_1000_hz() {
    shares_are_right(1000);
}

/// What the kernel does for a thread is booked on the function that asked for it, also where one call
/// lasts from tick to tick.
#[test]
fn time_inside_system_calls_is_that_of_who_calls() {
    let mut victim = stacked(Build::Release).install();
    start(&mut victim, "zeros", "spend_in_zeros");
    start(&mut victim, "randoms", "spend_in_randoms");
    let profile = Profile::take(&mut victim, 3, 500, |_| {});
    profile.is_complete(2);
    for (name, function) in [("zeros", "read_zeros"), ("randoms", "read_randoms")] {
        let (program, kernel) = modes(&victim, name);
        assert!(kernel > 3 * program, "{name}: {program} {kernel}");
        let of = |thread: &Thread| {
            let mut functions = thread.functions();
            thread.name == name && functions.any(|known| known.ends_with(function))
        };
        let (own, all) = (profile.counted(of), profile.counted_of(name));
        assert!(all > 0 && own * 100 >= all * 99, "{name}: {own} of {all}");
    }
}

/// Threads of 20 ms each, one after the other, are as much in the profile as one that stays.
#[test]
fn threads_that_live_for_20_ms_have_their_share() {
    let mut victim = stacked(Build::Release).install();
    start(&mut victim, "steady", "burn steady 5");
    victim.tell("spend_briefly 20000");
    let spent = |victim: &mut Victim| victim.tell("spent_briefly").parse::<u64>().unwrap();
    let mut brief = 0;
    let profile = Profile::take(&mut victim, 5, 500, |victim| {
        let before = spent(victim);
        wait_for_timers(victim, false);
        brief = (spent(victim) - before) * 1000;
    });
    let of = |brief: u64, steady: u64| brief as f64 / (brief + steady) as f64;
    let counted = of(profile.counted_of("brief"), profile.counted_of("steady"));
    let used = of(brief, profile.used["steady"]);
    // Each ends before the kernel has looked at its last milliseconds, up to a quarter of what it uses;
    // and which of them are met before they have a timer is chance.
    let bound = 0.1 + 0.5 / (brief as f64 / (20 * MS) as f64).sqrt();
    let off = (counted - used).abs();
    assert!(off < bound, "{counted} of {used}");
}

/// A forked child and a program that is started work on, although the signal would end either; and the
/// parent's profile has all of the parent.
#[test]
fn fork_and_exec_in_the_middle_of_a_profile_harm_nobody() {
    for signal in ["prof", "usr2"] {
        let mut victim = stacked(Build::Release).install_with(&format!("signal={signal}"));
        start(&mut victim, "hot", "burn hot 5");
        let profile = Profile::take(&mut victim, 4, 1000, |victim| {
            for deed in ["spend_forked", "spend_as_shell", "spend_forked"] {
                let ended = victim.tell(deed);
                assert!(
                    ended.starts_with("Exited(") && ended.ends_with(", 7)"),
                    "{ended}"
                );
            }
        });
        profile.is_complete(2);
        let (hot, all) = (profile.counted_of("hot"), profile.counted(|_| true));
        assert!(hot * 10 >= all * 9, "{hot} of {all}");
    }
}

/// A process that becomes another program takes no timer along: the first period that ended there
/// would be its end.
#[test]
fn a_process_that_becomes_another_program_lives_on() {
    for signal in ["prof", "usr2"] {
        let mut victim = stacked(Build::Release).install_with(&format!("signal={signal}"));
        start(&mut victim, "hot", "burn hot 5");
        let socket = victim.socket();
        let sampling = thread::spawn(move || text::run(&socket, "cpu 300 --hz 1000"));
        wait_for_timers(&victim, true);
        victim.order("become_shell");
        assert_eq!(victim.wait().code(), Some(7));
        let _ = sampling.join(); // it was cut off
    }
}
