#!/bin/bash
# What it costs to name 2,000 addresses of a binary of more than 100 MB, most of it debug information:
# by manhole and by the crate backtrace, each in a process of its own, and what memory is left of it.
#
# Usage: manhole/benches/names.sh [TYPES]      (200 types make 140 MB; building takes a minute or two)
set -eu
types=${1:-200}
library=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset CARGO_TARGET_DIR
mkdir "$work/src"

cat > "$work/Cargo.toml" <<TOML
[package]
name = "big"
version = "0.1.0"
edition = "2024"

[dependencies]
backtrace = "0.3"
manhole = { path = "$library" }

# What is measured is optimised, what makes the binary big is not.
[profile.dev]
debug = 2
incremental = false
[profile.dev.package."*"]
opt-level = 3

[workspace]
TOML

{
    echo 'use std::collections::{BTreeMap, HashMap};'
    for n in $(seq "$types"); do
        cat <<RUST
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Type$n { key: u$((8 << n % 4)), text: String }
pub fn work$n(count: usize) -> usize {
    let mut map: HashMap<Type$n, Vec<Type$n>> = HashMap::new();
    let mut tree: BTreeMap<Type$n, Type$n> = BTreeMap::new();
    for key in 0..count {
        let one = Type$n { key: key as _, text: key.to_string() };
        map.entry(one.clone()).or_default().push(one.clone());
        tree.insert(one.clone(), one);
    }
    let pairs = map.into_iter().flat_map(|(key, values)| values.into_iter().chain([key]));
    let mut all: Vec<Type$n> = pairs.collect();
    all.sort();
    all.dedup_by_key(|one| one.key);
    all.retain(|one| tree.remove(one).is_some());
    all.iter().map(|one| one.text.len()).sum()
}
RUST
    done
    echo 'pub const ALL: &[fn(usize) -> usize] = &['
    for n in $(seq "$types"); do echo "work$n,"; done
    echo '];'
} > "$work/src/ballast.rs"

cat > "$work/src/main.rs" <<'RUST'
mod ballast;

use manhole::client::names::{self, Dump, Files, Frame, Module, ThreadStack, Wanted};
use std::{fs, time::Instant};

/// Our own program.
struct Own;

impl Files for Own {
    fn open(&self, _: &Module) -> Option<fs::File> {
        names::open_file("/proc/self/exe")
    }
}

/// Where the program is mapped, and where its code is.
fn mapped() -> (u64, u64, u64, u64) {
    let exe = fs::read_link("/proc/self/exe").unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let hex = |text: &str| u64::from_str_radix(text, 16).unwrap();
    let own: Vec<(u64, u64, bool)> = maps
        .lines()
        .filter(|line| line.ends_with(exe.to_str().unwrap()))
        .map(|line| {
            let (range, rest) = line.split_once(' ').unwrap();
            let (start, end) = range.split_once('-').unwrap();
            (hex(start), hex(end), rest.starts_with("r-x"))
        })
        .collect();
    let code = own.iter().find(|(.., code)| *code).unwrap();
    (own[0].0, own.last().unwrap().1, code.0, code.1)
}

fn resident() -> i64 {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let of = |what: &str| {
        let line = rollup.lines().find(|line| line.starts_with(what)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<i64>().unwrap()
    };
    of("Anonymous:")
}

fn main() {
    let contestant = std::env::args().nth(1).unwrap();
    let work: usize = ballast::ALL.iter().map(|work| work(3)).sum();
    assert!(work > 0);
    let (start, end, from, to) = mapped();
    let addresses: Vec<u64> = (0..2000).map(|n| from + (to - from) / 2000 * n + 7).collect();
    let mut functions = 0;
    let before = resident();
    let peak = peak();
    let clock = Instant::now();
    if contestant == "backtrace" {
        for address in &addresses {
            backtrace::resolve(*address as *mut _, |symbol| {
                functions += usize::from(symbol.name().is_some_and(|name| !name.to_string().is_empty()));
            });
        }
    } else {
        let wanted = match contestant.as_str() {
            "symbols" => Wanted::Symbols,
            "affordable" => Wanted::Affordable,
            _ => Wanted::Lines,
        };
        let frame = |address: &u64| Frame { address: *address, module: Some(0), ..Frame::default() };
        let mut dump = Dump {
            threads: vec![ThreadStack {
                frames: addresses.iter().map(frame).collect(),
                ..ThreadStack::default()
            }],
            modules: vec![Module {
                path: "/proc/self/exe".to_owned(),
                binary: true,
                start,
                end,
                bias: start,
                ..Module::default()
            }],
            ..Dump::default()
        };
        names::name(&mut dump, &Own, wanted, &|| true);
        functions = dump.threads[0].frames.iter().map(|frame| frame.functions.len()).sum();
    }
    let took = clock.elapsed();
    assert!(functions > 1000, "{contestant}: of 2,000 addresses only {functions} functions are known");
    println!(
        "| {contestant:<10} | {:>9.1} | {functions:>9} | {:>+8} | {:>+8} |",
        took.as_secs_f64() * 1e3,
        (self::peak() - peak).max(0),
        resident() - before,
    );
}

/// The most that was ever resident.
fn peak() -> i64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
RUST

(cd "$work" && cargo build --quiet)
big=$work/target/debug/big
echo
echo "## Names of 2,000 addresses of a binary of $(($(stat -c %s "$big") / 1000000)) MB ($(nproc) cores, $(rustc --version | cut -d' ' -f1,2))"
echo
echo "|            | ms        | functions | peak KiB | left KiB |"
echo "|------------|-----------|-----------|----------|----------|"
for round in 1 2 3; do
    for contestant in symbols affordable lines backtrace; do
        "$big" "$contestant"
    done
done | sort -k2,2 -s
