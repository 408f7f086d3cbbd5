//! The files behind the mappings of this process.

use super::Files;
use crate::{model::stack::Module, sys};
use nix::libc;
use std::{
    fs::{File, OpenOptions},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

/// What is compared of files without a build id, in bytes.
const BEGINNING: usize = 4096;

/// The files of this process: the program by the kernel's own link to it, which holds also when it
/// was replaced, and libraries by their paths.
#[derive(Clone, Copy, Debug, Default)]
pub struct OnDisk;

impl Files for OnDisk {
    fn open(&self, module: &Module) -> Option<File> {
        if module.binary {
            return open_file("/proc/self/exe");
        }
        let file = module
            .path
            .starts_with('/')
            .then(|| open_file(&module.path))??;
        let known = module.build_id.is_some() || begins_alike(&file, module.start);
        known.then_some(file)
    }
}

/// Opens a file for reading; neither a FIFO nor a device makes it wait.
pub fn open_file(path: impl AsRef<Path>) -> Option<File> {
    let mut options = OpenOptions::new();
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    let file = options.read(true).custom_flags(flags).open(path).ok()?;
    file.metadata().ok()?.is_file().then_some(file)
}

/// Whether the file begins as what is mapped at `start`: with the headers, which hold the entry point
/// and the sizes of all segments, and with the first tables.
fn begins_alike(file: &File, start: u64) -> bool {
    let (mut there, mut here) = ([0; BEGINNING], [0; BEGINNING]);
    file.read_exact_at(&mut there, 0).is_ok()
        && sys::memory::read_own(start, &mut here) == BEGINNING
        && there == here
}
