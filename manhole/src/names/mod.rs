//! Names of addresses: symbol tables, lines and inlined functions from object files on disk, and how
//! they are shortened for people. Used by the console and by the client, with the same results.
//!
//! Nothing is cached: files are opened, read in pieces and closed again for each answer. A file is
//! only believed when it is the one that was mapped.

#![allow(unreachable_pub)] // the command-line client and the fuzzers use some of these

mod advice;
mod compose;
mod demangle;
mod disk;
mod dwarf;
mod elf;
mod image;
mod inflate;
mod module;
mod path;
mod place;
mod qualify;
mod quality;
mod short;
mod symtab;
#[cfg(test)]
mod tests;

use crate::model::stack::{Dump, Frame, Module, Symbols};
pub use advice::{DEBUG, MANGLING, advice};
pub use demangle::demangle;
pub use disk::{OnDisk, open_file};
use module::{Budget, Named};
pub use place::{Origin, origin, place};
pub use quality::{Detail, Quality};
pub use short::{crate_of, is_derive, short};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    sync::Arc,
};

/// How much is to be found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Functions by symbol tables.
    Symbols,
    /// Lines and inlined functions as well, where 300 ms and 64 MiB suffice.
    Affordable,
    /// Lines and inlined functions, whatever it takes, up to 2 GiB.
    Lines,
}

/// Where the files of modules are.
pub trait Files {
    /// The file that `module` was mapped from. One with another build id is not believed; where the
    /// module has none, whoever implements this has to know that it is the right one.
    fn open(&self, module: &Module) -> Option<File>;

    /// The file that the debug information of `module` was moved to, in the order in which they are to
    /// be tried; `link` is the name that the module's own file has for it. One with another build id is
    /// not believed.
    fn debug_files(&self, module: &Module, link: Option<&str>) -> Vec<File> {
        let _ = (module, link);
        Vec::new()
    }
}

/// Names the frames of `dump`, and says in `dump.names` how well that went.
///
/// Addresses are looked up once, however many threads are there. Symbol tables cost 10 to 20 ns per
/// symbol; lines about 5 ms per megabyte of debug information of the code that is on the stacks.
/// `keep_going` is asked every 0.1 ms or so; what is known when it says no is kept.
pub fn name(dump: &mut Dump, files: &dyn Files, wanted: Wanted, keep_going: &dyn Fn() -> bool) {
    let mut budget = Budget::new(wanted);
    let mut named = BTreeMap::new();
    for (index, addresses) in addresses(dump) {
        let module = usize::try_from(index).ok();
        let Some(module) = module.and_then(|index| dump.modules.get(index)) else {
            continue;
        };
        let of_module = Named::look_up(module, addresses, files, &mut budget, keep_going);
        // Somebody else may have named the dump before, who could read the file.
        if module.binary && (of_module.is_read() || dump.names.symbols == Symbols::NotRead) {
            dump.names.symbols = of_module.symbols;
            dump.names.lines = of_module.lines;
        }
        named.insert(index, of_module);
    }
    fill(dump, &named);
}

/// The addresses in each module, ascending, each once.
fn addresses(dump: &Dump) -> BTreeMap<u32, Vec<u64>> {
    let mut all: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let stacks = dump.threads.iter().map(|thread| &thread.frames);
    let different = stacks.filter(|stack| seen.insert(Arc::as_ptr(stack).addr()));
    for frame in different.flat_map(|stack| stack.iter()) {
        if let Some(module) = frame.module {
            all.entry(module).or_default().push(frame.address);
        }
    }
    for addresses in all.values_mut() {
        crate::model::order::sort_by_key(addresses, |address| *address);
        addresses.dedup();
    }
    all
}

/// Stacks that threads share are named once and shared again.
fn fill(dump: &mut Dump, named: &BTreeMap<u32, Named>) {
    let (mut with, mut without) = (0, 0);
    let modules = &dump.modules;
    let mut legacy = false;
    let mut done: BTreeMap<usize, Arc<[Frame]>> = BTreeMap::new();
    for thread in &mut dump.threads {
        let old = Arc::as_ptr(&thread.frames).addr();
        if let Some(known) = done.get(&old) {
            thread.frames = Arc::clone(known);
        } else if let Some(frames) = Arc::get_mut(&mut thread.frames) {
            frames.iter_mut().for_each(|frame| put(frame, named));
        } else {
            let mut frames = thread.frames.to_vec();
            frames.iter_mut().for_each(|frame| put(frame, named));
            thread.frames = frames.into();
            done.insert(old, Arc::clone(&thread.frames));
        }
        let nameless = |frame: &&Frame| frame.functions.is_empty();
        let count = thread.frames.iter().filter(nameless).count();
        without += count;
        with += thread.frames.len() - count;
        legacy = legacy || thread.frames.iter().any(|frame| is_legacy(frame, modules));
    }
    (dump.names.named, dump.names.unnamed) = (with, without);
    dump.names.legacy = legacy;
}

fn is_legacy(frame: &Frame, modules: &[Module]) -> bool {
    let module = frame.module.and_then(|at| modules.get(at as usize));
    let mut symbols = frame
        .functions
        .iter()
        .filter_map(|it| it.mangled.as_deref());
    module.is_some_and(|module| module.binary) && symbols.any(|symbol| symbol.starts_with("_ZN"))
}

fn put(frame: &mut Frame, named: &BTreeMap<u32, Named>) {
    let module = frame.module.and_then(|module| named.get(&module));
    if let Some((functions, inlines_known)) = module.and_then(|named| named.get(frame.address)) {
        frame.functions = Arc::clone(functions);
        frame.inlines_known = inlines_known;
    }
}
