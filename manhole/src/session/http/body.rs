//! Bodies: one piece that is known, or the events of a command as they come.

use super::super::running::Events;
use crate::command::Event;
use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// A response's body.
pub(super) enum Body {
    /// Known as a whole.
    Whole(Option<Bytes>),
    /// First pieces, then what a command still writes.
    Events([Option<Bytes>; 2], Events),
}

impl Body {
    /// A body that is known.
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        Body::Whole(Some(bytes.into()))
    }
}

/// A reply that broke off: the connection is cut, so that nobody takes it for whole.
#[derive(Debug)]
pub(super) struct BrokenOff;

impl std::fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the command failed in the middle of its reply")
    }
}

impl std::error::Error for BrokenOff {}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let frame = |bytes| Poll::Ready(Some(Ok(Frame::data(bytes))));
        match self.get_mut() {
            Body::Whole(bytes) => bytes.take().map_or(Poll::Ready(None), frame),
            Body::Events(first, events) => {
                if let Some(bytes) = first.iter_mut().find_map(Option::take) {
                    return frame(bytes);
                }
                loop {
                    return match events.poll_recv(cx) {
                        Poll::Pending => Poll::Pending,
                        Poll::Ready(Some((_, event))) => match event {
                            Event::Text { chunk, .. } | Event::Bytes { chunk, .. } => {
                                frame(chunk.into())
                            }
                            Event::Progress { .. } | Event::Outcome { .. } => continue,
                            Event::End(Ok(())) => Poll::Ready(None),
                            Event::End(Err(_)) => Poll::Ready(Some(Err(BrokenOff))),
                        },
                        Poll::Ready(None) => Poll::Ready(Some(Err(BrokenOff))),
                    };
                }
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Body::Events(..) => SizeHint::default(),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Body::Whole(None))
    }
}
