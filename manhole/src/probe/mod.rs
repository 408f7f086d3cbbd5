//! Facts about this process, read from /proc and the kernel; plain data, never formatted.
