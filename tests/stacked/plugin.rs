//! What the victim loads, has a thread in, and unloads again.
//!
//! It uses nothing of std that would keep it loaded: thread-locals with destructors do.
#![allow(unsafe_code)]

use std::{ffi::c_int, hint::black_box};

unsafe extern "C" {
    safe fn usleep(microseconds: u32) -> c_int;
    fn read(fd: c_int, buffer: *mut u8, count: usize) -> isize;
}

/// In the storm it has an allocator of its own, whose thread-locals and tables come and go with it.
#[cfg(feature = "sampled")]
#[global_allocator]
static ALLOC: manhole::Alloc = manhole::Alloc::system();

/// Waits below three functions of its own for a byte from the descriptor `fd`.
// SAFETY: nobody else has a function of this name.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_wait(fd: u64) -> u64 {
    black_box(plugin_outer(fd, wait_for_byte)) + 1
}

/// Sleeps below the same functions for `microseconds`.
// SAFETY: as above.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_pass(microseconds: u64) -> u64 {
    black_box(plugin_outer(microseconds, sleep_a_little)) + 2
}

/// Computes below the same functions until the byte at `over` is not 0.
// SAFETY: as above.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_compute(over: u64) -> u64 {
    black_box(plugin_outer(over, compute_in_plugin)) + 3
}

#[inline(never)]
fn plugin_outer(argument: u64, leaf: fn(u64) -> u64) -> u64 {
    #[cfg(feature = "sampled")]
    drop(black_box(vec![1_u8; 1000]));
    let kept = black_box([argument; 3]);
    black_box(plugin_middle(argument, leaf)) ^ black_box(kept)[0]
}

#[inline(never)]
fn plugin_middle(argument: u64, leaf: fn(u64) -> u64) -> u64 {
    let kept = black_box([argument; 5]);
    black_box(leaf(argument)) ^ black_box(kept)[1]
}

#[inline(never)]
fn wait_for_byte(fd: u64) -> u64 {
    let mut byte = 0;
    // SAFETY: one byte of our own is written to.
    let count = unsafe { read(fd as c_int, &mut byte, 1) };
    black_box(count as u64)
}

#[inline(never)]
fn sleep_a_little(microseconds: u64) -> u64 {
    let result = usleep(microseconds as u32);
    black_box(result as u64)
}

#[inline(never)]
fn compute_in_plugin(over: u64) -> u64 {
    let mut number = 1_u64;
    // SAFETY: a byte of the program's, which others write while it is read.
    while unsafe { (over as *const u8).read_volatile() } == 0 {
        number = black_box(number.wrapping_mul(31) ^ 7);
    }
    number
}
