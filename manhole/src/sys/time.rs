//! The clock on the wall.

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since the epoch, a label only; durations come from `Instant`.
pub(crate) fn unix_now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}
