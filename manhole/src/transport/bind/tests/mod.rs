//! Every trap that was laid for the binding, with what must come of it.

mod directories;
mod fate;
mod names;

use super::*;
use crate::sys::testing::Scratch;
use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixStream},
};

/// A small root directory with a `tmp` like the real one; `run` and `dev/shm` where a test wants
/// them.
struct World(Scratch);

impl World {
    fn new() -> Self {
        let world = Self(Scratch::new());
        world.mkdir("tmp", 0o1777);
        world
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn mkdir(&self, path: &str, mode: u32) {
        fs::create_dir_all(self.at(path)).unwrap();
        self.chmod(path, mode);
    }

    fn chmod(&self, path: &str, mode: u32) {
        fs::set_permissions(self.at(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn mode(&self, path: &str) -> u32 {
        let metadata = fs::symlink_metadata(self.at(path)).unwrap();
        metadata.permissions().mode() & 0o7777
    }

    fn options(&self) -> Options {
        Options {
            root: self.0.path().to_owned(),
            ..Options::default()
        }
    }

    fn given(&self, path: &str) -> Options {
        Options {
            place: Place::Search {
                dir: Some(self.at(path)),
            },
            ..self.options()
        }
    }

    /// The path of `bound` below this root, our uid as U, our pid as P, random digits as ?.
    fn shown(&self, bound: &Bound) -> String {
        let path = bound.path().unwrap().strip_prefix(self.0.path()).unwrap();
        let (uid, pid) = (sys::euid().to_string(), std::process::id().to_string());
        let hide = |part: &str| match part {
            part if part == uid => "U".to_owned(),
            part if part == pid => "P".to_owned(),
            part if part.len() == 8 && u32::from_str_radix(part, 16).is_ok() => "?".to_owned(),
            part => part.to_owned(),
        };
        let words = |text: &str, separator: &str, each: &dyn Fn(&str) -> String| {
            let words: Vec<String> = text.split(separator).map(each).collect();
            words.join(separator)
        };
        words(path.to_str().unwrap(), "/", &|name| {
            words(name, ".", &|stem| words(stem, "-", &hide))
        })
    }

    fn foreign(&self, path: &str) {
        std::os::unix::fs::lchown(self.at(path), Some(1234), Some(1234)).unwrap();
    }
}

/// The well-known directory, and the socket's first name in it.
fn home() -> String {
    format!("tmp/manhole-{}", sys::euid())
}

fn first_name() -> String {
    format!("{}/{}.sock", home(), std::process::id())
}

fn is_live(bound: &Bound) -> bool {
    UnixStream::connect(bound.path().unwrap()).is_ok()
}

/// Whether the test can make files of other users; says so when not.
fn am_root() -> bool {
    let root = sys::euid() == 0;
    if !root {
        eprintln!("skipped: needs root to make files of another user");
    }
    root
}
