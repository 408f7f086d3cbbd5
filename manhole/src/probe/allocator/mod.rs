//! Which allocators the process has, what they hold, and what makes them give memory back.
//!
//! One enum over those whose books can be read. Each has figures that cost microseconds, glibc also
//! some that make threads wait: those are asked for by name ([`Allocator::deep`]), never on the way.
//! What an allocator does not count is `None`.

mod figures;
mod look;

pub(crate) use figures::{Figures, Held};
pub(crate) use look::{Known, Look};

use crate::sys::malloc::{self, glibc, jemalloc::Jemalloc, mimalloc::Mimalloc};

/// An allocator of this process.
#[derive(Clone, Debug)]
pub(crate) enum Allocator {
    /// libc's own.
    Glibc {
        /// As `2.36`.
        version: String,
    },
    /// Linked by `tikv-jemalloc-sys`, or loaded as `malloc`.
    Jemalloc(Jemalloc),
    /// Linked by `libmimalloc-sys`, or loaded as `malloc`.
    Mimalloc(Mimalloc),
    /// One that nothing is known of but the file it is in.
    Other {
        /// The file's name.
        file: String,
    },
}

/// Who allocates here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Allocators {
    /// Whom Rust's allocations come from in the end; `None` where that could not be found out.
    pub rust: Option<Allocator>,
    /// Whom C code's come from, where that is another, or where Rust's are unknown.
    pub c: Option<Allocator>,
}

impl Allocators {
    /// Looks who answers. A few microseconds.
    pub(crate) fn find() -> Self {
        let c = of_malloc();
        match of_rust() {
            Some(rust) => Self {
                rust: Some(rust),
                c,
            },
            None if shares(c.as_ref()) => Self { rust: c, c: None },
            None => Self { rust: None, c },
        }
    }

    /// Both, Rust's first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Allocator> {
        self.rust.iter().chain(self.c.iter())
    }
}

/// One that is linked into the program for its `#[global_allocator]`.
fn of_rust() -> Option<Allocator> {
    let jemalloc = Jemalloc::linked().filter(|one| malloc::of_rust(|block| one.owns(block)));
    let mimalloc = || Mimalloc::linked().filter(|one| malloc::of_rust(|block| one.owns(block)));
    jemalloc
        .map(Allocator::Jemalloc)
        .or_else(|| mimalloc().map(Allocator::Mimalloc))
        .filter(|_| !malloc::rust_uses_malloc())
}

/// Who answers `malloc`: one that is linked in its place, one that is loaded, or libc.
fn of_malloc() -> Option<Allocator> {
    let jemalloc = Jemalloc::linked().filter(|one| malloc::of_malloc(|block| one.owns(block)));
    if let Some(jemalloc) = jemalloc {
        return Some(Allocator::Jemalloc(jemalloc));
    }
    let mimalloc = Mimalloc::linked().filter(|one| malloc::of_malloc(|block| one.owns(block)));
    if let Some(mimalloc) = mimalloc {
        return Some(Allocator::Mimalloc(mimalloc));
    }
    let provider = malloc::provider()?;
    let file = provider.rsplit('/').next().unwrap_or(&provider);
    let known = match kind(file) {
        Kind::Libc => glibc::libc_version().map(|version| Allocator::Glibc { version }),
        Kind::Jemalloc => Jemalloc::loaded().map(Allocator::Jemalloc),
        Kind::Mimalloc => Mimalloc::loaded().map(Allocator::Mimalloc),
        Kind::Other => None,
    };
    Some(known.unwrap_or_else(|| Allocator::Other {
        file: file.to_owned(),
    }))
}

/// Whether Rust's allocations come from whom `malloc`'s come from.
fn shares(c: Option<&Allocator>) -> bool {
    // mimalloc does not hand out at once what was freed last, but knows its own.
    let own = |one: &Mimalloc| malloc::of_rust(|block| one.owns(block));
    malloc::rust_uses_malloc() || matches!(c, Some(Allocator::Mimalloc(one)) if own(one))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Libc,
    Jemalloc,
    Mimalloc,
    Other,
}

