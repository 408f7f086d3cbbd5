//! Words that several parts of an answer share.

use super::threads::{Thread, Threads};
use crate::{model::order, render::units};
use std::collections::BTreeMap;

/// `wait` or `waits`, by how many do.
pub(super) fn verb<'a>(count: usize, one: &'a str, several: &'a str) -> &'a str {
    match count {
        1 => one,
        _ => several,
    }
}

/// `a, b and c`.
pub(super) fn list(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [front @ .., last] => format!("{} and {last}", front.join(", ")),
    }
}

/// Letters for locks: A to Z, then AA.
pub(super) fn letters(number: usize) -> String {
    let letter = char::from(b'A' + (number % 26) as u8);
    match number / 26 {
        0 => letter.to_string(),
        more => letters(more - 1) + &letter.to_string(),
    }
}

/// Most names of one family that are listed.
const LISTED: usize = 4;
/// Most families that are listed.
const FAMILIES: usize = 8;

/// Names of threads on one line, each family once: `image-worker-0, -2, -3`; of a large family
/// `image-worker-*`. With `counts` a family has its size before it, and the largest comes first.
pub(super) fn names<'a>(names: impl Iterator<Item = &'a str>, counts: bool) -> String {
    families(names, counts).join(", ")
}

/// The same, family by family.
pub(super) fn families<'a>(names: impl Iterator<Item = &'a str>, counts: bool) -> Vec<String> {
    let mut families: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for name in names {
        families.entry(stem(name)).or_default().push(name);
    }
    let mut families: Vec<_> = families.into_iter().collect();
    if counts {
        order::sort_by_key(&mut families, |(_, members)| {
            std::cmp::Reverse(members.len())
        });
    }
    let others = families
        .iter()
        .skip(FAMILIES)
        .map(|(_, members)| members.len());
    let others: usize = others.sum();
    let shown = families.iter().take(FAMILIES);
    let mut parts: Vec<String> = shown
        .map(|(stem, members)| family(stem, members, counts))
        .collect();
    if others > 0 {
        parts.push(format!("{} others", units::count(others as u64)));
    }
    parts
}

/// Names on one line, those first that come first: a family whose numbers follow one another is
/// `image-worker-0..3`. Of more than three families the others are counted.
pub(super) fn ranges<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const FAMILIES: usize = 3;
    let mut families: Vec<(&str, Vec<&str>)> = Vec::new();
    for name in names {
        let stem = stem(name);
        match families.iter_mut().find(|(known, _)| *known == stem) {
            Some((_, members)) => members.push(name),
            None => families.push((stem, vec![name])),
        }
    }
    let others = families.iter().skip(FAMILIES);
    let others: usize = others.map(|(_, members)| members.len()).sum();
    let shown = families.iter().take(FAMILIES);
    let mut parts: Vec<String> = shown
        .map(|(stem, members)| range(stem, members).unwrap_or_else(|| family(stem, members, false)))
        .collect();
    if others > 0 {
        parts.push(format!("{} others", units::count(others as u64)));
    }
    parts.join(", ")
}

/// `image-worker-0..3`, if those are the members and there are enough.
fn range(stem: &str, members: &[&str]) -> Option<String> {
    let number = |name: &&str| {
        let digits = name.get(stem.len()..)?;
        let plain = digits == "0" || !digits.starts_with('0');
        digits.parse::<u32>().ok().filter(|_| plain)
    };
    let mut numbers = members.iter().map(number).collect::<Option<Vec<u32>>>()?;
    order::sort_by_key(&mut numbers, |number| *number);
    numbers.dedup();
    let (first, last) = (numbers.first()?, numbers.last()?);
    let gapless = (last - first) as usize + 1 == numbers.len();
    (gapless && numbers.len() > 1).then(|| format!("{stem}{first}..{last}"))
}

/// The name without the number behind it.
fn stem(name: &str) -> &str {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    match stem.is_empty() {
        true => name,
        false => stem,
    }
}

