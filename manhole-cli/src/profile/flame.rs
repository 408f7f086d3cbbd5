//! A flame graph, drawn by `inferno`: an SVG that a browser shows and searches.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use inferno::flamegraph::{
    self, Options,
    color::{MultiPalette, Palette},
};
use manhole::client::{Kind, Trouble};

use super::{Profile, amount::Scale};

/// What the stacks may take as text.
const ROOM: usize = 512 << 20;

/// Draws the profile; with a base, growth is red and what became less is blue.
///
/// # Errors
/// `Failed` when there is nothing to draw, too much of it, or it cannot be written.
pub(crate) fn draw(
    profile: &Profile,
    index: usize,
    title: &str,
    out: &mut dyn Write,
) -> Result<(), Trouble> {
    let lines = lines(profile, index)?;
    if lines.is_empty() {
        let text = "there is nothing to draw: the profile has no samples";
        return Err(Trouble::new(Kind::Failed, text));
    }
    let (divisor, unit) = Scale::of(
        profile.unit(index),
        profile.sum(index),
        profile.whole.is_some(),
    )
    .parts();
    let mut options = Options::default();
    options.title = title.chars().map(plain).collect();
    options.subtitle = Some(super::about(profile, index).chars().map(plain).collect());
    options.colors = Palette::Multi(MultiPalette::Rust);
    options.hash = true;
    options.factor = 1.0 / divisor;
    options.count_name = match unit {
        "" => profile
            .types
            .get(index)
            .map_or("samples", |t| t.kind.as_str()),
        unit => unit,
    }
    .chars()
    .map(plain)
    .collect();
    options.notes = profile.comments.join("; ").chars().map(plain).collect();
    let lines = lines.iter().map(String::as_str);
    flamegraph::from_lines(&mut options, lines, out).map_err(|error| failed(&error))
}

fn failed(error: &io::Error) -> Trouble {
    Trouble::io(Kind::Failed, "failed to draw the flame graph", error)
}

/// The stacks as lines, sorted, equal ones merged. With a base they have two numbers: before, after.
fn lines(profile: &Profile, index: usize) -> Result<Vec<String>, Trouble> {
    let compared = profile.whole.is_some();
    let mut stacks: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut room = ROOM;
    for stack in &profile.stacks {
        let value = stack.value(index);
        let text = line(profile, &stack.frames);
        room = room.checked_sub(text.len()).ok_or_else(|| {
            let text = format!(
                "too much for a flame graph: over {} MiB of stacks",
                ROOM >> 20
            );
            Trouble::new(Kind::Failed, text)
        })?;
        let sums = stacks.entry(text).or_default();
        let sum = if value < 0 { &mut sums.0 } else { &mut sums.1 };
        *sum = sum.saturating_add(value.unsigned_abs());
    }
    let line = |(text, (before, after)): (String, (u64, u64))| match (compared, before, after) {
        (_, 0, 0) | (false, _, 0) => None,
        (true, before, after) => Some(format!("{text} {before} {after}")),
        (false, _, after) => Some(format!("{text} {after}")),
    };
    Ok(stacks.into_iter().filter_map(line).collect())
}

fn line(profile: &Profile, frames: &[u32]) -> String {
    let mut text = String::new();
    for function in frames.iter().rev() {
        if !text.is_empty() {
            text.push(';');
        }
        text.extend(profile.name(*function).chars().map(plain));
    }
    match text.is_empty() {
        true => "[no stack]".to_owned(),
        false => text,
    }
}

/// What stacks as text, or XML, have no place for becomes something else.
fn plain(c: char) -> char {
    match c {
        ';' => ':',
        c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => ' ',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{since, tests::sample},
        *,
    };

    fn svg(profile: &Profile) -> String {
        let mut out = Vec::new();
        draw(profile, 0, "shop \x1b<1>", &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn stacks_become_boxes_and_names_stay_names() {
        let svg = svg(&sample("main;<T as \x1bX>::f 3\nmain;g 1"));
        for part in [
            "shop  &lt;1&gt;",
            "main (4 samples, 100.00%)",
            "&lt;T as  X&gt;::f (3 samples, 75.00%)",
        ] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
        assert!(!svg.contains('\x1b'));
    }

    #[test]
    fn a_comparison_has_two_numbers_each() {
        let changed = since(sample("a;b 5\na;c 1"), &sample("a;b 2\nold 1")).unwrap();
        assert_eq!(
            lines(&changed, 0).unwrap(),
            ["a;b 2 5", "a;c 0 1", "old 1 0"]
        );
        assert!(svg(&changed).contains("<svg"));
    }

    #[test]
    fn nothing_is_not_drawn() {
        let trouble = draw(&sample("a 0"), 0, "x", &mut io::sink()).unwrap_err();
        assert!(trouble.text.contains("no samples"), "{trouble}");
    }
}
