//! Facts about this process, read from /proc and the kernel; plain data, never formatted.
//!
//! Each file is one subject: pure parsers, tried on sample texts, below thin readers. What cannot be
//! read is `None`, never 0. The readers run on the console's own threads, whose descriptor table is
//! private: `/proc/self` is the leader of the thread group, so it shows the application's side, and
//! `/proc/thread-self` is ours.
//!
//! No probe opens a descriptor of the host, writes anywhere, or takes a lock that the host's code
//! takes; the kernel's `mmap_lock` is the one exception, and the probes that need it say so.

pub(crate) mod allocator;
pub(crate) mod cgroup;
pub(crate) mod clock;
pub(crate) mod cores;
pub(crate) mod cpu;
pub(crate) mod env;
pub(crate) mod fds;
pub(crate) mod heap;
pub(crate) mod heap_sums;
pub(crate) mod identity;
pub(crate) mod limits;
pub(crate) mod maps;
pub(crate) mod memory;
mod procfs;
mod sampling;
pub(crate) mod stacks;
pub(crate) mod threads;
pub(crate) mod vitals;
pub(crate) mod wall;

pub(crate) use sampling::Options;

/// Whether a thread of this name is the console's own: it is counted, and left out of every table.
pub(crate) fn is_own_thread(name: &str) -> bool {
    matches!(name, "manhole" | "manhole-worker" | "manhole-app")
}
