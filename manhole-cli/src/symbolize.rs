//! Names of a process's functions from its files as they are on this host: lines and inlined
//! functions at leisure, which inside of a service would cost it time and memory.
//!
//! The files belong to whoever owns the process or its container. They are looked up below its root
//! without following links, and believed when their build id is that of what is mapped.

use crate::progress::Progress;
use manhole::client::{
    Pinned, Root,
    names::{Dump, Files, Lines, Module, Symbols, Wanted, name},
};
use nix::{
    fcntl::{OFlag, openat},
    sys::stat::Mode,
};
use std::{
    cell::RefCell,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    time::Instant,
};

/// The most of a list of mappings that is read, in bytes.
const LONGEST_LIST: u64 = 64 << 20;

/// Whether [`symbolize`] may find more than the process did itself.
pub(crate) fn is_worthwhile(dump: &Dump) -> bool {
    dump.names.symbols != Symbols::Known || dump.names.lines != Lines::Known
}

/// Names the frames of `dump`, which process `pid` made. What it knew better stays. Takes 10 ms per
/// megabyte of debug information of the code that is on the stacks; `cancelled` is asked meanwhile.
///
/// # Errors
/// When the process is gone.
pub(crate) fn symbolize(
    dump: &mut Dump,
    pid: i32,
    progress: &mut Progress,
    cancelled: &dyn Fn() -> bool,
) -> io::Result<()> {
    let files = OfProcess::new(pid)?;
    let started = Instant::now();
    let progress = RefCell::new(progress);
    let keep_going = || {
        let seconds = started.elapsed().as_secs_f64();
        progress.borrow_mut().report(seconds, None, "s for names");
        !cancelled()
    };
    name(dump, &files, Wanted::Lines, &keep_going);
    Ok(())
}

/// The files of a process.
struct OfProcess {
    /// So that its pid cannot be another's by the next look.
    pinned: Pinned,
    root: Root,
    /// Ours, which may have debug files that a container lacks.
    ours: Root,
}

impl OfProcess {
    fn new(pid: i32) -> io::Result<Self> {
        let pinned = Pinned::new(pid)?;
        Ok(Self {
            root: Root::of(pinned.dir())?,
            ours: Root::ours()?,
            pinned,
        })
    }

    /// Whether the file is the one that is mapped at the beginning of `module`.
    fn is_mapped(&self, file: &File, module: &Module) -> bool {
        let inode = self.maps().and_then(|maps| inode(&maps, module));
        let found = nix::sys::stat::fstat(file).map(|stat| stat.st_ino).ok();
        !module.deleted && inode.is_some() && inode == found
    }

    fn maps(&self) -> Option<String> {
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let maps = openat(self.pinned.dir(), "maps", flags, Mode::empty()).ok()?;
        let mut text = String::new();
        let read = File::from(maps)
            .take(LONGEST_LIST)
            .read_to_string(&mut text);
        read.is_ok().then_some(text)
    }
}

impl Files for OfProcess {
    fn open(&self, module: &Module) -> Option<File> {
        if module.binary
            && let Ok(file) = openat(self.pinned.dir(), "exe", reading(), Mode::empty())
        {
            return Some(file.into()); // the kernel's own link, which holds also when it was replaced
        }
        let file = open(&self.root, Path::new(&module.path))?;
        let known = module.build_id.is_some() || self.is_mapped(&file, module);
        known.then_some(file)
    }

    fn debug_files(&self, module: &Module, link: Option<&str>) -> Vec<File> {
        let places = places(module, link);
        let roots = [&self.root, &self.ours];
        let files = roots
            .iter()
            .flat_map(|root| places.iter().map(|path| open(root, path)));
        files.flatten().collect()
    }
}

fn reading() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC
}

fn open(root: &Root, path: &Path) -> Option<File> {
    let absolute = path.is_absolute().then_some(path)?;
    root.open(absolute, reading()).map(File::from).ok()
}

