//! A file in place of a program: whatever it holds, names are found in bounded time or not at all.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manhole::fuzzing::{
    names::{Files, Quality, Wanted, name, open_file},
    stack::{Dump, Frame, Module, ThreadStack},
};
use std::{cell::Cell, fs, fs::File};

struct Input(String);

impl Files for Input {
    fn open(&self, _: &Module) -> Option<File> {
        open_file(&self.0)
    }
}

/// Looks at the clock that no small file needs: one comes at least every thousand entries.
const MOST_LOOKS: u32 = 100_000;

fuzz_target!(|data: &[u8]| {
    let files = Input(format!("/dev/shm/manhole-fuzz-{}", std::process::id()));
    fs::write(&files.0, data).unwrap();
    let module = Module {
        binary: true,
        ..Module::default()
    };
    // Where small programs have their code.
    let frames = (0x1000..0x1200).chain(0x40_1000..0x40_1100).step_by(5);
    let frame = |address| Frame {
        address,
        module: Some(0),
        ..Frame::default()
    };
    let mut dump = Dump {
        modules: vec![module.clone()],
        threads: vec![ThreadStack {
            frames: frames.map(frame).collect(),
            ..ThreadStack::default()
        }],
        ..Dump::default()
    };
    let looks = Cell::new(0_u32);
    let keep_going = || {
        looks.set(looks.get() + 1);
        true
    };
    name(&mut dump, &files, Wanted::Lines, &keep_going);
    assert!(looks.get() < MOST_LOOKS);
    let _ = Quality::of(&module, &files);
    fs::remove_file(&files.0).unwrap();
});
