//! Binding, accepting, credentials, limits.