/// Where distributions and debuggers keep the debug information of a file.
fn places(module: &Module, link: Option<&str>) -> Vec<PathBuf> {
    let debug = Path::new("/usr/lib/debug");
    let mut places = Vec::new();
    let id = module.build_id.as_deref();
    if let Some((first, rest)) = id.and_then(|id| id.split_at_checked(2)) {
        places.push(
            debug
                .join(".build-id")
                .join(first)
                .join(format!("{rest}.debug")),
        );
    }
    let plain = link.filter(|link| !link.is_empty() && !link.contains('/') && *link != "..");
    if let (Some(link), Some(dir)) = (plain, Path::new(&module.path).parent()) {
        let below = dir.strip_prefix("/").unwrap_or(dir);
        places.extend([dir.join(link), dir.join(".debug").join(link)]);
        places.push(debug.join(below).join(link));
    }
    places
}

/// The inode of the file mapped where `module` begins.
fn inode(maps: &str, module: &Module) -> Option<u64> {
    let begins = format!("{:x}-", module.start);
    let mut lines = maps.lines();
    let line = lines.find(|line| line.trim_start_matches('0').starts_with(&begins))?;
    let inode = line.split_whitespace().nth(4)?.parse().ok()?;
    (inode != 0).then_some(inode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use manhole::client::names::{Frame, ThreadStack};

    #[test]
    fn debug_files_are_looked_for_where_debuggers_do() {
        let check = |build_id: Option<&str>, link: Option<&str>, expected: &[&str]| {
            let module = Module {
                path: "/opt/shop/bin/shop".to_owned(),
                build_id: build_id.map(str::to_owned),
                ..Module::default()
            };
            let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
            assert_eq!(places(&module, link), expected);
        };
        check(None, None, &[]);
        check(Some("a"), None, &[]);
        check(
            Some("abcdef"),
            None,
            &["/usr/lib/debug/.build-id/ab/cdef.debug"],
        );
        check(
            None,
            Some("shop.debug"),
            &[
                "/opt/shop/bin/shop.debug",
                "/opt/shop/bin/.debug/shop.debug",
                "/usr/lib/debug/opt/shop/bin/shop.debug",
            ],
        );
        check(None, Some("../../etc/shadow"), &[]);
        check(None, Some(".."), &[]);
    }

    #[test]
    fn the_mapping_tells_which_file_it_is() {
        let maps = "00400000-00452000 r-xp 00000000 08:02 173521 /usr/bin/dbus\n\
                    7f00000000-7f00001000 r--p 00000000 00:00 0\n";
        let check = |start: u64, expected| {
            let module = Module {
                start,
                ..Module::default()
            };
            assert_eq!(inode(maps, &module), expected);
        };
        check(0x40_0000, Some(173_521));
        check(0x7f_0000_0000, None);
        check(0x41_0000, None);
    }

    #[test]
    fn functions_of_this_process_get_their_names() {
        let function = main_of_this_test as *const () as u64;
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let program = std::env::current_exe().unwrap();
        let program = program.to_str().unwrap();
        let start = maps.lines().find(|line| line.ends_with(program)).unwrap();
        let start = start.split('-').next().unwrap();
        let start = u64::from_str_radix(start, 16).unwrap();
        let mut module = Module {
            path: program.to_owned(),
            binary: true,
            start,
            bias: start,
            ..Module::default()
        };
        let frame = Frame {
            address: function,
            module: Some(0),
            ..Frame::default()
        };
        let check = |module: &Module, expected: &str| {
            let mut dump = Dump {
                modules: vec![module.clone()],
                threads: vec![ThreadStack {
                    frames: [frame.clone()].into(),
                    ..ThreadStack::default()
                }],
                ..Dump::default()
            };
            let pid = i32::try_from(std::process::id()).unwrap();
            symbolize(&mut dump, pid, &mut Progress::new(false), &|| false).unwrap();
            let functions = &dump.threads[0].frames[0].functions;
            let name = functions.last().map_or("", |function| &function.name);
            assert!(name.ends_with(expected), "{name}");
            assert_eq!(name.is_empty(), expected.is_empty());
        };
        check(&module, "symbolize::tests::main_of_this_test");
        // By its path and inode instead of the kernel's link.
        module.binary = false;
        check(&module, "symbolize::tests::main_of_this_test");
        module.build_id = Some("0123".to_owned());
        check(&module, "");
    }

    fn main_of_this_test() {}
}
