//! Plain values to bytes: text, JSON, expvar, OpenMetrics. Pure.

pub(crate) mod mask;
