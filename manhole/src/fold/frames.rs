//! A stack as a list of functions, each with what folding needs to know of it.

use super::{app::Crates, path, rules::Rules};
use crate::{
    model::stack::{Dump, Frame, Function, Module, ThreadStack},
    names,
};
use std::{collections::BTreeMap, rc::Rc, sync::Arc};

/// Most functions of one stack that are looked at; the walk ends long before.
const MOST: usize = 4096;

/// Whose code a function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// The application's, and worth reading.
    App,
    /// Made by a derive macro.
    Derived,
    /// Another crate's.
    Foreign,
    /// Of C or another language.
    Native,
    /// It has no name.
    Nameless,
}

/// What is known of a function's name.
#[derive(Debug, PartialEq)]
pub(super) struct Name {
    /// As rules match it, see [`path::path`]. Without a name file and address.
    pub path: String,
    /// The crate; of C the library: `libc`, `librdkafka`.
    pub of: String,
    /// Whose it is.
    pub code: Code,
    /// What it says.
    pub rules: Rules,
}

impl Name {
    fn new(path: String, of: String, code: Code) -> Self {
        let mut name = Self {
            path,
            of,
            code,
            rules: Rules::default(),
        };
        name.rules = Rules::of(&name);
        name
    }

    /// Whether it is of the crate `of`, and `module`, which is empty for any, stands in its path.
    pub(super) fn is_in(&self, of: &str, module: &str) -> bool {
        self.of == of && self.path.contains(module)
    }

    /// Its last function, without closures.
    pub(super) fn last(&self) -> &str {
        path::last(&self.path)
    }
}

/// A function of a stack.
#[derive(Clone, Debug)]
pub(super) struct Item<'a> {
    /// `None` when the frame has no name.
    pub function: Option<&'a Function>,
    /// Where it stands.
    pub frame: &'a Frame,
    /// Its name.
    pub name: Rc<Name>,
    /// The compiler merged it into a following one.
    pub inlined: bool,
}

impl Item<'_> {
    /// Whether functions may be merged into this one that nobody told us of.
    pub(super) fn hides(&self) -> bool {
        !self.inlined && !self.frame.inlines_known
    }

    /// Whether it is the application's.
    pub(super) fn is_app(&self) -> bool {
        self.name.code == Code::App
    }
}

/// Makes lists of stacks, and remembers what it found out about their code.
pub(super) struct Reader<'a> {
    modules: &'a [Module],
    crates: Crates,
    known: BTreeMap<Place, Vec<Rc<Name>>>,
    /// By where the stack is, which threads share.
    stacks: BTreeMap<usize, Rc<[Item<'a>]>>,
}

/// What tells frames apart: where the functions lie that an address has in common with others, and
/// the address of one that has none.
type Place = (usize, u64, Option<u32>);

impl<'a> Reader<'a> {
    /// A reader for the threads of `dump`.
    pub(super) fn new(dump: &'a Dump) -> Self {
        Self {
            modules: &dump.modules,
            crates: Crates::of(dump),
            known: BTreeMap::new(),
            stacks: BTreeMap::new(),
        }
    }

    /// A reader for a thread of its own: it knows neither the application's crates nor libraries.
    #[cfg(test)]
    pub(super) fn alone() -> Self {
        Self {
            modules: &[],
            crates: Crates::default(),
            known: BTreeMap::new(),
            stacks: BTreeMap::new(),
        }
    }

