//! Names of functions as rules match them: in full, without generic arguments.
//!
//! Where debug information holds lines only, a function that was inlined has a bare name, `park`; then
//! its file says where it belongs: `tokio-1.54.1/src/runtime/park.rs` is `tokio::runtime::park`. So
//! rules never ask for a type between the module and the function.

use crate::{
    model::stack::Function,
    names::{self, Origin},
};

/// The path of `function`: `tokio::runtime::park::Inner::park`; closures are `{}` behind what they are
/// in. The symbol itself if it is not of Rust; empty without a name.
pub(super) fn path(function: &Function) -> String {
    let name = function.name.as_str();
    if !names::crate_of(name).is_empty() {
        return names::short(name, true);
    }
    match module(function) {
        Some(module) => format!("{module}::{}", bare(name)),
        None if name.starts_with(['<', '{']) || is_of_rust(function) => bare(name),
        None => name.to_owned(),
    }
}

/// The module that the function's file is, if that came with a package or with Rust.
fn module(function: &Function) -> Option<String> {
    let file = function.file.as_deref().filter(|_| is_of_rust(function))?;
    if names::origin(file) == Origin::Other {
        return None;
    }
    let place = names::place(file, None);
    let mut parts = place.split('/').filter(|part| *part != "src");
    let mut path = without_version(parts.next()?).replace('-', "_");
    for part in parts {
        let part = part.strip_suffix(".rs").unwrap_or(part);
        if !matches!(part, "mod" | "lib" | "main") {
            path.push_str("::");
            path.push_str(part);
        }
    }
    Some(path)
}

/// Whether its file holds Rust.
pub(super) fn is_of_rust(function: &Function) -> bool {
    let file = function.file.as_deref();
    file.is_some_and(|file| file.ends_with(".rs"))
}

/// `hyper` of `hyper-1.9.0`.
fn without_version(package: &str) -> &str {
    let cuts = package.match_indices('-').map(|(at, _)| at);
    let mut cuts = cuts.filter(|at| {
        let behind = package.get(at + 1..).unwrap_or_default();
        behind.starts_with(|c: char| c.is_ascii_digit())
    });
    let end = cuts.next().unwrap_or(package.len());
    package.get(..end).unwrap_or(package)
}

/// A bare name without generic arguments: `wait<()>` is `wait`, `{closure#0}<T>` is `{}`.
fn bare(name: &str) -> String {
    if name.starts_with('{') {
        return "{}".to_owned();
    }
    let end = name.find(['<', '(']).filter(|at| *at > 0);
    name.get(..end.unwrap_or(name.len()))
        .unwrap_or(name)
        .to_owned()
}

/// The last function of `path`, without the closures in it.
pub(super) fn last(path: &str) -> &str {
    let path = path.trim_end_matches("::{}").trim_end_matches("{}");
    path.rsplit("::").next().unwrap_or(path)
}

/// The last two parts of `path`, enough to know it again: `flush::write_page`.
pub(super) fn tail(path: &str) -> &str {
    let mut ends = path.rmatch_indices("::").map(|(at, _)| at);
    match ends.nth(1) {
        Some(at) => path.get(at + 2..).unwrap_or(path),
        None => path,
    }
}

/// The type that `path` is a method of: `checkout::cache::Cache` of `checkout::cache::Cache::lookup`.
pub(super) fn type_of(path: &str) -> Option<&str> {
    let path = path.trim_end_matches("{}");
    let (of, _) = path.rsplit_once("::")?;
    last(of)
        .starts_with(|c: char| c.is_ascii_uppercase())
        .then_some(of)
}

/// The symbol of C without what libraries put around it: `__GI___clock_nanosleep@@GLIBC_2.2.5` is
/// `clock_nanosleep`.
pub(super) fn c_name(symbol: &str) -> &str {
    let symbol = symbol.split('@').next().unwrap_or(symbol);
    let symbol = symbol.trim_start_matches('_');
    let symbol = symbol.strip_prefix("GI_").unwrap_or(symbol);
    let symbol = symbol.trim_start_matches('_');
    let symbol = symbol.strip_prefix("libc_").unwrap_or(symbol);
    symbol.strip_suffix("_nocancel").unwrap_or(symbol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_gets_the_path_of_its_file() {
        let check = |name: &str, file: &str, expected: &str| {
            let function = Function {
                name: name.to_owned(),
                file: (!file.is_empty()).then(|| file.to_owned()),
                ..Function::default()
            };
            assert_eq!(path(&function), expected, "{name} {file}");
        };
        let registry = "/root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f";
        let tokio = format!("{registry}/tokio-1.54.1/src/runtime/park.rs");
        check("park", &tokio, "tokio::runtime::park::park");
        check("{closure#0}<T>", &tokio, "tokio::runtime::park::{}");
        let hyper = format!("{registry}/hyper-util-0.1.21/src/lib.rs");
        check("run<a::B, c::D<u8>>", &hyper, "hyper_util::run");
        let std =
            "/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/std/src/sync/mpmc/mod.rs";
        check("recv<u64>", std, "std::sync::mpmc::recv");
        check("lookup", "/srv/checkout/src/cache.rs", "lookup");
        check("call<F>", "/srv/checkout/src/cache.rs", "call");
        check("<a::B<T> as c::D>::e", "", "a::B::e");
        check("a::b::{closure#0}", "", "a::b{}");
        check("epoll_wait", "", "epoll_wait");
        check("operator<(A, B)", "x.cc", "operator<(A, B)");
        check("", "", "");
    }

    #[test]
    fn parts_of_a_path() {
        let check = |path: &str, expected: (&str, &str, Option<&str>)| {
            assert_eq!((last(path), tail(path), type_of(path)), expected, "{path}");
        };
        check(
            "checkout::cache::Cache::lookup{}",
            ("lookup", "Cache::lookup{}", Some("checkout::cache::Cache")),
        );
        check("a::b::{}", ("b", "b::{}", None));
        check("main", ("main", "main", None));
        check("checkout::main{}", ("main", "checkout::main{}", None));
        check("", ("", "", None));
    }

    #[test]
    fn c_names_are_bare() {
        let check = |symbol: &str, expected: &str| assert_eq!(c_name(symbol), expected);
        check("__GI___clock_nanosleep", "clock_nanosleep");
        check("__libc_recv", "recv");
        check("__GI___libc_read", "read");
        check("epoll_wait@@GLIBC_2.3.2", "epoll_wait");
        check("___pthread_cond_wait", "pthread_cond_wait");
        check("__read_nocancel", "read");
    }
}
