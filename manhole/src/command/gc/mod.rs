//! `gc stats` and `gc run`: the allocator's side of memory, and giving some of it back.

pub(super) mod run;
pub(super) mod stats;

use super::{Command, Context, Run};
use crate::sys::malloc;

/// Who answers `malloc`, as far as that can be seen: `glibc 2.36 malloc`.
///
/// A preloaded or linked allocator that replaces libc's is told by its file. What a
/// `#[global_allocator]` of the application does above `malloc` cannot be seen from here.
fn allocator() -> Option<String> {
    let provider = malloc::provider()?;
    let file = provider.rsplit('/').next().unwrap_or(&provider).to_owned();
    match malloc::libc_version().filter(|_| is_libc(&file)) {
        Some(version) => Some(format!("glibc {version} malloc")),
        None => Some(format!("malloc of {file}")),
    }
}

fn is_libc(file: &str) -> bool {
    file.starts_with("libc.so") || file.starts_with("libc-2")
}

/// Whether `malloc_trim` and `mallinfo2` speak of the heap that `malloc` uses.
pub(super) fn is_glibc() -> bool {
    malloc::provider().is_some_and(|path| is_libc(path.rsplit('/').next().unwrap_or("")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libc_is_told_from_what_replaces_it() {
        let check = |file: &str, expected: bool| assert_eq!(is_libc(file), expected, "{file}");
        check("libc.so.6", true);
        check("libc-2.31.so", true);
        check("libjemalloc.so.2", false);
        check("libcrypto.so.3", false);
        check("service", false);
    }
}
