//! Profiles of the application's own: how many of something there are, by who made them.

mod kept;

use crate::{
    error::{Error, ErrorKind},
    model::Level,
    sys::list::List,
};
use kept::Kept;
use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Who may read them: they show where the application's code is.
pub(crate) const LEVEL: Level = Level::Inspect;

/// How many profiles there may be.
const MOST: usize = 64;
/// The longest name, in bytes.
const NAME: usize = 128;
/// Names below `/debug/pprof/` that are the console's, now or later.
const OURS: [&str; 16] = [
    "allocs",
    "block",
    "cmdline",
    "cpu",
    "fgprof",
    "goroutine",
    "heap",
    "mutex",
    "profile",
    "stacks",
    "symbol",
    "tasks",
    "threadcreate",
    "threads",
    "trace",
    "wall",
];
/// Keys are hashes with this bit set; guards have numbers without it.
const HASHED: u64 = 1 << 63;

/// Makes a profile: a set of things that are alive, each with the stack of who added it. What runtime/pprof
/// has as `NewProfile`: connections that are open, buffers that are lent out, whatever one may
/// fail to give back.
///
/// It is served as `/debug/pprof/NAME`: a profile for `go tool pprof`, with `debug=1` a text; equal
/// stacks are counted together. It stays for the life of the process. Names hold letters, digits,
/// `_`, `.`, `:`, `/` and `-`, at most 128 bytes; a prefix like `my_crate/` keeps them apart.
///
/// ```
/// # fn main() -> Result<(), manhole::Error> {
/// struct Connection {
///     _open: manhole::Tracked,
/// }
///
/// let connections = manhole::profile("example/connections")?;
/// let one = Connection { _open: connections.track() };
/// assert_eq!(connections.count(), 1);
/// drop(one);
/// assert_eq!(connections.count(), 0);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Invalid` for a name that is none, `Taken` for one that is in use or the console's own, `Resources`
/// when there are 64 already.
pub fn profile(name: impl Into<String>) -> Result<Profile, Error> {
    let name = name.into();
    let refused = |kind, why: &str| {
        let shown: String = name.chars().take(160).collect();
        Error::new(kind, format!("failed to make profile {shown:?}: {why}"))
    };
    if !is_valid(&name) {
        let why = "a name is 1 to 128 letters, digits, _, ., :, / and -";
        return Err(refused(ErrorKind::Invalid, why));
    }
    if OURS.contains(&name.as_str()) || find(&name).is_some() {
        return Err(refused(ErrorKind::Taken, "the name is taken"));
    }
    if ALL.iter().count() >= MOST {
        return Err(refused(ErrorKind::Resources, "there are 64 already"));
    }
    let entry = ALL.push(Entry {
        name: name.clone(),
        path: format!("/debug/pprof/{name}"),
        live: AtomicBool::new(true),
        kept: Kept::new(),
    });
    // Of two that came at once the first one wins.
    let older = ALL.iter().skip_while(|other| !std::ptr::eq(*other, entry));
    if older.skip(1).any(|other| other.is(&name)) {
        entry.live.store(false, Ordering::Release);
        return Err(refused(ErrorKind::Taken, "the name is taken"));
    }
    Ok(Profile(entry))
}

/// A profile of the application's; see [`profile`]. Copies are the same profile.
#[derive(Clone, Copy)]
pub struct Profile(&'static Entry);

struct Entry {
    name: String,
    path: String,
    live: AtomicBool,
    kept: Kept,
}

static ALL: List<Entry> = List::new();

impl Entry {
    fn is(&self, name: &str) -> bool {
        self.name == name && self.live.load(Ordering::Acquire)
    }
}

impl Profile {
    /// Adds what `key` stands for, with the stack of the calling thread; what was added under an equal
    /// key is replaced. Keys are told apart by their hash.
    ///
    /// 2 to 7 us, by the depth of the stack, of which 64 frames are kept. Waits for nobody: at most 65 536 things and
    /// 4096 different stacks are kept, and what does not fit is counted and said with the profile.
    #[inline(always)] // so that it is the caller's frame, and no other of ours, that may be seen
    pub fn add(&self, key: impl Hash) {
        self.add_key(hash(&key));
    }

    /// Removes what was added under `key`; nothing if there is nothing. About 0.1 us.
    pub fn remove(&self, key: impl Hash) {
        self.0.kept.remove(hash(&key));
    }

    /// Adds something that is there until the guard is dropped, on whatever thread. Costs what
    /// [`add`](Self::add) does.
    #[inline(always)]
    pub fn track(&self) -> Tracked {
        let key = self.0.kept.number();
        self.add_key(key);
        Tracked { entry: self.0, key }
    }

    /// How many things there are.
    pub fn count(&self) -> usize {
        self.0.kept.count()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    #[inline(never)]
    fn add_key(&self, key: u64) {
        if !cfg!(feature = "stub") {
            let here = std::hint::black_box(0_u8);
            self.0.kept.add(key, &here);
        }
    }

    /// Where it is served.
    pub(crate) fn path(&self) -> &'static str {
        &self.0.path
    }

    /// The name, which stays.
    pub(crate) fn lasting_name(&self) -> &'static str {
        &self.0.name
    }

    /// What there is by now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.0.kept.snapshot()
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Profile").field(&self.0.name).finish()
    }
}

/// Something in a profile, as long as this lives. See [`Profile::track`].
#[must_use = "what is tracked is gone when this is dropped"]
pub struct Tracked {
    entry: &'static Entry,
    key: u64,
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.entry.kept.remove(self.key);
    }
}

impl fmt::Debug for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tracked").field(&self.entry.name).finish()
    }
}

/// What is in a profile at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Snapshot {
    /// The stacks, as addresses with the leaf first, and how many things are of each.
    pub stacks: Vec<(Arc<[u64]>, u64)>,
    /// Things that were not kept for want of room, or of a turn, since the profile was made.
    pub lost: u64,
}

/// Every profile, by name.
pub(crate) fn all() -> Vec<Profile> {
    let live = ALL
        .iter()
        .filter(|entry| entry.live.load(Ordering::Acquire));
    let mut all: Vec<Profile> = live.map(Profile).collect();
    crate::model::order::sort_by(&mut all, |a, b| a.name().cmp(b.name()));
    all
}

/// The profile `name`.
pub(crate) fn find(name: &str) -> Option<Profile> {
    ALL.iter().find(|entry| entry.is(name)).map(Profile)
}

/// Whether `name` can stand in a path. One that has two slashes in a row, or begins with one, cannot.
fn is_valid(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:/-".contains(&byte);
    let parts = || name.split('/').all(|part| !matches!(part, "" | "." | ".."));
    name.len() <= NAME && name.bytes().all(plain) && parts()
}

fn hash(key: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish() | HASHED
}

#[cfg(test)]
mod tests;
