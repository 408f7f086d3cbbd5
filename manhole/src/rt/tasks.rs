//! Tasks and their wakers: which ones are to be polled next.

use super::{Task, bell::Bell};
use std::{
    collections::{HashMap, VecDeque},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
};

/// A task's number; never used twice.
pub(super) type Id = u64;
/// The future that the loop runs for; it is not among the tasks.
pub(super) const MAIN: Id = 0;

/// Every task of a loop that is not being polled right now.
#[derive(Default)]
pub(super) struct Tasks {
    last: Id,
    all: HashMap<Id, Taken>,
}

/// A task with its waker.
pub(super) struct Taken {
    task: Task,
    waker: Arc<TaskWaker>,
}

impl Tasks {
    /// Adds a task, to be polled at once.
    pub(super) fn add(&mut self, task: Task, alarm: &Arc<Alarm>) {
        self.last += 1;
        let id = self.last;
        let waker = waker(id, alarm);
        waker.wake_by_ref();
        self.all.insert(id, Taken { task, waker });
    }

    pub(super) fn take(&mut self, id: Id) -> Option<Taken> {
        self.all.remove(&id)
    }

    pub(super) fn put_back(&mut self, id: Id, taken: Taken) {
        self.all.insert(id, taken);
    }
}

impl Taken {
    /// Polls the task; whether it is done. One that panics is done: it costs its own conversation
    /// and no other.
    pub(super) fn poll(&mut self) -> bool {
        self.waker.begin();
        let waker = Waker::from(self.waker.clone());
        let task = self.task.as_mut();
        let polled = catch_unwind(AssertUnwindSafe(|| {
            task.poll(&mut Context::from_waker(&waker))
        }));
        polled.map_or(true, |poll| poll.is_ready())
    }
}

/// The queue of tasks to be polled, and the bell that ends the loop's sleep.
pub(super) struct Alarm {
    queue: Mutex<VecDeque<Id>>,
    /// Whether the loop sleeps or is about to: only then the bell is rung.
    asleep: AtomicBool,
    bell: Bell,
}

impl Alarm {
    /// # Errors
    /// When there is no descriptor for the bell.
    pub(super) fn new() -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            queue: Mutex::default(),
            asleep: AtomicBool::new(false),
            bell: Bell::new()?,
        }))
    }

    /// The task to poll next.
    pub(super) fn next(&self) -> Option<Id> {
        self.queue().pop_front()
    }

    /// Announces that the loop goes to sleep; whether it may. From then on a wake rings the bell.
    pub(super) fn go_to_sleep(&self) -> bool {
        // The order matters: a wake pushes first and looks at `asleep` second, we do it the other
        // way round, so one of the two sees the other.
        self.asleep.store(true, Ordering::SeqCst);
        self.queue().is_empty()
    }

    /// The loop is awake; rings so far are done with.
    pub(super) fn get_up(&self) {
        self.asleep.store(false, Ordering::SeqCst);
    }

    pub(super) fn bell(&self) -> &Bell {
        &self.bell
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Id>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The waker of task `id`.
pub(super) fn waker(id: Id, alarm: &Arc<Alarm>) -> Arc<TaskWaker> {
    Arc::new(TaskWaker {
        id,
        queued: AtomicBool::new(false),
        alarm: alarm.clone(),
    })
}

pub(super) struct TaskWaker {
    id: Id,
    /// Whether the task stands in the queue already.
    queued: AtomicBool,
    alarm: Arc<Alarm>,
}

impl TaskWaker {
    /// To be called before a poll, so that a wake during it queues the task again.
    pub(super) fn begin(&self) {
        self.queued.store(false, Ordering::SeqCst);
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.queued.swap(true, Ordering::SeqCst) {
            return;
        }
        self.alarm.queue().push_back(self.id);
        if self.alarm.asleep.load(Ordering::SeqCst) {
            self.alarm.bell.ring();
        }
    }
}
