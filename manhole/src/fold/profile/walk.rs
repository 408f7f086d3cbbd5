//! All stacks of a profile as lists of numbers of functions, with what the tables add up.

use super::{
    super::{
        ends::{behind_wait, without_start},
        frames::{Code, Item},
        hidden::hidden,
        lines,
        threads::Thread,
        words::called_in,
    },
    doing::{self, Class},
    entries::{self, Entry},
};
use crate::model::{
    samples::{Place, Samples},
    stack,
    wish::Wish,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// The stacks, and the functions in them.
#[derive(Default)]
pub(in crate::fold) struct Walk<'a> {
    pub functions: Vec<Function<'a>>,
    pub stacks: Vec<Stack>,
    /// Names of threads by their ids, and roles where they have one: the one that most time goes to.
    called: BTreeMap<u32, BTreeMap<&'a str, u64>>,
    /// Number by name.
    by_name: BTreeMap<String, u32>,
    /// Every different list of functions once: threads that wait have thousands in common.
    lists: BTreeSet<Rc<[u32]>>,
    /// Number by what the reader of stacks knows a name by.
    by_place: BTreeMap<usize, u32>,
    /// Samples, and the time they stand for, of all that was asked for.
    pub samples: u64,
    pub ns: u64,
}

/// A function, all its copies and instances together.
pub(in crate::fold) struct Function<'a> {
    /// As it is to be printed.
    pub name: String,
    /// Whether it is the application's.
    pub app: bool,
    /// What it stands for in a sentence: its crate, of C its symbol.
    pub of: String,
    /// It is only how the language calls another function.
    pub plumbing: bool,
    /// How much time was met at each of its lines.
    lines: BTreeMap<u32, (u64, &'a stack::Function)>,
}

/// A stack of a thread.
pub(in crate::fold) struct Stack {
    /// Numbers of its functions, leaf first, without what only serves a wait and the thread's start.
    pub functions: Rc<[u32]>,
    pub site: Site,
    pub class: Class,
    /// What it does or waits for.
    pub doing: &'static str,
    pub tid: u32,
    pub samples: u64,
    /// Waits that were seen to begin here.
    pub waits: u64,
    pub ns: u64,
}

/// Where in the application a stack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::fold) enum Site {
    /// In this function.
    Function(u32),
    /// Probably in what was inlined here; with a remark that says so.
    Hidden(u32, &'static str),
    /// Nowhere.
    Elsewhere,
}

impl<'a> Walk<'a> {
    /// Walks what `wish` asks for.
    pub(in crate::fold) fn of(samples: &'a Samples, wish: &Wish) -> Self {
        let mut walk = Self::default();
        let main = samples.dump.threads.iter().find(|thread| thread.main);
        let process = main.map_or("", |main| main.name.as_str());
        entries::each(samples, wish, &mut |entry, _| {
            walk.add(&entry, samples, process, wish.full_names);
        });
        walk
    }

    fn add(
        &mut self,
        entry: &Entry<'_, 'a>,
        samples: &'a Samples,
        process: &str,
        full_names: bool,
    ) {
        let Entry {
            thread,
            weight,
            class,
        } = *entry;
        self.samples = self.samples.saturating_add(weight.samples);
        self.ns = self.ns.saturating_add(weight.ns);
        let names = self.called.entry(thread.stack.tid).or_default();
        *names.entry(called_in(thread, process)).or_default() += weight.ns.max(1);
        let instead = match thread.items.is_empty() {
            true => placeholder(weight.place).or(placeholder(Place::NoStack)),
            false => placeholder(weight.place),
        };
        let items = worth_reading(thread);
        let modules = &samples.dump.modules;
        let (functions, site) = match instead {
            Some(name) => self.instead(name),
            None => self.locate(thread, items, weight.ns, modules, full_names),
        };
        self.stacks.push(Stack {
            functions,
            site,
            class,
            doing: doing::words(thread),
            tid: thread.stack.tid,
            samples: weight.samples,
            waits: weight.waits,
            ns: weight.ns,
        });
    }

    /// A stack of which nothing is known but what stands in its place.
    pub(in crate::fold) fn instead(&mut self, name: &str) -> (Rc<[u32]>, Site) {
        let function = self.named(name.to_owned());
        (self.shared(vec![function]), Site::Elsewhere)
    }

