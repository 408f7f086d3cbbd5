//! Where source files lie: which package they came with, and their paths as an answer shows them.

use std::borrow::Cow;

/// Where a source file came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// Rust's own library, and what that was built with.
    Std,
    /// A package from a registry, a git checkout, or one that was vendored.
    Registry {
        /// As its directory is called: `hyper-1.9.0`; of a git checkout the repository's name.
        package: &'a str,
    },
    /// None of these: the application, or C.
    Other,
}

/// Where the source file `file` came from, by its path in debug information.
pub fn origin(file: &str) -> Origin<'_> {
    if below_std(file).is_some() {
        return Origin::Std;
    }
    match below_dependencies(file) {
        Some(rest) => Origin::Registry {
            package: first(rest).0,
        },
        None => match below_git(file) {
            Some((repository, ..)) => Origin::Registry {
                package: repository,
            },
            None => Origin::Other,
        },
    }
}

/// The source file `file` and its line for an answer: `src/cache.rs:41`, `std/src/sync/once.rs`,
/// `hyper-1.9.0/src/proto/h1/dispatch.rs:197`.
///
/// The application's are shown from their package on, as far as `src`, `tests`, `examples` or
/// `benches` tells where that begins; other long paths by their last three parts, after `…/`.
pub fn place(file: &str, line: Option<u32>) -> String {
    let file = without_dots(file);
    let shown = shown(&file);
    match line {
        Some(line) => format!("{shown}:{line}"),
        None => shown.into_owned(),
    }
}

pub(super) fn shown(file: &str) -> Cow<'_, str> {
    if let Some(rest) = below_std(file).or_else(|| below_dependencies(file)) {
        return Cow::Borrowed(rest);
    }
    if let Some((repository, revision, rest)) = below_git(file) {
        return Cow::Owned(format!("{repository}-{revision}/{rest}"));
    }
    if !file.starts_with('/') && !file.starts_with("../") {
        return Cow::Borrowed(file);
    }
    match below_package(file) {
        Some(rest) => Cow::Borrowed(rest),
        None => last_parts(file),
    }
}