/// What is in a library of that name.
fn kind(file: &str) -> Kind {
    match file {
        _ if file.starts_with("libc.so") || file.starts_with("libc-2") => Kind::Libc,
        _ if file.starts_with("libjemalloc") => Kind::Jemalloc,
        _ if file.starts_with("libmimalloc") => Kind::Mimalloc,
        _ => Kind::Other,
    }
}

impl Allocator {
    /// `glibc 2.36 malloc`, `jemalloc 5.3.1`, `malloc of libtcmalloc.so.4`.
    pub(crate) fn name(&self) -> String {
        let versioned = |name: &str, version: Option<String>| match version {
            Some(version) => format!("{name} {version}"),
            None => name.to_owned(),
        };
        match self {
            Allocator::Glibc { version } => format!("glibc {version} malloc"),
            Allocator::Jemalloc(one) => versioned("jemalloc", one.version()),
            Allocator::Mimalloc(one) => versioned("mimalloc", one.version()),
            Allocator::Other { file } => format!("malloc of {file}"),
        }
    }

    /// What it counts anyway: nothing of glibc, some microseconds of the others.
    pub(crate) fn figures(&self) -> Figures {
        match self {
            Allocator::Jemalloc(one) => one.stats().into(),
            Allocator::Mimalloc(one) => Figures {
                taken: one.committed(),
                ..Figures::default()
            },
            Allocator::Glibc { .. } | Allocator::Other { .. } => Figures::default(),
        }
    }

    /// The same where counting takes a walk during which threads that allocate wait; see
    /// [`Allocator::price`].
    pub(crate) fn deep(&self) -> Figures {
        match self {
            Allocator::Glibc { .. } => glibc::info().map(Figures::from).unwrap_or_default(),
            _ => self.figures(),
        }
    }

    /// What [`Allocator::deep`] costs; `None` where it tells no more than [`Allocator::figures`].
    pub(crate) fn price(&self) -> Option<&'static str> {
        let walks = matches!(self, Allocator::Glibc { .. });
        walks.then_some("about 0.7 s on a fragmented heap of 4 GiB; threads that allocate wait")
    }

    /// What [`Allocator::purge`] is called; `None` where there is none.
    pub(crate) fn purge_name(&self) -> Option<&'static str> {
        match self {
            Allocator::Glibc { .. } => Some("glibc malloc_trim"),
            Allocator::Jemalloc(_) => Some("jemalloc purge"),
            Allocator::Mimalloc(_) => Some("mimalloc collect"),
            Allocator::Other { .. } => None,
        }
    }

    /// Makes it give back what it can; whether it did as asked. Up to a second.
    pub(crate) fn purge(&self) -> bool {
        match self {
            Allocator::Glibc { .. } => glibc::trim().is_some(),
            Allocator::Jemalloc(one) => one.purge(),
            Allocator::Mimalloc(one) => {
                one.collect();
                true
            }
            Allocator::Other { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_loaded_as_malloc_is_told_by_its_file() {
        let check = |file: &str, expected| assert_eq!(kind(file), expected, "{file}");
        check("libc.so.6", Kind::Libc);
        check("libc-2.31.so", Kind::Libc);
        check("libjemalloc.so.2", Kind::Jemalloc);
        check("libmimalloc-secure.so.2.0", Kind::Mimalloc);
        check("libcrypto.so.3", Kind::Other);
        check("service", Kind::Other);
    }

    #[test]
    #[cfg(target_env = "gnu")]
    fn this_process_has_one_allocator_and_it_is_libcs() {
        let found = Allocators::find();
        let rust = found.rust.unwrap();
        assert!(
            found.c.is_none() && rust.name().starts_with("glibc 2."),
            "{}",
            rust.name()
        );
        assert_eq!(
            rust.figures(),
            Figures::default(),
            "nothing is walked unasked"
        );
        assert!(rust.deep().used > Some(1_000) && rust.price().is_some());
        assert!(rust.purge());
    }
}
