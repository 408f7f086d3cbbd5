//! Threads that take signals for themselves, by sigwait(3) and its like.
//!
//! While one waits, the kernel shows the signals that it waits for as not blocked, whatever its mask
//! was before: it looks like anybody. Ours would be handed to the host as if somebody had sent it that
//! signal, and a loop that takes what it does not know for the end would end. So who may be waiting
//! like this is looked at once more.

use crate::probe::threads::{Stat, State};
use nix::libc;

/// This many threads are looked at without a reason; 5 us each.
const FEW: usize = 64;

/// Finds them among the threads of a process, which come with the leader first.
///
/// A program that waits for signals blocks them in its other threads, which inherit that: else they
/// would be delivered there. So among many threads those are looked at that block less than the leader.
#[derive(Debug)]
pub(in crate::probe) struct Takers {
    leader: u32,
    /// What the leader blocks, as far as it shows.
    usual: u64,
    few: usize,
}

impl Takers {
    pub(in crate::probe) fn new() -> Self {
        Self {
            leader: std::process::id(),
            usual: 0,
            few: FEW,
        }
    }

    /// Whether the thread waits for signals; `line` reads a file of its directory in /proc.
    pub(in crate::probe) fn takes(
        &mut self,
        stat: &Stat,
        line: impl Fn(u32, &str) -> Option<String>,
    ) -> bool {
        if !self.is_suspect(stat) {
            return false;
        }
        match line(stat.tid, "wchan").as_deref() {
            Some("0") | None => line(stat.tid, "syscall").is_some_and(|line| is_wait(&line)),
            Some(function) => function.contains("sigtimedwait"),
        }
    }

    fn is_suspect(&mut self, stat: &Stat) -> bool {
        if stat.tid == self.leader {
            self.usual = stat.blocked_signals;
        }
        if stat.state != State::Sleeping {
            return false;
        }
        let before = self.few;
        self.few = self.few.saturating_sub(1);
        before > 0 || self.usual & !stat.blocked_signals != 0
    }
}

/// Whether a line of `syscall` begins with the number of rt_sigtimedwait(2).
pub(in crate::probe) fn is_wait(line: &str) -> bool {
    let number = line.split_ascii_whitespace().next();
    number.and_then(|number| number.parse().ok()) == Some(libc::SYS_rt_sigtimedwait)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::stack::Answered,
        probe::stacks::{History, Options, take},
    };
    use nix::sys::{
        pthread::pthread_kill,
        signal::{SigSet, Signal},
    };
    use std::{os::unix::thread::JoinHandleExt, sync::mpsc, thread, time::Duration};

    fn stat(tid: u32, letter: char, blocked: u64) -> Stat {
        let zeros = "0 ".repeat(28);
        let text = format!("{tid} (x) {letter} {zeros}{blocked} 0 0");
        let stat = Stat::parse(text.as_bytes()).unwrap();
        assert_eq!(stat.blocked_signals, blocked);
        stat
    }

    #[test]
    fn a_wait_for_signals_is_told_by_function_or_call() {
        let check = |wchan: Option<&str>, syscall: Option<&str>, expected: bool| {
            let line = |_: u32, name: &str| {
                let line = if name == "wchan" { wchan } else { syscall };
                line.map(str::to_owned)
            };
            let takes = Takers::new().takes(&stat(7, 'S', 0), line);
            assert_eq!(takes, expected, "{wchan:?}");
        };
        let call = format!("{} 0x7f 0x0", libc::SYS_rt_sigtimedwait);
        check(Some("do_sigtimedwait.isra.0"), None, true);
        check(Some("futex_wait_queue"), Some(&call), false);
        check(Some("0"), Some(&call), true);
        check(None, Some(&call), true);
        check(None, Some("running"), false);
        check(None, Some("-1 0x7f 0x0"), false);
        check(None, None, false);
    }

    #[test]
    fn among_many_those_are_suspects_that_block_less_than_the_leader() {
        let mut takers = Takers::new();
        let mut check = |tid: u32, letter: char, blocked: u64, expected: bool| {
            let zeros = "0 ".repeat(28);
            let text = format!("{tid} (x) {letter} {zeros}{blocked} 0 0");
            let stat = Stat::parse(text.as_bytes()).unwrap();
            assert_eq!(stat.blocked_signals, blocked);
            assert_eq!(
                takers.is_suspect(&stat),
                expected,
                "{tid} {letter} {blocked}"
            );
        };
        check(std::process::id(), 'S', 0b110, true);
        (0..FEW - 1).for_each(|_| check(1, 'S', 0b110, true));
        check(1, 'S', 0b110, false);
        check(1, 'S', 0b111, false);
        check(1, 'S', 0b010, true);
        check(1, 'R', 0, false);
    }

    /// The signal loop of many a daemon: all signals blocked, and whatever comes is taken.
    #[test]
    fn a_thread_that_takes_all_signals_gets_none_of_ours() {
        let (send, receive) = mpsc::channel();
        let daemon = thread::spawn(move || {
            SigSet::all().thread_block().unwrap();
            send.send(nix::unistd::gettid().as_raw() as u32).unwrap();
            let mut wanted = SigSet::all();
            wanted.remove(Signal::SIGTERM); // other tests' processes are none of its business
            wanted.wait()
        });
        let tid = receive.recv().unwrap();
        let wchan = || std::fs::read_to_string(format!("/proc/self/task/{tid}/wchan"));
        while !wchan().unwrap().contains("sigtimedwait") {
            thread::sleep(Duration::from_millis(1));
        }
        let options = Options {
            signal: libc::SIGURG,
            ask: true,
            only: Some(vec![tid]),
            ..Options::default()
        };
        for _ in 0..10 {
            let dump = take(&options, &History::default(), &|| true).unwrap();
            let answers: Vec<Answered> = dump.threads.iter().map(|it| it.answer).collect();
            assert_eq!(answers, [Answered::Blocks]);
        }
        assert!(!daemon.is_finished(), "it took a signal of ours");
        pthread_kill(daemon.as_pthread_t(), Signal::SIGUSR1).unwrap();
        assert_eq!(daemon.join().unwrap(), Ok(Signal::SIGUSR1));
    }
}
