//! Names of functions as rules match them: in full, without generic arguments.
//!
//! Where debug information holds lines only, `names` tells crate and module of an inlined function by
//! its file, and its type is lost: so rules never ask for a type between module and function.

use crate::names;

/// The path of the function `name`: `tokio::runtime::park::Inner::park`; closures are `{}` behind what
/// they are in. The symbol itself if it is not of Rust.
pub(super) fn path(name: &str) -> String {
    names::short(name, true)
}

/// The last function of `path`, without the closures in it.
pub(super) fn last(path: &str) -> &str {
    let path = path.trim_end_matches("::{}").trim_end_matches("{}");
    path.rsplit("::").next().unwrap_or(path)
}

/// Whether the function with this last name is one that the compiler puts into the crate that declares a
/// `#[global_allocator]`, where its debug information says it is: `__rust_alloc`.
pub(super) fn is_allocator_shim(last: &str) -> bool {
    ["__rust_", "__rdl_", "__rg_"]
        .iter()
        .any(|shim| last.starts_with(shim) && last.contains("alloc"))
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
    fn shims_of_allocators_are_known_by_their_names() {
        let check = |last: &str, expected: bool| assert_eq!(is_allocator_shim(last), expected);
        check("__rust_alloc_zeroed", true);
        check("__rust_dealloc", true);
        check("__rdl_realloc", true);
        check("__rust_begin_short_backtrace", false);
        check("alloc", false);
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
