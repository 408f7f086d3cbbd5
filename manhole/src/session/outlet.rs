//! Writing to a client that may have stopped reading, or reads a byte a second.

use crate::rt::{Stream, timeout};
use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

/// A reader that takes nothing for this long is gone.
const STALLED: Duration = Duration::from_secs(30);
/// A reader is judged over this much time spent waiting for it ...
const WINDOW: Duration = Duration::from_secs(60);
/// ... and must have taken this much in it: 4 KiB/s.
const WINDOW_BYTES: u64 = 4096 * 60;

/// Nobody reads any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Gone;

/// How a reader keeps up. Only time that we spend waiting for it counts, never the time that a
/// command takes to find its answer.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    waited: Duration,
    taken: u64,
    waiting_since: Option<Instant>,
}

impl Outlet {
    /// Writes all of `bytes`.
    pub(super) async fn write(&mut self, stream: &Stream, mut bytes: &[u8]) -> Result<(), Gone> {
        while !bytes.is_empty() {
            match stream.try_write(bytes) {
                Ok(count) => {
                    self.took(count);
                    bytes = bytes.get(count..).unwrap_or_default();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.waits();
                    match timeout(STALLED, stream.writable()).await {
                        Ok(Ok(())) if !self.too_slow() => {}
                        _ => return Err(Gone),
                    }
                }
                Err(_) => return Err(Gone),
            }
        }
        Ok(())
    }

    /// The reader took something.
    pub(super) fn took(&mut self, bytes: usize) {
        self.taken = self.taken.saturating_add(bytes as u64);
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed();
        }
    }

    /// We wait for the reader from now on.
    pub(super) fn waits(&mut self) {
        self.waiting_since.get_or_insert_with(Instant::now);
    }

    /// Whether the reader is so slow that it is to be left.
    pub(super) fn too_slow(&mut self) -> bool {
        let now = self
            .waiting_since
            .map_or(Duration::ZERO, |since| since.elapsed());
        if now >= STALLED {
            return true;
        }
        if self.waited + now < WINDOW {
            return false;
        }
        let slow = self.taken < WINDOW_BYTES;
        *self = Self {
            waiting_since: self.waiting_since,
            ..Self::default()
        };
        slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_waiting_counts_and_only_below_the_rate() {
        let mut outlet = Outlet {
            waited: WINDOW,
            taken: WINDOW_BYTES,
            waiting_since: None,
        };
        assert!(!outlet.too_slow(), "exactly the rate is fast enough");
        assert_eq!(outlet.taken, 0, "a new window began");
        outlet = Outlet {
            waited: WINDOW,
            taken: WINDOW_BYTES - 1,
            waiting_since: None,
        };
        assert!(outlet.too_slow());
        outlet.waited = Duration::ZERO;
        outlet.taken = 0;
        assert!(!outlet.too_slow(), "no time was spent waiting");
    }
}
