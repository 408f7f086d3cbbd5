#!/bin/bash
# What it costs to allocate through manhole::Alloc, beside the bare allocator and beside others that look
# at allocations: small loops, a loop over JSON, and maps of strings; each in a process of its own, in turns,
# as ratios to the bare one. Where valgrind is installed, instructions of the JSON loop as well.
#
# Usage: manhole/benches/heap.sh [ROUNDS]      (default 9; building takes two minutes)
#   JEMALLOC=1 adds jemalloc and its own profiler, whose C code takes minutes to build.
set -eu
rounds=${1:-9}
library=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset CARGO_TARGET_DIR
mkdir -p "$work/src/bin"

cat > "$work/Cargo.toml" <<TOML
[package]
name = "allocates"
version = "0.1.0"
edition = "2024"

[dependencies]
dhat = "0.3"
libc = "0.2"
manhole = { path = "$library" }
serde_json = "1"
stats_alloc = "0.1"
${JEMALLOC:+tikv-jemallocator = { version = "0.6", features = ["profiling", "unprefixed_malloc_on_supported_platforms"] \}}

# The same code around each allocator, as far as a compiler can be made to.
[profile.release]
debug = "line-tables-only"
codegen-units = 1

[workspace]
TOML

cat > "$work/src/lib.rs" <<'RUST'
//! The loops. Each prints its name and nanoseconds of processor time for one turn.
use std::{
    alloc::{Layout, alloc, dealloc},
    collections::{BTreeMap, HashMap},
    hint::black_box,
    sync::mpsc::sync_channel,
    thread,
};

fn cpu_ns() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn timed(name: &str, turns: usize, work: impl FnOnce()) {
    let begin = cpu_ns();
    work();
    println!("{name} {:.3}", (cpu_ns() - begin) / turns as f64);
}

/// Keeps `live` blocks, a power of two, and replaces one after the other, not in the order of their making.
fn ring(size: usize, live: usize, turns: usize) {
    let layout = Layout::from_size_align(size, 8).unwrap();
    let mut blocks = vec![std::ptr::null_mut::<u8>(); live];
    let mut at = 0_usize;
    for _ in 0..turns {
        at = at.wrapping_mul(5).wrapping_add(1) & (live - 1);
        unsafe {
            if !blocks[at].is_null() {
                dealloc(blocks[at], layout);
            }
            let block = alloc(layout);
            block.write_volatile(1);
            blocks[at] = black_box(block);
        }
    }
    for block in blocks.into_iter().filter(|block| !block.is_null()) {
        unsafe { dealloc(block, layout) }
    }
}

fn rings(name: &str, size: usize, live: usize, turns: usize, threads: usize) {
    timed(name, turns * threads, || {
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| ring(size, live, turns));
            }
        })
    });
}

/// Allocated in one thread, freed in another.
fn handed_over(turns: usize) {
    let layout = Layout::from_size_align(64, 8).unwrap();
    timed("64 B, freed by another thread", turns, || {
        let (send, receive) = sync_channel::<Box<[usize; 256]>>(8);
        thread::scope(|scope| {
            scope.spawn(move || {
                for _ in 0..turns / 256 {
                    let blocks = std::array::from_fn(|_| unsafe { alloc(layout) } as usize);
                    send.send(Box::new(blocks)).unwrap();
                }
            });
            scope.spawn(move || {
                for blocks in receive {
                    blocks.iter().for_each(|block| unsafe { dealloc(*block as *mut u8, layout) });
                }
            });
        })
    });
}

#[inline(never)]
pub fn json(turns: usize) {
    let text = (0..300).map(|id| {
        serde_json::json!({"id": id, "name": format!("user-{id}"), "tags": ["a", "bb", format!("tag{}", id % 17)],
            "nested": {"x": id as f64 * 0.5, "y": [1, 2, 3, id], "text": "some words ".repeat(5)}, "ok": id % 2 == 0})
    });
    let text = serde_json::to_string(&text.collect::<Vec<_>>()).unwrap();
    timed("JSON, parsed and written", turns, || {
        for _ in 0..turns {
            let value: serde_json::Value = serde_json::from_str(black_box(&text)).unwrap();
            black_box(serde_json::to_string(&value).unwrap());
        }
    });
}

fn churn(turns: usize) {
    timed("maps of strings", turns, || {
        let mut blocks: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        let mut lists: HashMap<String, Vec<String>> = HashMap::new();
        let mut random = 88_172_645_463_325_252_u64;
        for turn in 0..turns {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            blocks.insert(random % 20_000, vec![turn as u8; (random >> 40) as usize % 300]);
            if random & 3 == 0 {
                blocks.remove(&(random % 19_997));
            }
            let list = lists.entry(format!("key-{}", random % 5000)).or_default();
            list.push(format!("value {turn} {random}"));
            if list.len() > 8 {
                *list = Vec::new();
            }
        }
        black_box((&blocks, &lists));
    });
}

pub fn all() {
    if std::env::args().nth(2).is_some_and(|only| only == "json") {
        return json(20);
    }
    rings("16 B", 16, 256, 4_000_000, 1);
    rings("64 B", 64, 256, 4_000_000, 1);
    rings("1 KiB", 1 << 10, 256, 3_000_000, 1);
    rings("64 KiB", 64 << 10, 16, 1_000_000, 1);
    rings("1 MiB", 1 << 20, 4, 100_000, 1);
    rings("64 B, two threads", 64, 256, 2_000_000, 2);
    rings("1 KiB, two threads", 1 << 10, 256, 1_500_000, 2);
    rings("64 B, 131,072 live", 64, 1 << 17, 2_000_000, 1);
    handed_over(2_000_000);
    json(300);
    churn(600_000);
}
RUST

