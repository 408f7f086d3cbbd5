//! Directories of a test's own, below one of the run, gone afterwards.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// Where they are: not in /tmp, since some victims get a /tmp of their own.
const BASE: &str = "/var/tmp";
/// What the directories of all runs are called; the pid of the run follows.
const PREFIX: &str = "mh-suite-";

/// The directory of this run. Nobody can be called when a test binary ends, so each run removes
/// what runs that are over have left.
static RUN: LazyLock<PathBuf> = LazyLock::new(|| {
    remove_leftovers();
    let run = Path::new(BASE).join(format!("{PREFIX}{}", std::process::id()));
    fs::create_dir(&run).expect("a directory below /var/tmp");
    open_to_all(&run);
    run
});

static NEXT: AtomicU32 = AtomicU32::new(0);

fn remove_leftovers() {
    for entry in fs::read_dir(BASE).expect("/var/tmp").flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = fs::remove_dir_all(entry.path()); // another run may be at it, or another user
        }
    }
}

fn open_to_all(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("our own path");
}

/// A copy of `program` that every user can run: the build may lie in somebody's home directory.
pub fn program(program: &Path) -> PathBuf {
    match program.starts_with(&*RUN) {
        true => program.to_owned(),
        false => copy(program, &RUN),
    }
}

/// A copy in `dir`, made by the first who asks.
pub(crate) fn copy(program: &Path, dir: &Path) -> PathBuf {
    static COPY: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let copy = dir.join(program.file_name().expect("a program's file"));
    let _one_at_a_time = COPY
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if !copy.exists() {
        // Not by our own hands: a child that another test forks meanwhile would hold the file open
        // for writing, and it could not be executed.
        let copied = Command::new("cp").arg(program).arg(&copy).status();
        assert!(
            copied.is_ok_and(|status| status.success()),
            "room for a copy of {program:?}"
        );
        open_to_all(&copy);
    }
    copy
}

/// A directory of this run that is called `name`, the same one each time.
pub(crate) fn own(name: &str) -> PathBuf {
    let dir = RUN.join(name);
    match fs::create_dir(&dir) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        made => {
            made.expect("a directory of our own");
            open_to_all(&dir);
        }
    }
    dir
}

/// A directory that is removed with everything in it when it is dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// An empty directory that everybody may enter and its owner alone may write to.
    pub fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = RUN.join(number.to_string());
        fs::create_dir(&dir).expect("a directory of our own");
        open_to_all(&dir);
        Self(dir)
    }

    /// The same, belonging to `uid`.
    pub fn of(uid: u32) -> Self {
        let scratch = Self::new();
        chown(&scratch.0, Some(uid), Some(uid)).expect("root may give directories away");
        scratch
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of `name` in it.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // a directory of mode 0 is left for the next run
    }
}
