//! What `gc stats`, `memory` and `gc run` take on a large heap that is full of holes.
//!
//! Eight threads allocate blocks of 64 to 2064 bytes, 1 GiB in all (`MANHOLE_BENCH_GIB`), and end; nine
//! of ten blocks are freed; then the rest. A program has one allocator, so this is run once for each:
//! `cargo bench -p manhole --bench gc`, and the same with `--features jemalloc` or `--features mimalloc`.

mod support;

use std::{
    hint::black_box,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    thread,
    time::Instant,
};
use support::{Table, figures::nanos, setting};

#[cfg(any(feature = "jemalloc", feature = "mimalloc"))]
#[allow(unsafe_code)]
mod other {
    use std::alloc::{GlobalAlloc, Layout};
    #[cfg(feature = "jemalloc")]
    use tikv_jemalloc_sys::{aligned_alloc, free};

    #[cfg(not(feature = "jemalloc"))]
    unsafe fn aligned_alloc(align: usize, size: usize) -> *mut std::ffi::c_void {
        // SAFETY: as the caller promised.
        unsafe { libmimalloc_sys::mi_malloc_aligned(size, align) }
    }
    #[cfg(not(feature = "jemalloc"))]
    use libmimalloc_sys::mi_free as free;

    /// The allocator whose feature is on.
    pub(super) struct Other;

    // SAFETY: both give a block of that size and alignment or null, and take any of their own back.
    unsafe impl GlobalAlloc for Other {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            let align = layout.align().max(size_of::<usize>());
            // SAFETY: as above.
            unsafe { aligned_alloc(align, layout.size()).cast() }
        }

        unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
            // SAFETY: the caller passes a block that came from `alloc`.
            unsafe { free(block.cast()) }
        }
    }
}

#[cfg(any(feature = "jemalloc", feature = "mimalloc"))]
#[global_allocator]
static ALLOC: manhole::Alloc<other::Other> = manhole::Alloc::new(other::Other);
#[cfg(not(any(feature = "jemalloc", feature = "mimalloc")))]
#[global_allocator]
static ALLOC: manhole::Alloc = manhole::Alloc::system();

const THREADS: u64 = 8;

fn main() {
    let console = manhole::install();
    let path = console.path().expect("a socket");
    let mut heap = fill(setting("MANHOLE_BENCH_GIB", 1) << 30);
    for part in &mut heap {
        let mut n = 0;
        part.retain(|_| {
            n += 1;
            n % 10 == 0
        });
    }
    support::heading("Giving memory back");
    let mut table = Table::new(["nine of ten blocks are free", "time", "what it says"]);
    for command in ["gc stats", "memory", "gc stats --deep", "gc run"] {
        table.row(measure(&path, command));
    }
    drop(heap);
    table.row(measure(&path, "gc run").map(|cell| cell.replace("gc run", "gc run, all are free")));
    table.print();
}

/// Threads that are gone when this returns; what they allocated is not.
fn fill(bytes: u64) -> Vec<Vec<Vec<u8>>> {
    let part = move |mut seed: u64| {
        let mut blocks = Vec::new();
        let mut sum = 0;
        while sum < bytes / THREADS {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let size = 64 + (seed >> 33) % 2000;
            sum += size;
            blocks.push(black_box(vec![1_u8; size as usize]));
        }
        blocks
    };
    let threads: Vec<_> = (0..THREADS)
        .map(|seed| thread::spawn(move || part(seed)))
        .collect();
    let blocks = threads.into_iter().map(|thread| thread.join());
    blocks.collect::<Result<_, _>>().expect("the heap")
}

/// The command, its time, and the line that tells: the verdict, or the last line of a table of steps.
fn measure(path: &Path, command: &str) -> [String; 3] {
    let started = Instant::now();
    let mut client = UnixStream::connect(path).expect("a console");
    writeln!(client, "{command}").expect("a command is taken");
    let mut reply = String::new();
    client.read_to_string(&mut reply).expect("an answer");
    let took = nanos(started.elapsed().as_nanos() as f64);
    let telling = match command {
        "gc run" => reply.lines().find(|line| line.starts_with("after ")),
        _ => reply.lines().find(|line| !line.starts_with('#')),
    };
    let words: Vec<&str> = telling.unwrap_or("").split_whitespace().collect();
    [command.to_owned(), took, words.join(" ")]
}