/// `file` without `./`, and without `x/..` in the middle: std's debug information has
/// `core/src/../../stdarch`.
pub(super) fn without_dots(file: &str) -> Cow<'_, str> {
    if !file.split('/').any(|part| matches!(part, "." | "..")) {
        return Cow::Borrowed(file);
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in file.split('/') {
        match (part, parts.last()) {
            (".", _) => {}
            ("..", Some(last)) if !matches!(*last, "" | "..") => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    Cow::Owned(parts.join("/"))
}

/// What follows `library/` in a path of Rust's own sources: as they were built
/// (`/rustc/<commit>/library`), as rustup installs them, as distributions do.
fn below_std(file: &str) -> Option<&str> {
    if let Some(rest) = file.strip_prefix("/rust/deps/") {
        return Some(rest);
    }
    let (before, rest) = file.split_once("/library/")?;
    let is_rust = before.contains("/rustc") || before.ends_with("/rustlib/src/rust");
    is_rust.then_some(rest)
}

/// What follows the directory that packages of others lie in, from the package's own on.
fn below_dependencies(file: &str) -> Option<&str> {
    if let Some((_, rest)) = file.split_once("/registry/src/") {
        let (_index, rest) = first(rest);
        return Some(rest).filter(|rest| rest.contains('/'));
    }
    // Debian's crates, and the directories that Nix has cargo vendor into.
    let places = ["/share/cargo/registry/", "/cargo-vendor-dir/"];
    let below = |place: &&str| file.split_once(*place).map(|(_, rest)| rest);
    if let Some(rest) = places.iter().find_map(below) {
        return Some(rest);
    }
    // `cargo vendor`. The application may lie in a directory of this name as well, but then not
    // with its package directly in it.
    let rest = match file.strip_prefix("vendor/") {
        Some(rest) => rest,
        None => file.split_once("/vendor/")?.1,
    };
    let (package, below) = first(rest);
    (!package.is_empty() && below.starts_with("src/")).then_some(rest)
}

/// Repository, revision, and what follows, of `git/checkouts/hyper-0123456789abcdef/89abcde/src/x.rs`.
fn below_git(file: &str) -> Option<(&str, &str, &str)> {
    let (_, rest) = file.split_once("/git/checkouts/")?;
    let (directory, rest) = first(rest);
    let (revision, rest) = first(rest);
    let repository = match directory.rsplit_once('-') {
        Some((name, hash)) if hash.len() == 16 => name,
        _ => directory,
    };
    (!rest.is_empty()).then_some((repository, revision, rest))
}

/// What follows the package's directory, as far as a directory that cargo knows tells where it ends.
/// Modules below `src` may be called `tests`; `/usr/src` is where containers are built.
fn below_package(file: &str) -> Option<&str> {
    let source = file.rfind("/src/").filter(|at| *at != "/usr".len());
    let others = || {
        let known = ["/examples/", "/tests/", "/benches/"];
        known.iter().filter_map(|name| file.rfind(name)).max()
    };
    let begins = source.or_else(others)?;
    file.get(begins.saturating_add(1)..)
}

fn last_parts(file: &str) -> Cow<'_, str> {
    let mut ends = file.rmatch_indices('/').map(|(at, _)| at);
    match ends.nth(2) {
        Some(at) if at > 0 => Cow::Owned(format!("…{}", file.get(at..).unwrap_or_default())),
        _ => Cow::Borrowed(file),
    }
}

/// The first part of a path, and the rest.
fn first(path: &str) -> (&str, &str) {
    path.split_once('/').unwrap_or((path, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARGO: &str = "/home/me/.cargo";

    #[test]
    fn places_are_short_and_true() {
        let check = |file: &str, expected: &str| assert_eq!(place(file, None), expected);
        check("src/cache.rs", "src/cache.rs");
        check("/home/me/checkout/src/cache.rs", "src/cache.rs");
        check("/usr/src/app/src/db/mod.rs", "src/db/mod.rs");
        check(
            "/home/me/ws/crates/db/tests/suite/main.rs",
            "tests/suite/main.rs",
        );
        check("/home/me/ws/src/db/tests/mod.rs", "src/db/tests/mod.rs");
        check("/usr/src/app/tests/main.rs", "tests/main.rs");
        check("/usr/src/app/main.rs", "…/src/app/main.rs");
        check("/home/me/ws/build.rs", "…/me/ws/build.rs");
        check("/a/b/c.rs", "/a/b/c.rs");
        check("/c.rs", "/c.rs");
        check("c.rs", "c.rs");
        check("", "");
        check("/", "/");
        check("./nptl/nptl_lock.c", "nptl/nptl_lock.c");
        check(
            "../sysdeps/unix/sysv/linux/epoll_wait.c",
            "…/sysv/linux/epoll_wait.c",
        );
        check(
            "/home/me/ws/target/release/build/proto-0f/out/api.rs",
            "…/proto-0f/out/api.rs",
        );
        let file = "/registry/src/index.crates.io-1949cf8c6b5b557f/hyper-1.9.0/src/proto/h1.rs";
        check(&format!("{CARGO}{file}"), "hyper-1.9.0/src/proto/h1.rs");
        let file = "/git/checkouts/tokio-0123456789abcdef/89abcde/tokio/src/lib.rs";
        check(&format!("{CARGO}{file}"), "tokio-89abcde/tokio/src/lib.rs");
        check("/srv/checkout/vendor/hyper/src/lib.rs", "hyper/src/lib.rs");
        check("vendor/hyper/src/lib.rs", "hyper/src/lib.rs");
        check("/rustc/59807616e1fa/library/std/src/rt.rs", "std/src/rt.rs");
        check(
            "/rustc/59807616e1fa/library/core/src/../../stdarch/crates/core_arch/src/lib.rs",
            "stdarch/crates/core_arch/src/lib.rs",
        );
        check(
            "/root/.rustup/toolchains/stable/lib/rustlib/src/rust/library/core/src/ptr/mod.rs",
            "core/src/ptr/mod.rs",
        );
        check(
            "/usr/src/rustc-1.85.0/library/alloc/src/vec.rs",
            "alloc/src/vec.rs",
        );
        check(
            "/rust/deps/hashbrown-0.15.2/src/raw.rs",
            "hashbrown-0.15.2/src/raw.rs",
        );
        assert_eq!(place("src/cache.rs", Some(41)), "src/cache.rs:41");
    }

    #[test]
    fn the_origin_of_a_file() {
        let check = |file: &str, expected: Origin<'_>| assert_eq!(origin(file), expected, "{file}");
        let package = |package| Origin::Registry { package };
        check("/rustc/59807616e1fa/library/std/src/rt.rs", Origin::Std);
        check("/rust/deps/hashbrown-0.15.2/src/raw.rs", Origin::Std);
        check("/home/me/library/src/main.rs", Origin::Other);
        check("/home/me/checkout/src/main.rs", Origin::Other);
        check("src/main.rs", Origin::Other);
        check("", Origin::Other);
        check("/srv/vendor/checkout.rs", Origin::Other);
        check("/srv/x/vendor/hyper/src/lib.rs", package("hyper"));
        check(
            "/usr/share/cargo/registry/hyper-1.9.0/src/lib.rs",
            package("hyper-1.9.0"),
        );
        check(
            "/build/cargo-vendor-dir/hyper-1.9.0/src/lib.rs",
            package("hyper-1.9.0"),
        );
        let file = "/registry/src/index.crates.io-1949cf8c6b5b557f/hyper-1.9.0/src/proto/h1.rs";
        check(&format!("{CARGO}{file}"), package("hyper-1.9.0"));
        let file = "/git/checkouts/tokio-0123456789abcdef/89abcde/tokio/src/lib.rs";
        check(&format!("{CARGO}{file}"), package("tokio"));
        check("/x/registry/src/index", Origin::Other);
        check(
            "/x/git/checkouts/tokio-0123456789abcdef/89abcde",
            Origin::Other,
        );
    }
}
