//! The command table, and one file per command: its data, its function, its tests.
