//! Timers of the loop. Monotonic; they never end early, and late by about a millisecond.

use super::{Loop, current, reactor::Timer};
use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// Ends at a moment.
pub(crate) struct Sleep {
    at: Instant,
    set: Option<(Rc<Loop>, Timer)>,
}

/// Waits for `time`.
pub(crate) fn sleep(time: Duration) -> Sleep {
    Sleep::until(Instant::now() + time)
}

impl Sleep {
    fn until(at: Instant) -> Self {
        Self { at, set: None }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.at {
            return Poll::Ready(());
        }
        if self.set.is_none()
            && let Some(on) = current()
        {
            let timer = (self.at, on.reactor.number());
            self.set = Some((on, timer));
        }
        if let Some((on, timer)) = &self.set {
            on.reactor.set_timer(*timer, cx.waker());
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some((on, timer)) = &self.set {
            on.reactor.drop_timer(*timer);
        }
    }
}

/// It was not ready in time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Elapsed;

/// The output of `future`, if it comes within `time`.
pub(crate) async fn timeout<T>(
    time: Duration,
    future: impl Future<Output = T>,
) -> Result<T, Elapsed> {
    timeout_at(Instant::now() + time, future).await
}

/// The output of `future`, if it comes before `at`.
pub(crate) async fn timeout_at<T>(
    at: Instant,
    future: impl Future<Output = T>,
) -> Result<T, Elapsed> {
    let (mut future, mut late) = (pin!(future), Sleep::until(at));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Ok(output)),
        Poll::Pending => Pin::new(&mut late).poll(cx).map(|()| Err(Elapsed)),
    })
    .await
}

/// Ticks; one that comes late delays those after it.
pub(crate) struct Interval {
    period: Duration,
    sleep: Sleep,
}

/// Ticks at once and then every `period`.
pub(crate) fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// Ticks at `start` and then every `period`.
pub(crate) fn interval_at(start: Instant, period: Duration) -> Interval {
    Interval {
        period,
        sleep: Sleep::until(start),
    }
}

impl Interval {
    /// Waits for the next tick. Safe to drop.
    pub(crate) async fn tick(&mut self) {
        poll_fn(|cx| self.poll_tick(cx)).await;
    }

    /// The same as a poll.
    pub(crate) fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let ticked = Pin::new(&mut self.sleep).poll(cx);
        if ticked.is_ready() {
            self.sleep = Sleep::until(Instant::now() + self.period);
        }
        ticked
    }
}
