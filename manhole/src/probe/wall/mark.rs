//! Whether a thread has moved since it was last asked, without asking it.
//!
//! A thread that is blocked shows the kernel's file `syscall` the call, its arguments, stack pointer and
//! program counter: as long as these stay and it spends no time on a core, it waits where it waited.
//! That its CPU clock stands still would not do alone, because our own signal moves it.
//!
//! A process that dropped root may not read that file. There stands how often the thread was put on a
//! core: once by our signal, and not again while it waits on.

use crate::probe::threads::SchedStat;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Time on a core that a thread may spend and still not have moved: to answer takes some microseconds,
/// with cold caches on a busy machine a hundred times that.
pub(super) const ALLOWED_NS: u64 = 500_000;
/// How often answering puts a thread on a core.
const BY_US: u64 = 1;

/// What is seen of a thread from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Nothing that could be compared.
    Unknown,
    /// It is on a core, or ready for one.
    Running,
    /// Blocked: what the line comes to, and its stack pointer.
    Blocked { line: u64, sp: u64 },
    /// It was put on a core so many times.
    Slices(u64),
}

impl Mark {
    /// From the file `syscall`.
    pub(super) fn of_line(line: &[u8]) -> Self {
        let text = std::str::from_utf8(line).unwrap_or_default().trim();
        if text == "running" {
            return Mark::Running;
        }
        let mut words = text.split_ascii_whitespace();
        // The program counter is last, the stack pointer before it; also where there is no call.
        let sp = words.nth_back(1).and_then(|word| word.strip_prefix("0x"));
        let Some(sp) = sp.and_then(|word| u64::from_str_radix(word, 16).ok()) else {
            return Mark::Unknown;
        };
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Mark::Blocked {
            line: hasher.finish(),
            sp,
        }
    }

    /// From the file `schedstat`.
    pub(super) fn of_schedstat(text: &[u8]) -> Self {
        let text = std::str::from_utf8(text).unwrap_or_default();
        SchedStat::parse(text).map_or(Mark::Unknown, |stat| Mark::Slices(stat.slices))
    }

    /// Whether a thread with this mark, that was asked then, and has `now`, is where it was.
    pub(super) fn is_still(self, now: Self) -> bool {
        match (self, now) {
            (Mark::Blocked { .. }, Mark::Blocked { .. }) => self == now,
            (Mark::Slices(then), Mark::Slices(now)) => now.saturating_sub(then) <= BY_US,
            _ => false,
        }
    }

    /// Whether what the thread answered, with its stack pointer at `sp`, and in a call or not, is what
    /// this mark shows: it may have gone on between the two looks.
    pub(super) fn is_of(self, sp: u64, in_call: bool) -> bool {
        match self {
            Mark::Blocked { sp: seen, .. } => seen == sp,
            Mark::Slices(_) => in_call,
            Mark::Unknown | Mark::Running => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = b"202 0x7f00 0x80 0x2 0x0 0x0 0xffffffff 0x7ffe10 0x7f4e\n";

    #[test]
    fn a_line_tells_the_stack_pointer_or_that_the_thread_runs() {
        let check = |line: &[u8], expected: Option<u64>| {
            let sp = match Mark::of_line(line) {
                Mark::Blocked { sp, .. } => Some(sp),
                _ => None,
            };
            assert_eq!(sp, expected, "{line:?}");
        };
        check(LINE, Some(0x7ffe10));
        check(b"-1 0x7ffe20 0x7f4e\n", Some(0x7ffe20));
        check(b"running\n", None);
        check(b"", None);
        check(b"202", None);
        check(b"\xff\xff 1 2", None);
        assert_eq!(Mark::of_line(b"running\n"), Mark::Running);
    }

    #[test]
    fn a_thread_is_still_while_its_line_is_the_same() {
        let other = b"202 0x7f00 0x80 0x3 0x0 0x0 0xffffffff 0x7ffe10 0x7f4e\n";
        let check = |then: &[u8], now: &[u8], expected: bool| {
            assert_eq!(Mark::of_line(then).is_still(Mark::of_line(now)), expected);
        };
        check(LINE, LINE, true);
        check(LINE, other, false);
        check(LINE, b"running", false);
        check(b"running", b"running", false);
        check(b"", b"", false);
    }

    #[test]
    fn where_lines_are_hidden_it_is_still_when_only_we_had_it_run() {
        let check = |then: &[u8], now: &[u8], expected: bool| {
            let [then, now] = [then, now].map(Mark::of_schedstat);
            assert_eq!(then.is_still(now), expected, "{then:?} {now:?}");
        };
        check(b"1000 5 7\n", b"1000 5 7\n", true);
        check(b"1000 5 7\n", b"2000 5 8\n", true);
        check(b"1000 5 7\n", b"2000 5 9\n", false);
        check(b"0 0 0\n", b"0 0 0\n", false);
        check(b"", b"", false);
    }

    #[test]
    fn an_answer_belongs_to_a_mark_when_the_thread_was_still_there() {
        assert!(Mark::of_line(LINE).is_of(0x7ffe10, false));
        assert!(!Mark::of_line(LINE).is_of(0x7ffe18, true));
        assert!(Mark::Slices(1).is_of(0, true) && !Mark::Slices(1).is_of(0, false));
        assert!(!Mark::Running.is_of(0, true) && !Mark::Unknown.is_of(0, true));
    }
}
