#!/usr/bin/env bash
# stacks in a loop, profiles at 1000 Hz and every allocation sampled while a process creates threads, panics, allocates, loads
# libraries, forks and executes: with glibc, with musl, and under AddressSanitizer. Ends with 1 when anything was hurt.
#
# usage: tests/storm.sh [SECONDS [gnu|musl|asan]...]        (default: 60 gnu musl asan)
#
# musl needs `rustup target add x86_64-unknown-linux-musl`. There no library can be loaded, and the C
# library has no unwind information: what stands in it is found by searching the stack, and marked.
set -uo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
shift || true
kinds=("$@")
[ ${#kinds[@]} -gt 0 ] || kinds=(gnu musl asan)
target=$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')

host() { # ARGUMENTS of cargo: the process that storms
    cargo build --quiet --release --package manhole-stacked --features sampled --lib --bin stacked "$@"
}

# Without debug information a look takes a tenth of the time, and there are ten times as many.
storm() { # NAME PROGRAM OPTIONS
    local name=$1 program=$2
    shift 2
    strip --strip-debug -o "$plain/stacked" "$program" || return
    echo "== $name, $seconds s"
    "$target/debug/storm" "$plain/stacked" "seconds=$seconds" heap=1 "$@"
}

plain=$(mktemp -d)
trap 'rm -rf "$plain"' EXIT

failed=0
cargo build --quiet --package manhole-tests --bin storm || exit 2
for kind in "${kinds[@]}"; do
    case $kind in
    gnu)
        host && storm 'glibc, release' "$target/release/stacked" \
            "plugin=$target/release/libstacked_plugin.so"
        ;;
    musl)
        host --target x86_64-unknown-linux-musl &&
            storm 'musl, release' "$target/x86_64-unknown-linux-musl/release/stacked" complete=0
        ;;
    asan)
        # Coroutines change stacks behind its back, so they are left out. It would unmap the stacks
        # that threads made for their handlers. Leaks are told by the size of the process. What is
        # freed goes into a quarantine, which is small here, or that grows by itself.
        RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR=$target/asan \
            host --target x86_64-unknown-linux-gnu && host &&
            ASAN_OPTIONS=detect_leaks=0:use_sigaltstack=0:quarantine_size_mb=8 storm 'glibc, AddressSanitizer' \
                "$target/asan/x86_64-unknown-linux-gnu/release/stacked" complete=0 without=coroutines \
                "plugin=$target/release/libstacked_plugin.so"
        ;;
    *) echo "$kind is no kind of storm" && exit 2 ;;
    esac || failed=1
done
exit $failed
