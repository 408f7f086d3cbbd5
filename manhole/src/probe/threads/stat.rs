//! The files of one thread below `/proc/self/task/TID`, parsed.

use crate::probe::procfs::{field, field_number, lossless};
use std::borrow::Cow;

/// What a thread is doing, by the scheduler's letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum State {
    /// `R`: on a core, or ready for one.
    Running,
    /// `D`: waits for a disk, a network file system, memory; no signal reaches it.
    Uninterruptible,
    /// `S`: waits.
    Sleeping,
    /// `T`, `t`: stopped by a signal or a debugger.
    Stopped,
    /// `Z`, `X`: has ended.
    Dead,
    /// `I`, `P` and whatever comes.
    Other,
}

impl State {
    /// The word in answers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            State::Running => "run",
            State::Uninterruptible => "disk",
            State::Sleeping => "sleep",
            State::Stopped => "stopped",
            State::Dead => "dead",
            State::Other => "other",
        }
    }

    fn of(letter: &str) -> Self {
        match letter {
            "R" => State::Running,
            "D" => State::Uninterruptible,
            "S" => State::Sleeping,
            "T" | "t" => State::Stopped,
            "Z" | "X" | "x" => State::Dead,
            _ => State::Other,
        }
    }
}

/// `stat`, as far as it is used; times in clock ticks of 1/100 s as the kernel has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Thread id.
    pub tid: u32,
    /// Name, at most 15 bytes; another name for `comm`.
    pub name: String,
    /// What it is doing.
    pub state: State,
    /// The kernel's letter for that.
    pub letter: char,
    /// Page faults that had to read from a disk.
    pub major_faults: u64,
    /// CPU time in the program, in ticks.
    pub user_ticks: u64,
    /// CPU time in the kernel, in ticks.
    pub system_ticks: u64,
    /// When it started, in ticks since the machine did; with the tid it names a thread for good.
    pub start_ticks: u64,
    /// Signals it blocks, of the first 31: bit n-1 is signal n.
    pub blocked_signals: u64,
}

impl Stat {
    /// Parses `4711 (name) S 1 ...`. The name may hold blanks and parentheses: the last one counts.
    pub(crate) fn parse(content: &[u8]) -> Option<Self> {
        let text = match str::from_utf8(content) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(lossless(content)),
        };
        let (tid, rest) = text.split_once(" (")?;
        let (name, rest) = rest.rsplit_once(") ")?;
        let mut fields = rest.split_ascii_whitespace();
        let letter = fields.next()?;
        // Behind the state: 3 = ppid ... 12 = majflt, 14 = utime, 15 = stime, 22 = starttime,
        // 32 = blocked.
        let mut number = |skip: usize| fields.nth(skip)?.parse::<u64>().ok();
        let (major_faults, user_ticks, system_ticks) = (number(8)?, number(1)?, number(0)?);
        Some(Self {
            tid: tid.parse().ok()?,
            name: name.to_owned(),
            state: State::of(letter),
            letter: letter.chars().next()?,
            major_faults,
            user_ticks,
            system_ticks,
            start_ticks: number(6)?,
            blocked_signals: number(9)?,
        })
    }
}

/// `schedstat`: the scheduler's own nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct SchedStat {
    /// Time on a core, in nanoseconds.
    pub run_ns: u64,
    /// Time ready for a core without having one, in nanoseconds.
    pub wait_ns: u64,
    /// How often it was put on a core.
    pub slices: u64,
}

impl SchedStat {
    /// Parses `68517 142907 2`; `None` on kernels that keep no such books (all zero).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split_ascii_whitespace().map(str::parse::<u64>);
        let mut next = || numbers.next()?.ok();
        let stat = Self {
            run_ns: next()?,
            wait_ns: next()?,
            slices: next()?,
        };
        (stat != Self::default()).then_some(stat)
    }
}

/// `status`, as far as it is not in `stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Status {
    /// Times it gave up its core to wait.
    pub voluntary_switches: Option<u64>,
    /// Times its core was taken away.
    pub involuntary_switches: Option<u64>,
    /// Signals it blocks: bit n-1 is signal n.
    pub blocked_signals: Option<u64>,
}

impl Status {
    /// Parses a `status` file.
    pub(crate) fn parse(text: &str) -> Self {
        let mask = field(text, "SigBlk");
        Self {
            voluntary_switches: field_number(text, "voluntary_ctxt_switches"),
            involuntary_switches: field_number(text, "nonvoluntary_ctxt_switches"),
            blocked_signals: mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()),
        }
    }
}

/// When a thread last was on a core, in nanoseconds of the scheduler's clock, out of `sched`.
///
/// The clock is that of one core and leaves out interrupts and time stolen by the hypervisor: fit to
/// refine what is known from elsewhere, not to be believed alone. See [`super::still`].
pub(crate) fn parse_last_run(sched: &str) -> Option<u64> {
    let (millis, nanos) = field(sched, "se.exec_start")?.split_once('.')?;
    // Six digits: the nanoseconds within the millisecond.
    let nanos: u64 = nanos.get(..6)?.parse().ok()?;
    let at: u64 = millis.parse::<u64>().ok()?.checked_mul(1_000_000)?;
    // A migration sets it to 0.
    Some(at.checked_add(nanos)?).filter(|at| *at > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_parsed_whatever_the_name_holds() {
        let check = |name: &str| {
            let text = format!(
                "7202 ({name}) D 7158 7158 4175 0 -1 4194368 4 6548 9 0 31 12 0 0 20 0 2 0 142442 92479488 1 2 3 4 5 6 7 0 4194304 0 0\n"
            );
            let stat = Stat::parse(text.as_bytes()).unwrap();
            assert_eq!((stat.tid, stat.name.as_str()), (7202, name));
            assert_eq!((stat.state, stat.letter), (State::Uninterruptible, 'D'));
            assert_eq!(stat.blocked_signals, 1 << 22);
            assert_eq!((stat.user_ticks, stat.system_ticks), (31, 12));
            assert_eq!((stat.major_faults, stat.start_ticks), (9, 142_442));
        };
        check("python3");
        check("a) S (b c");
        check("");
        assert_eq!(Stat::parse(b"1 (x) S 1 2"), None);
        assert_eq!(Stat::parse(b""), None);
    }

    #[test]
    fn a_kernel_without_schedstat_is_unknown_not_idle() {
        assert_eq!(SchedStat::parse("0 0 0\n"), None);
        assert_eq!(SchedStat::parse("1 2\n"), None);
        let stat = SchedStat::parse("68517 142907 2\n").unwrap();
        assert_eq!(
            (stat.run_ns, stat.wait_ns, stat.slices),
            (68_517, 142_907, 2)
        );
    }

    #[test]
    fn status_has_switches_and_blocked_signals() {
        let text = "SigBlk:\t0000000000004000\nvoluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t3\n";
        let status = Status::parse(text);
        assert_eq!(status.blocked_signals, Some(1 << 14));
        assert_eq!(
            (status.voluntary_switches, status.involuntary_switches),
            (Some(12), Some(3))
        );
        assert_eq!(Status::parse(""), Status::default());
    }

    #[test]
    fn the_last_run_is_read_in_nanoseconds() {
        let check = |value: &str, expected: Option<u64>| {
            let text =
                format!("x (1, #threads: 1)\nse.exec_start    :   {value}\nse.vruntime : 1.0\n");
            assert_eq!(parse_last_run(&text), expected, "{value}");
        };
        check("1424108.188677", Some(1_424_108_188_677));
        check("0.000000", None);
        check("12", None);
    }
}
