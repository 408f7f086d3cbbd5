//! Stacks made readable: foreign frames folded, equal stacks merged, waits and roles named. Pure, and
//! used by the console and by the client, with the same results.
