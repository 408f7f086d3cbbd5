//! Go: its profiler's server as a peer, and its tool as a reader of what the console serves.

use crate::{peers::Peer, scratch::Scratch, wait};
use std::{
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

/// A Go program that serves `net/http/pprof` on a Unix socket; killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    scratch: Scratch,
}

impl Server {
    /// Builds it, with the toolchain of Debian's golang-go, and starts it.
    ///
    /// # Panics
    /// When that is not installed, or does not build it.
    #[track_caller]
    pub fn start() -> Self {
        let scratch = Scratch::new();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/golang/pprof.go");
        let program = scratch.join("gopprof");
        let built = go(["build", "-o"].map(Path::new), &scratch);
        let built = built.arg(&program).arg(source).run("");
        assert!(built.status.success(), "{}", built.stderr);
        let socket = scratch.join("go.sock");
        let mut command = Peer::new([&program]).arg(&socket).command();
        let child = command.stdin(Stdio::null()).spawn().expect("it was built");
        let server = Self { child, scratch };
        wait::until_true("Go's server to listen", || socket.exists());
        server
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.scratch.join("go.sock")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may be gone
        let _ = self.child.wait();
    }
}

/// What `go tool pprof` says of a file, with these options.
///
/// # Panics
/// When it does not like it.
#[track_caller]
pub fn pprof(file: &Path, options: &[&str]) -> String {
    let scratch = Scratch::new();
    let outcome = go(["tool", "pprof"].map(Path::new), &scratch);
    let outcome = outcome.args(options).arg(file).run("");
    assert!(outcome.status.success(), "{options:?}: {}", outcome.stderr);
    outcome.text().to_owned()
}

/// `go` with these words and its caches in a directory of ours. The standard library is compiled already.
fn go<'a>(words: impl IntoIterator<Item = &'a Path>, scratch: &Scratch) -> Peer {
    Peer::new([Path::new("go")])
        .args(words)
        .env("GOCACHE", scratch.join("cache"))
        .env("GOPATH", scratch.join("go"))
        .env("GO111MODULE", "off")
        .env("PPROF_TMPDIR", scratch.path())
}
