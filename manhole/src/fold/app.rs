//! Which crates are the application's.
//!
//! The crate of the binary and those that the builder named are. Where debug information tells the
//! source files, so is every crate that was compiled outside the registry and Rust's own sources:
//! the other members of a workspace.

use crate::{
    model::stack::{Dump, Frame, Function, Module},
    names::{self, Origin},
};
use std::collections::BTreeSet;

/// Never the application's, wherever they were compiled: Rust's own, what the compiler puts into a program
/// that has an allocator of its own, and this one.
const NEVER: [&str; 7] = [
    "std",
    "core",
    "alloc",
    "proc_macro",
    "test",
    "__rustc",
    "manhole",
];

/// The application's crates.
#[derive(Debug, Default)]
pub(super) struct Crates(BTreeSet<String>);

impl Crates {
    /// What `dump` says about them.
    pub(super) fn of(dump: &Dump) -> Self {
        let mut crates = Self::default();
        let given = dump.app_crates.iter().map(|name| name.replace('-', "_"));
        crates.0.extend(given);
        let binary = dump.modules.iter().find(|module| module.binary);
        crates.0.extend(binary.map(of_binary));
        // The same code is in many stacks.
        let mut seen = BTreeSet::new();
        for thread in &dump.threads {
            if thread.main {
                crates.0.extend(of_main(&thread.frames));
            }
            let frames = thread.frames.iter();
            let new = frames.filter(|frame| seen.insert(frame.functions.as_ptr()));
            let functions = new.flat_map(|frame| frame.functions.iter());
            for function in functions.filter(|function| is_from_elsewhere(function)) {
                let name = names::crate_of(&function.name);
                if !crates.0.contains(name) {
                    crates.0.insert(name.to_owned());
                }
            }
        }
        crates.0.retain(|name| is_possible(name));
        crates
    }

    /// Whether the crate `of` is the application's.
    pub(super) fn has(&self, of: &str) -> bool {
        self.0.contains(of)
    }
}

fn is_possible(name: &str) -> bool {
    !name.is_empty() && !NEVER.contains(&name)
}

/// The crate that a program is called after; tests have a hash behind it.
fn of_binary(module: &Module) -> String {
    let name = module.path.rsplit('/').next().unwrap_or_default();
    let name = match name.rsplit_once('-') {
        Some((name, hash)) if is_hash(hash) => name,
        _ => name,
    };
    name.replace('-', "_")
}

fn is_hash(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The crate whose `main` Rust's start-up called.
fn of_main(frames: &[Frame]) -> Option<String> {
    let mut functions = frames.iter().rev().flat_map(|frame| frame.functions.iter());
    let main = functions.find(|function| {
        let path = names::short(&function.name, true);
        path.split("::").nth(1) == Some("main") && path.split("::").count() == 2
    })?;
    Some(names::crate_of(&main.name).to_owned())
}

/// Whether it was compiled neither from the registry nor from Rust's own sources.
///
/// What build scripts wrote lies in the application's `target`, whoever's script it was.
fn is_from_elsewhere(function: &Function) -> bool {
    let file = function.file.as_deref().unwrap_or_default();
    let generated = file.contains("/build/") && file.contains("/out/");
    !file.is_empty() && !generated && names::origin(file) == Origin::Other
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::stack::ThreadStack;

    fn function(name: &str, file: &str) -> Function {
        Function {
            name: name.to_owned(),
            file: (!file.is_empty()).then(|| file.to_owned()),
            ..Function::default()
        }
    }

    fn dump(binary: &str, functions: &[Function]) -> Dump {
        let frames = functions.iter().map(|function| Frame {
            functions: vec![function.clone()].into(),
            ..Frame::default()
        });
        Dump {
            modules: vec![Module {
                path: binary.to_owned(),
                binary: true,
                ..Module::default()
            }],
            threads: vec![ThreadStack {
                main: true,
                frames: frames.collect(),
                ..ThreadStack::default()
            }],
            app_crates: vec!["given-crate".to_owned()],
            ..Dump::default()
        }
    }

    #[test]
    fn crates_of_the_workspace_are_the_applications() {
        let check = |binary: &str, functions: &[(&str, &str)], expected: &[&str]| {
            let functions = functions.iter().map(|(name, file)| function(name, file));
            let crates = Crates::of(&dump(binary, &functions.collect::<Vec<_>>()));
            let found: Vec<&str> = crates.0.iter().map(String::as_str).collect();
            assert_eq!(found, expected, "{binary}");
        };
        check("/usr/bin/check-out", &[], &["check_out", "given_crate"]);
        check(
            "/t/victim-0123456789abcdef",
            &[],
            &["given_crate", "victim"],
        );
        let main = ("checkout::main", "");
        check(
            "/usr/bin/server",
            &[main],
            &["checkout", "given_crate", "server"],
        );
        let registry = "/home/me/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f";
        let hyper = format!("{registry}/hyper-1.9.0/src/lib.rs");
        let std = "/rustc/59807616e1fa/library/std/src/rt.rs";
        let functions = [
            ("shop_core::read", "/srv/shop/core/src/lib.rs"),
            ("hyper::run", &hyper),
            ("std::rt::start", std),
            ("core::ops::call", "/srv/shop/core/src/lib.rs"),
            ("manhole::install", "/srv/manhole/src/lib.rs"),
            ("__rustc::__rust_alloc", "/srv/shop/src/main.rs"),
            (
                "proto::read",
                "/srv/shop/target/release/build/proto-1f/out/api.rs",
            ),
            ("epoll_wait", "../sysdeps/unix/sysv/linux/epoll_wait.c"),
        ];
        check(
            "/srv/shop",
            &functions,
            &["given_crate", "shop", "shop_core"],
        );
    }
}
