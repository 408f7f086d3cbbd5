//! The threads that commands run on: made when needed, gone when idle.
//!
//! They are spawned by the I/O thread, so they share its private descriptor table and its blocked
//! signals, and they run our own code only. A command may therefore block; the I/O thread does not.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

/// Most commands that run at a time; the rest waits in line.
const MOST: usize = 16;
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
    queue: VecDeque<Job>,
    alive: usize,
    idle: usize,
}

impl Workers {
    /// Has `job` run on a worker. Must be called on the island.
    ///
    /// # Errors
    /// Gives the job back when no thread can be had and none is alive: the caller runs it itself.
    pub(crate) fn run(&self, job: Job) -> Result<(), Job> {
        let mut pool = self.lock();
        pool.queue.push_back(job);
        if pool.idle >= pool.queue.len() || pool.alive >= MOST {
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
            0 => pool.queue.pop_back().map_or(Ok(()), Err),
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
        let mut pool = self.lock();
        loop {
            if let Some(job) = pool.queue.pop_front() {
                drop(pool);
                job();
                pool = self.lock();
                continue;
            }
            pool.idle += 1;
            let waited = self
                .shared
                .1
                .wait_timeout_while(pool, IDLE, |pool| pool.queue.is_empty());
            pool = waited.unwrap_or_else(PoisonError::into_inner).0;
            pool.idle -= 1;
            if pool.queue.is_empty() {
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
                .run(Box::new(move || {
                    let _ = gate.recv();
                    let _ = done.send("slow");
                }))
                .is_ok()
        );
        assert!(
            workers
                .run(Box::new(move || {
                    let _ = tx.send("quick");
                }))
                .is_ok()
        );
        assert_eq!(rx.recv(), Ok("quick"), "the slow job blocks nobody");
        drop(go);
        assert_eq!(rx.recv(), Ok("slow"));
        assert!(workers.alive() <= 2);
    }

    #[test]
    fn more_jobs_than_workers_all_run() {
        let workers = Workers::default();
        let (tx, rx) = channel();
        for i in 0..100 {
            let tx = tx.clone();
            assert!(
                workers
                    .run(Box::new(move || {
                        let _ = tx.send(i);
                    }))
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
