#!/bin/bash
# What embedding manhole adds to a small service that has tokio, hyper, serde_json and tracing
# already: crates, duplicate versions, seconds of a cold build, bytes of the stripped release binary,
# resident memory of the running service.
#
# Usage: manhole/benches/embedding.sh [ROUNDS]      (each round builds both services from nothing)
set -eu
rounds=${1:-1}
library=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset CARGO_TARGET_DIR

make_service() { # NAME DEPENDENCY INSTALL
    mkdir -p "$work/$1/src"
    cat > "$work/$1/Cargo.toml" <<TOML
[package]
name = "service"
version = "0.1.0"
edition = "2024"

[dependencies]
http-body-util = "0.1"
hyper = { version = "1", features = ["http1", "server"] }
hyper-util = { version = "0.1", features = ["tokio"] }
serde_json = "1"
tokio = { version = "1", features = ["macros", "net", "rt-multi-thread", "signal", "sync", "time"] }
tracing = "0.1"
tracing-subscriber = "0.3"
$2
[workspace]
TOML
    cat > "$work/$1/src/main.rs" <<RUST
use http_body_util::Full;
use hyper::{Request, Response, body::{Bytes, Incoming}, server::conn::http1, service::service_fn};

async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    tracing::info!(path = request.uri().path(), "request");
    let body = serde_json::json!({ "path": request.uri().path() }).to_string();
    Ok(Response::new(Full::new(Bytes::from(body))))
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    tracing_subscriber::fmt().init();
    $3
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let io = hyper_util::rt::TokioIo::new(stream);
        tokio::spawn(http1::Builder::new().serve_connection(io, service_fn(hello)));
    }
}
RUST
    # The versions that the library is tested with, where it says any.
    cp "$library/../Cargo.lock" "$work/$1/" 2>/dev/null || true
    (cd "$work/$1" && cargo fetch -q)
}

packages() { (cd "$work/$1" && cargo tree --offline -q -e normal,build --prefix none -f '{p}' | sed 's/ (.*//' | sort -u); }
duplicates() { (cd "$work/$1" && cargo tree --offline -q -e normal,build -d --depth 0 | sort -u | grep -c . || true); }

build() { # NAME: prints wall seconds, CPU seconds and bytes
    rm -rf "$work/$1/target"
    local TIMEFORMAT='%R %U %S' times
    times=$( { time (cd "$work/$1" && cargo build --offline -q --release); } 2>&1 | tail -1)
    strip -o "$work/$1/stripped" "$work/$1/target/release/service"
    echo "$times $(stat -c %s "$work/$1/stripped")" | awk '{ print $1, $2 + $3, $4 }'
}

resident() { # NAME: KiB resident, and of these its own, a second after the start
    mkdir -p "$work/socket"
    MANHOLE_DIR="$work/socket" "$work/$1/stripped" > /dev/null 2>&1 &
    local pid=$!
    sleep 1
    awk '/^Rss:/ { rss = $2 } /^Anonymous:/ { own = $2 } END { print rss, own }' "/proc/$pid/smaps_rollup"
    kill "$pid" && wait "$pid" 2> /dev/null || true
}

make_service bare "" ""
make_service with "manhole = { path = \"$library\" }" "manhole::install();"
for round in $(seq "$rounds"); do
    echo "bare $(build bare) $(resident bare)"
    echo "with $(build with) $(resident with)"
done > "$work/figures"

middle() { # NAME COLUMN: the middle one of all rounds
    grep "^$1 " "$work/figures" | cut -d' ' -f"$2" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

echo
echo "## What embedding adds ($rounds round(s), $(nproc) cores, $(rustc --version | cut -d' ' -f1,2))"
echo
row() { awk -v w="$1" -v a="$2" -v b="$3" -v f="$4" 'BEGIN { printf "| %-28s | " f " | " f " | %+" substr(f, 2) " |\n", w, a, b, b - a }'; }
echo "|                              | bare | with | added |"
echo "|------------------------------|------|------|-------|"
row "crates, the service's own too" "$(packages bare | wc -l)" "$(packages with | wc -l)" %d
row "duplicate versions" "$(duplicates bare)" "$(duplicates with)" %d
row "cold build, seconds" "$(middle bare 2)" "$(middle with 2)" %.1f
row "cold build, CPU seconds" "$(middle bare 3)" "$(middle with 3)" %.1f
row "stripped release, KB" "$(($(middle bare 4) / 1000))" "$(($(middle with 4) / 1000))" %d
row "resident when started, KiB" "$(middle bare 5)" "$(middle with 5)" %d
row "of these its own, KiB" "$(middle bare 6)" "$(middle with 6)" %d
echo
echo "added crates: $(comm -13 <(packages bare) <(packages with) | tr '\n' ',' | sed 's/,$//; s/,/, /g')"