fn family(stem: &str, members: &[&str], counts: bool) -> String {
    let mut distinct = members.to_vec();
    order::sort_by(&mut distinct, |a, b| {
        a.len().cmp(&b.len()).then_with(|| a.cmp(b))
    });
    distinct.dedup();
    let number = |name: &str| name.get(stem.len()..).unwrap_or_default().to_owned();
    let count = units::count(members.len() as u64);
    match distinct.as_slice() {
        [name] if counts && members.len() > 1 => format!("{count} {name}"),
        [name] => (*name).to_owned(),
        [first, rest @ ..] if distinct.len() <= LISTED && !counts => {
            // `image-worker-0, -2`: the sign in front of the number tells it from a name.
            let sign = if stem.ends_with('-') { "-" } else { "" };
            let rest = rest.iter().map(|name| format!(", {sign}{}", number(name)));
            format!("{first}{}", rest.collect::<String>())
        }
        _ if counts => format!("{count} {stem}*"),
        _ => format!("{stem}*"),
    }
}

/// What a group of threads is called: their role, or their names.
pub(super) fn who(members: &[&Thread<'_>], threads: &Threads<'_>) -> String {
    names(members.iter().map(|thread| called(thread, threads)), false)
}

/// What one thread is called.
pub(super) fn called<'a>(thread: &Thread<'a>, threads: &Threads<'_>) -> &'a str {
    called_in(thread, threads.process)
}

/// What a thread of the process `process` is called.
pub(super) fn called_in<'a>(thread: &Thread<'a>, process: &str) -> &'a str {
    use super::roles::RoleKind as R;
    match thread.role.kind {
        _ if thread.stack.main => "main",
        kind @ (R::Worker | R::Blocking | R::IdleBlocking) => kind.name(),
        // Nobody gave it a name.
        kind @ (R::Rayon | R::Executor) if thread.stack.name == process => kind.name(),
        _ => &thread.stack.name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_family_stand_together() {
        let check = |input: &[&str], expected: &str, counted: &str| {
            assert_eq!(names(input.iter().copied(), false), expected);
            assert_eq!(names(input.iter().copied(), true), counted);
        };
        check(
            &["image-worker-3", "image-worker-0", "image-worker-2"],
            "image-worker-0, -2, -3",
            "3 image-worker-*",
        );
        check(&["w10", "w2"], "w2, 10", "2 w*");
        check(&["db", "db"], "db", "2 db");
        check(&["b", "a"], "a, b", "a, b");
        check(&["a", "b", "b"], "a, b", "2 b, a");
        check(&["c1", "c2", "c3", "c4", "c5"], "c*", "5 c*");
        check(&["7", "8"], "7, 8", "7, 8");
        let many: Vec<String> = (0..10).map(|at| format!("{at}x")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let text = "0x, 1x, 2x, 3x, 4x, 5x, 6x, 7x, 2 others";
        check(&many, text, text);
    }

    #[test]
    fn numbers_that_follow_one_another_are_a_range() {
        let check = |input: &[&str], expected: &str| {
            assert_eq!(ranges(input.iter().copied()), expected);
        };
        check(&["w-2", "main", "w-0", "w-1"], "w-0..2, main");
        check(&["w-0", "w-2"], "w-0, -2");
        check(&["w-0", "w-2", "w-4", "w-6", "w-9"], "w-*");
        check(&["w", "w"], "w");
        check(&["w0", "w01"], "w0, 01");
        check(&["a", "b", "c", "d", "e"], "a, b, c, 2 others");
    }

    #[test]
    fn letters_go_on_after_z() {
        let check = |number: usize, expected: &str| assert_eq!(letters(number), expected);
        check(0, "A");
        check(25, "Z");
        check(26, "AA");
        check(27, "AB");
        check(26 + 26 * 26, "AAA");
    }

    #[test]
    fn lists() {
        let check = |parts: &[&str], expected: &str| {
            let parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
            assert_eq!(list(&parts), expected);
        };
        check(&[], "");
        check(&["a"], "a");
        check(&["a", "b", "c"], "a, b and c");
    }
}
