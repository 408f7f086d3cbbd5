//! The builder and `install()`: the only place that knows all layers.

/// Installs the console.
pub fn install() {}
