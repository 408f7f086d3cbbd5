//! Waiting for whichever comes first. tokio's `select!` needs a procedural macro in every service
//! that embeds us; this needs twenty lines.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

/// What came first.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum First<A, B> {
    /// The first future's output.
    A(A),
    /// The second one's.
    B(B),
}

/// Polls both, the first one first; the loser is dropped, so both must be safe to cancel.
pub(super) async fn race<A, B>(
    a: impl Future<Output = A>,
    b: impl Future<Output = B>,
) -> First<A, B> {
    let (mut a, mut b) = (pin!(a), pin!(b));
    poll_fn(|cx| {
        if let Poll::Ready(output) = a.as_mut().poll(cx) {
            return Poll::Ready(First::A(output));
        }
        b.as_mut().poll(cx).map(First::B)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        future::{pending, ready},
        task::{Context, Waker},
    };

    fn now<T>(future: impl Future<Output = T>) -> Poll<T> {
        pin!(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn the_first_one_wins_a_draw() {
        assert_eq!(now(race(ready(1), ready(2))), Poll::Ready(First::A(1)));
        assert_eq!(
            now(race(pending::<()>(), ready(2))),
            Poll::Ready(First::B(2))
        );
        assert!(now(race(pending::<()>(), pending::<()>())).is_pending());
    }
}
