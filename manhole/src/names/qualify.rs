//! Names of functions without what they are in, completed from the file they are in.
//!
//! `debug = "line-tables-only"` leaves inlined functions their bare names: `lookup`, `{closure#0}`.
//! Which crate and module they are of is told by the file; only the type is lost.

use super::place::{self, Origin};

/// `bare` with crate and module before it, as far as its file tells them. `root` is the file that the
/// unit was compiled from, as rustc writes it: `/srv/shop/src/main.rs/@/shop.0123abcd-cgu.0`; without
/// one it is not Rust, and stays as it is.
pub(super) fn qualify(bare: &str, file: Option<&str>, root: Option<&str>) -> String {
    let known = file.and_then(|file| {
        let file = place::without_dots(file);
        let (of_crate, below) = crate_and_module(&file, root?)?;
        Some(join(&of_crate, &below, bare))
    });
    known.unwrap_or_else(|| bare.to_owned())
}

/// The crate, and the path of the file below the crate's own directory.
fn crate_and_module(file: &str, root: &str) -> Option<(String, String)> {
    if let Some(found) = below_root(file, root) {
        return Some(found);
    }
    let (package, below) = match place::origin(file) {
        // `core/src/slice/mod.rs`, `hyper-1.9.0/src/lib.rs`
        Origin::Std | Origin::Registry { .. } => {
            let shown = place::shown(file);
            let (package, below) = shown.split_once("/src/")?;
            (last_part(package).to_owned(), below.to_owned())
        }
        Origin::Other => {
            let (package, below) = file.rsplit_once("/src/")?;
            (last_part(package).to_owned(), below.to_owned())
        }
    };
    let of_crate = without_version(&package).replace('-', "_");
    (!of_crate.is_empty()).then_some((of_crate, below))
}

/// The same where the file lies in the directory of the unit's own crate.
fn below_root(file: &str, root: &str) -> Option<(String, String)> {
    let (root, unit) = root.split_once("/@/")?;
    let (of_crate, _) = unit.split_once('.')?;
    let (dir, name) = root.rsplit_once('/')?;
    let below = file.strip_prefix(dir)?.strip_prefix('/')?;
    let below = match below == name {
        true => "lib.rs",
        false => below,
    };
    Some((of_crate.to_owned(), below.to_owned()))
}

fn last_part(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, last)| last)
}

/// `hyper` of `hyper-1.9.0`.
fn without_version(package: &str) -> &str {
    match package.rsplit_once('-') {
        Some((name, version)) if version.starts_with(|c: char| c.is_ascii_digit()) => name,
        _ => package,
    }
}

fn join(of_crate: &str, below: &str, bare: &str) -> String {
    let mut name = of_crate.to_owned();
    let modules = below.strip_suffix(".rs").unwrap_or(below);
    let modules = modules.strip_suffix("/mod").unwrap_or(modules);
    for module in modules.split('/') {
        if !matches!(module, "" | "lib" | "main" | "mod") {
            name.push_str("::");
            name.push_str(module);
        }
    }
    name.push_str("::");
    name.push_str(bare);
    name
}