# The bare one behind a type of its own, as all others are.
cat > "$work/src/bin/bare.rs" <<'RUST'
use std::alloc::{GlobalAlloc, Layout, System};
struct Bare;
unsafe impl GlobalAlloc for Bare {
    #[inline]
    unsafe fn alloc(&self, l: Layout) -> *mut u8 { unsafe { System.alloc(l) } }
    #[inline]
    unsafe fn alloc_zeroed(&self, l: Layout) -> *mut u8 { unsafe { System.alloc_zeroed(l) } }
    #[inline]
    unsafe fn dealloc(&self, p: *mut u8, l: Layout) { unsafe { System.dealloc(p, l) } }
    #[inline]
    unsafe fn realloc(&self, p: *mut u8, l: Layout, n: usize) -> *mut u8 { unsafe { System.realloc(p, l, n) } }
}
#[global_allocator]
static ALLOC: Bare = Bare;
fn main() { allocates::all() }
RUST
cat > "$work/src/bin/ours.rs" <<'RUST'
use std::{io::{Read, Write}, net::Shutdown, os::unix::net::UnixStream};
#[global_allocator]
static ALLOC: manhole::Alloc = manhole::Alloc::system();
fn main() {
    let path = manhole::install().path().expect("a socket");
    let mut stream = UnixStream::connect(path).unwrap();
    write!(stream, "heap sampling {}\n", std::env::args().nth(1).unwrap()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(!reply.contains("ERR"), "{reply}");
    drop(stream);
    // Each thread takes the rate over at its next sample.
    drop(std::hint::black_box(vec![0_u8; 64 << 20]));
    allocates::all();
}
RUST
cat > "$work/src/bin/stats.rs" <<'RUST'
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
#[global_allocator]
static ALLOC: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;
fn main() { allocates::all() }
RUST
cat > "$work/src/bin/dhat.rs" <<'RUST'
#[global_allocator]
static ALLOC: dhat::Alloc = dhat::Alloc;
fn main() {
    let _profiler = dhat::Profiler::builder().testing().build();
    allocates::json(10);
}
RUST
if [ -n "${JEMALLOC:-}" ]; then
    cat > "$work/src/bin/jemalloc.rs" <<'RUST'
#[global_allocator]
static ALLOC: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
fn main() { allocates::all() }
RUST
fi

(cd "$work" && cargo build --quiet --release)
run() { # NAME PROGRAM [WORDS]: lines "NAME|LOOP NANOSECONDS"
    local name=$1 program=$2
    shift 2
    "$work/target/release/$program" "$@" 2> /dev/null | sed "s/^/$name|/"
}
contestants=(bare off 512k 64k stats)
if [ -n "${JEMALLOC:-}" ]; then contestants+=(jemalloc jeprof); fi
for _ in $(seq "$rounds"); do
    run bare bare x
    run off ours off
    run 512k ours 512k
    run 64k ours 64k
    run stats stats x
    if [ -n "${JEMALLOC:-}" ]; then
        run jemalloc jemalloc x
        MALLOC_CONF=prof:true,prof_active:true,lg_prof_sample:19 run jeprof jemalloc x
    fi
done > "$work/all"
run dhat dhat x >> "$work/all"

echo
echo "## Allocations, medians of $rounds rounds ($(nproc) cores, $(rustc --version | cut -d' ' -f1,2))"
echo
echo "Nanoseconds of the bare allocator, then ratios to it (of jeprof to jemalloc)."
echo
python3 - "$work/all" "${contestants[@]}" <<'PYTHON'
import statistics, sys
times, loops = {}, []
for line in open(sys.argv[1]):
    who, rest = line.rstrip().split("|", 1)
    loop, ns = rest.rsplit(" ", 1)
    times.setdefault((who, loop), []).append(float(ns))
    if loop not in loops:
        loops.append(loop)
names = {"off": "off", "512k": "512 KiB", "64k": "64 KiB", "stats": "stats_alloc", "jemalloc": "jemalloc", "jeprof": "its profiler"}
others = [who for who in sys.argv[2:] if who != "bare"]
print("| | bare | " + " | ".join(names[who] for who in others) + " |")
print("|---|---|" + "---|" * len(others))
middle = lambda who, loop: statistics.median(times[who, loop])
for loop in loops:
    base = middle("bare", loop)
    ratio = lambda who: middle(who, loop) / (middle("jemalloc", loop) if who == "jeprof" else base)
    print(f"| {loop} | {base:,.1f} ns | " + " | ".join(f"{ratio(who):.2f}" for who in others) + " |")
json = "JSON, parsed and written"
print(f"\ndhat, JSON loop: {middle('dhat', json) / middle('bare', json):.0f} times the bare one.")
PYTHON

if command -v valgrind > /dev/null; then
    count() {
        valgrind --tool=callgrind --callgrind-out-file=/dev/null --collect-atstart=no \
            --toggle-collect='*allocates*json*' "$work/target/release/$1" "$2" json 2>&1 |
            awk '/Collected/ { print $NF }'
    }
    bare=$(count bare x)
    echo
    echo "Instructions of the JSON loop (callgrind), to $bare bare:"
    echo
    for rate in off 512k; do
        awk -v a="$(count ours "$rate")" -v b="$bare" -v r="$rate" 'BEGIN { printf "- %s: %+.2f %%\n", r, (a / b - 1) * 100 }'
    done
fi
