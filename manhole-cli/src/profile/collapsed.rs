//! Collapsed stacks: `main;f;g 42` on each line, as flame graph programs read and write them.

use std::collections::HashMap;

use super::{ENTRY, Profile, ROOM, Stack, ValueType, too_large};

/// Reads collapsed stacks; empty lines and comments are skipped.
///
/// # Errors
/// The first line that is none, as the rest of a sentence that begins with the file's name.
pub(super) fn parse(text: &str) -> Result<Profile, String> {
    within(ROOM, text)
}

fn within(room: usize, text: &str) -> Result<Profile, String> {
    let mut used = 0_usize;
    let mut profile = Profile {
        types: vec![ValueType {
            kind: "samples".to_owned(),
            unit: "count".to_owned(),
        }],
        ..Profile::default()
    };
    let mut places: HashMap<&str, u32> = HashMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (frames, value) = split(line).ok_or_else(|| {
            format!(
                "is no profile: line {} is no stack with a number behind it",
                number + 1
            )
        })?;
        let mut place = |name| {
            *places.entry(name).or_insert_with(|| {
                profile.names.push(name.to_owned());
                used += 2 * ENTRY + name.len();
                (profile.names.len() - 1) as u32
            })
        };
        let frames: Box<[u32]> = frames.rsplit(';').map(&mut place).collect();
        used += 2 * ENTRY + size_of_val(&*frames);
        if used > room {
            return Err(too_large(room));
        }
        profile.stacks.push(Stack {
            frames,
            values: Box::new([value]),
        });
    }
    match profile.stacks.is_empty() {
        true => Err("is no profile: there is no stack in it".to_owned()),
        false => Ok(profile),
    }
}

fn split(line: &str) -> Option<(&str, i64)> {
    let (frames, value) = line.rsplit_once(' ')?;
    let frames = frames.trim();
    (!frames.is_empty()).then_some(())?;
    Some((frames, value.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_are_read_with_their_names_once() {
        let profile = parse("# by perf\nmain;f x;g 3\nmain 4\n\n").unwrap();
        assert_eq!(profile.names, ["g", "f x", "main"]);
        let stacks: Vec<_> = profile
            .stacks
            .iter()
            .map(|stack| (&*stack.frames, &*stack.values))
            .collect();
        assert_eq!(stacks, [(&[0, 1, 2][..], &[3][..]), (&[2], &[4])]);
    }

    #[test]
    fn what_would_not_fit_into_memory_is_refused() {
        let error = within(1 << 20, &"a 1\n".repeat(10_000)).unwrap_err();
        assert!(error.contains("over 1 MiB"), "{error}");
    }

    #[test]
    fn text_that_is_no_stacks_is_refused_with_its_line() {
        let check = |text: &str, expected: &str| {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        };
        check("", "no stack in it");
        check("main 1\nhello world\n", "line 2 ");
        check("main", "line 1 ");
        check(" 7", "line 1 ");
        check("main 99999999999999999999", "line 1 ");
    }
}