    /// The functions of `items`, which are those of `thread` or a part of them, and where in the
    /// application it is; `ns` were met there.
    pub(in crate::fold) fn locate(
        &mut self,
        thread: &Thread<'a>,
        items: &[Item<'a>],
        ns: u64,
        modules: &[stack::Module],
        full_names: bool,
    ) -> (Rc<[u32]>, Site) {
        let named = |walk: &mut Self, items: &[Item<'a>]| -> Vec<u32> {
            let number = |item| walk.number(item, ns, modules, full_names);
            items.iter().map(number).collect()
        };
        let functions = named(self, items);
        let site = self.site(thread, &named);
        (self.shared(functions), site)
    }

    /// Where in the application `thread` is; `named` gives functions their numbers.
    fn site(
        &mut self,
        thread: &Thread<'a>,
        named: &dyn Fn(&mut Self, &[Item<'a>]) -> Vec<u32>,
    ) -> Site {
        let mut number = |item: &Item<'a>| named(self, std::slice::from_ref(item)).pop();
        if let Some(item) = thread.app().next() {
            return number(item).map_or(Site::Elsewhere, Site::Function);
        }
        let items = behind_wait_or_all(thread);
        let found = hidden(thread, items).and_then(|(at, remark)| {
            let item = items.get(at)?;
            Some(Site::Hidden(number(item)?, remark))
        });
        found.unwrap_or(Site::Elsewhere)
    }

    fn shared(&mut self, functions: Vec<u32>) -> Rc<[u32]> {
        if let Some(known) = self.lists.get(functions.as_slice()) {
            return Rc::clone(known);
        }
        let list: Rc<[u32]> = functions.into();
        self.lists.insert(Rc::clone(&list));
        list
    }

    /// The number of the function that `item` is, where `ns` were met.
    fn number(
        &mut self,
        item: &Item<'a>,
        ns: u64,
        modules: &[stack::Module],
        full_names: bool,
    ) -> u32 {
        let place = Rc::as_ptr(&item.name) as usize;
        let number = match self.by_place.get(&place) {
            Some(number) => *number,
            None => {
                let number = self.named(printed(item, modules, full_names));
                if let Some(function) = self.functions.get_mut(number as usize) {
                    function.app |= item.is_app();
                    function.plumbing = item.name.rules.plumbing;
                    function.of = of(item);
                }
                self.by_place.insert(place, number);
                number
            }
        };
        let function = self.functions.get_mut(number as usize);
        if let (Some(function), Some(known)) = (function, item.function) {
            let line = known.line.unwrap_or(0);
            let sum = &mut function.lines.entry(line).or_insert((0, known)).0;
            *sum = sum.saturating_add(ns);
        }
        number
    }

    fn named(&mut self, name: String) -> u32 {
        if let Some(number) = self.by_name.get(&name) {
            return *number;
        }
        let number = u32::try_from(self.functions.len()).unwrap_or(u32::MAX);
        self.by_name.insert(name.clone(), number);
        self.functions.push(Function {
            name,
            app: false,
            of: String::new(),
            plumbing: false,
            lines: BTreeMap::new(),
        });
        number
    }

    /// The stacks but those of threads that wait for work.
    pub(in crate::fold) fn busy(&self) -> impl Iterator<Item = &Stack> {
        let stacks = self.stacks.iter();
        stacks.filter(|stack| stack.class != Class::Idle)
    }

    /// The function with the number `number`.
    pub(in crate::fold) fn function(&self, number: u32) -> Option<&Function<'a>> {
        self.functions.get(number as usize)
    }

    /// What the thread `tid` is called.
    pub(in crate::fold) fn called(&self, tid: u32) -> &'a str {
        let names = self.called.get(&tid).into_iter().flatten();
        names
            .max_by_key(|(_, ns)| **ns)
            .map_or("", |(name, _)| name)
    }
}

impl Function<'_> {
    /// Its file, and the line at which most time was met: `src/cache.rs:41`.
    pub(in crate::fold) fn place(&self) -> String {
        let most = self.lines.values().max_by_key(|(ns, _)| *ns);
        most.map_or(String::new(), |(_, function)| lines::place_of(function))
    }
}

/// The functions of a thread without what only serves its wait, unless that is all there is.
fn behind_wait_or_all<'t, 'a>(thread: &'t Thread<'a>) -> &'t [Item<'a>] {
    let behind = Some(behind_wait(thread)).filter(|items| !items.is_empty());
    behind.unwrap_or(&thread.items)
}

/// Of these, those behind the start of the thread.
fn worth_reading<'t, 'a>(thread: &'t Thread<'a>) -> &'t [Item<'a>] {
    let items = behind_wait_or_all(thread);
    let started = Some(without_start(items)).filter(|items| !items.is_empty());
    started.unwrap_or(items)
}

/// What stands where no stack does.
pub(in crate::fold) fn placeholder(place: Place) -> Option<&'static str> {
    match place {
        Place::Stack => None,
        Place::SignalBlocked => Some("[signal blocked: somewhere in this thread]"),
        Place::NoStack => Some("[stack unreadable]"),
        Place::TooMany => Some("[further stacks]"),
    }
}

fn printed(item: &Item<'_>, modules: &[stack::Module], full_names: bool) -> String {
    let module = item.frame.module.and_then(|at| modules.get(at as usize));
    let in_binary = module.is_some_and(|module| module.binary);
    let name = lines::printed(item, full_names);
    match item.name.code {
        Code::Nameless if item.name.of.is_empty() => "[code of no file]".to_owned(),
        // Addresses would tell functions apart that nobody can look up here.
        Code::Nameless => format!("[{}] without a name", item.name.of.trim_matches(['[', ']'])),
        Code::Native if !in_binary => format!("[{}] {name}", item.name.of),
        _ => name,
    }
}

/// What a function stands for in a sentence.
fn of(item: &Item<'_>) -> String {
    match item.name.code {
        Code::Native => super::super::path::c_name(item.name.last()).to_owned(),
        _ => item.name.of.clone(),
    }
}
