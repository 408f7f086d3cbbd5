//! What every thread is doing: copies of stacks, unwound on a thread of ours.
