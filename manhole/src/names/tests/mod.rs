//! Names of real addresses: of this very program, of libc, of files that are broken in every way.

mod broken;
mod known;
mod others;

use super::{Files, OnDisk, Wanted, name, open_file};
use crate::model::stack::{Dump, Frame, Module, ThreadStack};
use std::{
    fs::{self, File},
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

/// One frame per address, all of `module`.
fn dump(module: &Module, addresses: &[u64]) -> Dump {
    let frame = |address: &u64| Frame {
        address: *address,
        module: Some(0),
        ..Frame::default()
    };
    Dump {
        modules: vec![module.clone()],
        threads: vec![ThreadStack {
            frames: addresses.iter().map(frame).collect(),
            ..ThreadStack::default()
        }],
        ..Dump::default()
    }
}

fn named(module: &Module, files: &dyn Files, wanted: Wanted, addresses: &[u64]) -> Dump {
    let mut dump = dump(module, addresses);
    name(&mut dump, files, wanted, &|| true);
    dump
}

/// The function names of each frame, innermost first.
fn names(dump: &Dump) -> Vec<Vec<&str>> {
    let frames = dump.threads.iter().flat_map(|thread| thread.frames.iter());
    let names = frames.map(|frame| {
        frame
            .functions
            .iter()
            .map(|function| function.name.as_str())
    });
    names.map(Iterator::collect).collect()
}

/// The mapping of this process that `address` lies in, as the unwinder would describe it.
fn module_of(address: u64) -> Module {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let program = fs::read_link("/proc/self/exe").unwrap();
    let parsed = maps.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        let offset = number(words.nth(1)?)?;
        Some((
            number(start)?,
            number(end)?,
            offset,
            words.nth(2)?.to_owned(),
        ))
    });
    let parsed: Vec<_> = parsed.collect();
    let within = |(start, end, ..): &&(u64, u64, u64, String)| (*start..*end).contains(&address);
    let path = &parsed.iter().find(within).expect("a mapping").3;
    let mut mine = parsed.iter().filter(|(.., mapped)| mapped == path);
    let (start, _, offset, _) = mine.next().unwrap();
    assert_eq!(*offset, 0);
    let elf = super::elf::Elf::read(File::open(path).unwrap()).unwrap();
    Module {
        path: path.clone(),
        binary: program.as_os_str() == path.as_str(),
        start: *start,
        end: mine.next_back().map_or(*start, |(_, end, ..)| *end),
        // Both the test program and libraries begin at address 0 of their headers.
        bias: *start,
        build_id: elf.build_id(),
        ..Module::default()
    }
}

/// A file for every module.
struct One(PathBuf);

impl Files for One {
    fn open(&self, _: &Module) -> Option<File> {
        open_file(&self.0)
    }
}

/// A file of the test's own, removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(bytes: &[u8]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("manhole-names-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, bytes).unwrap();
        Self(path)
    }

    fn files(&self) -> One {
        One(self.0.clone())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
