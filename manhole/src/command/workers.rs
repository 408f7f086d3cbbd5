//! The threads that commands run on: made when needed, gone when idle.
//!
//! They are spawned by the I/O thread, so they share its private descriptor table and its blocked
//! signals, and they run our own code only. A command may therefore block; the I/O thread does not.

use std::{
    collections::{BTreeMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};
use tokio::sync::mpsc;

/// Most commands that run at a time; the rest waits in line.
const MOST: usize = 24;
/// Most commands of one user among them: one for each connection that root may have. Whoever starts
/// more waits for their own, and not somebody else whose question takes a millisecond.
const EACH: usize = 9;
/// How long a worker waits for more work before it ends.
const IDLE: Duration = Duration::from_secs(5);
/// Stack of a worker: commands recurse only into JSON, whose depth is bounded.
const STACK: usize = 512 << 10;

/// A piece of work.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// The pool.
#[derive(Clone, Default)]
pub(crate) struct Workers {
    shared: Arc<(Mutex<Pool>, Condvar)>,
}

#[derive(Default)]
struct Pool {
    /// What waits, with the uid of who asked.
    queue: VecDeque<(u32, Job)>,
    /// How many jobs of each user run.
    running: BTreeMap<u32, usize>,
    alive: usize,
}

impl Pool {
    /// How many of the jobs that wait may begin now.
    fn ready(&self) -> usize {
        let mut running = self.running.clone();
        let begins = |(uid, _): &&(u32, Job)| {
            let count = running.entry(*uid).or_default();
            *count += 1;
            *count <= EACH
        };
        self.queue.iter().filter(begins).count()
    }

    /// How many workers have nothing to do, or are about to ask for something.
    fn free(&self) -> usize {
        self.alive.saturating_sub(self.running.values().sum())
    }

    /// The oldest job that may begin, counted as running from now on.
    fn begin(&mut self) -> Option<(u32, Job)> {
        let running = &self.running;
        let may = |(uid, _): &(u32, Job)| running.get(uid).is_none_or(|count| *count < EACH);
        let job = self.queue.remove(self.queue.iter().position(may)?)?;
        *self.running.entry(job.0).or_default() += 1;
        Some(job)
    }

    fn end(&mut self, uid: u32) {
        if let Some(count) = self.running.get_mut(&uid) {
            *count -= 1;
            if *count == 0 {
                self.running.remove(&uid);
            }
        }
    }
}

/// Has what a thread keeps for its life allocated before the first command. What an allocator hands
/// out in the middle of a large answer and does not get back may be the highest piece of its memory,
/// and nothing below that returns to the kernel.
fn settle() {
    let (sender, _receiver) = mpsc::channel(1);
    let _ = sender.blocking_send(()); // there is room for one
}

impl Workers {
    /// Has `job` of user `uid` run on a worker. Must be called on the island.
    ///
    /// # Errors
    /// Gives the job back when no thread can be had and none is alive: the caller runs it itself.
    pub(crate) fn run(&self, uid: u32, job: Job) -> Result<(), Job> {
        let mut pool = self.lock();
        pool.queue.push_back((uid, job));
        if pool.free() >= pool.ready() || pool.alive >= MOST {
            drop(pool); // first: whoever is woken needs the lock at once
            self.shared.1.notify_one();
            return Ok(());
        }
        pool.alive += 1;
        drop(pool);
        let shared = self.clone();
        let builder = thread::Builder::new()
            .name("manhole-worker".to_owned())
            .stack_size(STACK);
        if builder.spawn(move || shared.work()).is_ok() {
            return Ok(());
        }
        let mut pool = self.lock();
        pool.alive -= 1;
        match pool.alive {
            // Nobody will ever take it: the newest job is ours to give back.
            0 => pool.queue.pop_back().map_or(Ok(()), |(_, job)| Err(job)),
            _ => Ok(()),
        }
    }

    #[cfg(test)]
    /// Workers alive now.
    pub(crate) fn alive(&self) -> usize {
        self.lock().alive
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pool> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        crate::app::threads::enter_console();
        settle();
        let mut pool = self.lock();
        loop {
            if let Some((uid, job)) = pool.begin() {
                drop(pool);
                // Its commands are caught one by one; this is for what is around them.
                let _ = catch_unwind(AssertUnwindSafe(job));
                pool = self.lock();
                pool.end(uid);
                continue;
            }
            let waited = self
                .shared
                .1
                .wait_timeout_while(pool, IDLE, |pool| pool.ready() == 0);
            pool = waited.unwrap_or_else(PoisonError::into_inner).0;
            if pool.ready() == 0 {
                pool.alive -= 1;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn jobs_run_side_by_side_and_reuse_idle_workers() {
        let workers = Workers::default();
        let (tx, rx) = channel();
        let (go, gate) = channel::<()>();
        let done = tx.clone();
        assert!(
            workers
                .run(
                    7,
                    Box::new(move || {
                        let _ = gate.recv();
                        let _ = done.send("slow");
                    })
                )
                .is_ok()
        );
        assert!(
            workers
                .run(
                    7,
                    Box::new(move || {
                        let _ = tx.send("quick");
                    })
                )
                .is_ok()
        );
        assert_eq!(rx.recv(), Ok("quick"), "the slow job blocks nobody");
        drop(go);
        assert_eq!(rx.recv(), Ok("slow"));
        assert!(workers.alive() <= 2);
    }

    #[test]
    fn one_user_cannot_keep_another_waiting() {
        let workers = Workers::default();
        let (go, gate) = channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        for _ in 0..3 * MOST {
            let gate = gate.clone();
            let hang = Box::new(move || drop(gate.lock().map(|gate| gate.recv())));
            assert!(workers.run(7, hang).is_ok());
        }
        let (tx, rx) = channel();
        for uid in [0, 1001] {
            let tx = tx.clone();
            let job = Box::new(move || tx.send(uid).unwrap());
            assert!(workers.run(uid, job).is_ok());
        }
        let answer = || rx.recv_timeout(Duration::from_secs(20)).unwrap();
        let mut answered = [answer(), answer()];
        answered.sort_unstable();
        assert_eq!(answered, [0, 1001]);
        assert!(workers.alive() <= EACH + 2);
        drop(go);
        while !workers.lock().queue.is_empty() {
            thread::yield_now();
        }
    }

    #[test]
    fn a_job_that_panics_costs_no_place() {
        let workers = Workers::default();
        for _ in 0..EACH {
            let job = Box::new(|| std::panic::resume_unwind(Box::new(())));
            assert!(workers.run(7, job).is_ok());
        }
        let (tx, rx) = channel();
        let job = Box::new(move || tx.send(1).unwrap());
        assert!(workers.run(7, job).is_ok());
        assert_eq!(rx.recv_timeout(Duration::from_secs(20)), Ok(1));
    }

    #[test]
    fn more_jobs_than_workers_all_run() {
        let workers = Workers::default();
        let (tx, rx) = channel();
        for i in 0..100 {
            let tx = tx.clone();
            assert!(
                workers
                    .run(
                        7,
                        Box::new(move || {
                            let _ = tx.send(i);
                        })
                    )
                    .is_ok()
            );
        }
        drop(tx);
        let mut all: Vec<i32> = rx.iter().collect();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        assert!(workers.alive() <= MOST);
    }
}
