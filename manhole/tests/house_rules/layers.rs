//! Which module uses which: layers import only downwards.

use super::source::Source;
use std::collections::BTreeMap;

/// Top to bottom. A module may use those of the rows below its own, and none beside it.
const LAYERS: &[&[&str]] = &[
    &["console"],
    &["transport"],
    &["session"],
    &["command"],
    &["probe", "app", "client"],
    &["fold"],
    &["render"],
    &["names"],
    &["protocol"],
    &["model"],
    &["rt", "alloc"],
    &["sys"],
    &["error"],
];

fn rank(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// What goes wrong in `source`. `names` says which module stands behind a name at the crate's root.
pub(crate) fn complaints(source: &Source, names: &BTreeMap<String, String>) -> Vec<String> {
    let path = &source.path;
    let module = source.module();
    let Some(mine) = module.first() else {
        return Vec::new(); // lib.rs declares every layer
    };
    let Some(rank_of_mine) = rank(mine) else {
        return vec![format!(
            "{path}: `{mine}` is in no layer; give it a row in LAYERS of tests/house_rules/layers.rs and in ARCHITECTURE.md"
        )];
    };
    let mut used = uses(&source.code, module.len());
    used.sort_unstable();
    used.dedup();
    let upwards = used.into_iter().filter_map(|name| {
        let theirs = names.get(name).map_or(name, String::as_str);
        (theirs != *mine && rank(theirs)? <= rank_of_mine).then(|| {
            format!(
                "{path}: `{mine}` may not use `{theirs}`, which is above or beside it; let the caller pass the value in, or move what both need further down"
            )
        })
    });
    upwards.collect()
}

/// The names at the crate's root that `code`, `depth` modules deep, mentions.
fn uses(code: &str, depth: usize) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        found.extend(heads(&code[at + "crate::".len()..]));
    }
    // `super::` often enough is another way to the root.
    let up = "super::".repeat(depth);
    for (at, _) in code.match_indices(&up) {
        if !code[..at].ends_with("super::") {
            found.extend(heads(&code[at + up.len()..]));
        }
    }
    found
}

/// The first names of the path or the group of paths that `code` begins with.
fn heads(code: &str) -> Vec<&str> {
    let Some(group) = code.strip_prefix('{') else {
        return vec![word(code)];
    };
    let mut heads = vec![word(group)];
    let mut depth = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.push(word(&group[at + 1..])),
            _ => {}
        }
    }
    heads
}

fn word(code: &str) -> &str {
    let code = code.trim_start();
    let end = code.find(|c: char| !c.is_alphanumeric() && c != '_');
    &code[..end.unwrap_or(code.len())]
}

/// What `lib.rs` re-exports: name at the root, to module.
pub(crate) fn root_names(lib: &Source) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for statement in lib.code.split("pub use ").skip(1) {
        let statement = statement.split(';').next().unwrap_or("");
        let module = word(statement);
        for name in statement.split(|c: char| !c.is_alphanumeric() && c != '_') {
            names.insert(name.to_owned(), module.to_owned());
        }
    }
    names
}

#[test]
fn what_a_file_uses_is_found_however_it_is_written() {
    let names = root_names(&Source::new("lib.rs", "pub use error::{Error, ErrorKind};"));
    let check = |path: &str, code: &str, expected: &[&str]| {
        let found = complaints(&Source::new(path, code), &names);
        let culprits: Vec<&str> = found
            .iter()
            .map(|text| text.split('`').nth(3).unwrap_or(text))
            .collect();
        assert_eq!(culprits, expected, "{path}: {code}");
    };
    check("probe/x.rs", "use crate::{model::A, sys, Error};", &[]);
    check("probe/x.rs", "use crate::app::A;", &["app"]);
    check("probe/x.rs", "fn f() { crate::command::g() }", &["command"]);
    check(
        "model/x.rs",
        "use crate::{a::{b, session}, render::{c}};",
        &["render"],
    );
    check("sys/x.rs", "use super::super::rt::X;", &["rt"]);
    check("sys/mod.rs", "use super::model;", &["model"]);
    check("sys/x.rs", "use super::model;", &[]);
    check("sys/x.rs", "// use crate::model;", &[]);
    check("error.rs", "use crate::sys;", &["sys"]);
    check("session/x.rs", "use crate::session::y;", &[]);
    assert!(complaints(&Source::new("new/x.rs", ""), &names)[0].contains("no layer"));
}