    /// The functions of `thread`, leaf first.
    pub(super) fn items(&mut self, thread: &'a ThreadStack) -> Rc<[Item<'a>]> {
        let place = Arc::as_ptr(&thread.frames).addr();
        if let Some(known) = self
            .stacks
            .get(&place)
            .filter(|_| !thread.frames.is_empty())
        {
            return Rc::clone(known);
        }
        let items: Rc<[Item<'a>]> = self.read(thread).into();
        self.stacks.insert(place, Rc::clone(&items));
        items
    }

    fn read(&mut self, thread: &'a ThreadStack) -> Vec<Item<'a>> {
        let count = thread
            .frames
            .iter()
            .map(|frame| frame.functions.len().max(1));
        let count = count.sum::<usize>().min(MOST);
        let mut items = Vec::new();
        if items.try_reserve_exact(count).is_err() {
            return items;
        }
        for frame in thread.frames.iter() {
            if items.len() + frame.functions.len().max(1) > count {
                break;
            }
            let names = self.names(frame);
            let functions = frame.functions.iter().map(Some);
            let functions = functions.chain(frame.functions.is_empty().then_some(None));
            let last = names.len().saturating_sub(1);
            let of_frame = functions.zip(names).enumerate();
            items.extend(of_frame.map(|(at, (function, name))| Item {
                function,
                frame,
                name: Rc::clone(name),
                inlined: at < last,
            }));
        }
        items
    }

    fn names(&mut self, frame: &Frame) -> &[Rc<Name>] {
        let key = match frame.functions.is_empty() {
            true => (0, frame.address, frame.module),
            false => (frame.functions.as_ptr() as usize, 0, frame.module),
        };
        let (crates, modules) = (&self.crates, self.modules);
        self.known.entry(key).or_insert_with(|| {
            let module = frame.module.and_then(|at| modules.get(at as usize));
            let library = module.map_or(String::new(), library);
            match frame.functions.is_empty() {
                true => vec![Rc::new(nameless(frame, module, library))],
                false => {
                    let functions = frame.functions.iter();
                    let names = functions.map(|function| name(function, &library, crates));
                    names.map(Rc::new).collect()
                }
            }
        })
    }
}

/// `checkout+0x1a2b3c`: the address as in the file, which other tools can look up.
fn nameless(frame: &Frame, module: Option<&Module>, library: String) -> Name {
    let bias = module.map_or(0, |module| module.bias);
    let path = format!("{library}+{:#x}", frame.address.wrapping_sub(bias));
    Name::new(path, library, Code::Nameless)
}

fn name(function: &Function, library: &str, crates: &Crates) -> Name {
    let full = function.name.as_str();
    let of = names::crate_of(full);
    let code = match () {
        () if full.is_empty() => Code::Nameless,
        () if !of.is_empty() && names::is_derive(full) => Code::Derived,
        () if crates.has(of) && is_like_derived(full, function) => Code::Derived,
        () if crates.has(of) && path::is_allocator_shim(path::last(&path::path(full))) => {
            Code::Derived
        }
        () if crates.has(of) => Code::App,
        () if of.is_empty() => Code::Native,
        () => Code::Foreign,
    };
    let of = if of.is_empty() { library } else { of };
    Name::new(path::path(full), of.to_owned(), code)
}

/// Whether it looks like derived code whose name lost the constant that this is in, and its type:
/// `checkout::visit_map`. So it is where debug information holds lines only.
fn is_like_derived(full: &str, function: &Function) -> bool {
    let path = path::path(full);
    let last = path::last(&path);
    let of_serde = last.starts_with("visit_") || matches!(last, "serialize" | "deserialize");
    of_serde && function.file.is_some() && path::type_of(&path).is_none()
}

/// The file that the frame's code is in, as one speaks of it: `libc` for `libc.so.6`.
fn library(module: &Module) -> String {
    let file = file_name(module);
    let name = file.split(".so").next().unwrap_or(file);
    match name.rsplit_once('-') {
        // libm-2.36.so
        Some((name, version)) if version.contains('.') => name,
        _ => name,
    }
    .to_owned()
}

/// The last part of a module's path.
pub(super) fn file_name(module: &Module) -> &str {
    module.path.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_by_their_short_names() {
        let check = |path: &str, expected: &str| {
            let module = Module {
                path: path.to_owned(),
                ..Module::default()
            };
            assert_eq!(library(&module), expected);
        };
        check("/lib/x86_64-linux-gnu/libc.so.6", "libc");
        check("/lib/libm-2.31.so", "libm");
        check("/lib/ld-linux-x86-64.so.2", "ld-linux-x86-64");
        check("/usr/lib/libstdc++.so.6", "libstdc++");
        check("/usr/bin/checkout", "checkout");
        check("[vdso]", "[vdso]");
    }
}
