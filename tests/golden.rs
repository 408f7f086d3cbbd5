//! Transcripts that are kept in files and compared with what comes now.
//!
//! `MANHOLE_GOLDEN=renew cargo test --workspace` writes them anew; `git diff` then shows what changed.

use std::{fmt::Write, fs, path::PathBuf};

/// Compares `found` with the golden `name`.
///
/// # Panics
/// When they differ, with the lines that do and how to renew them.
#[track_caller]
pub fn check(name: &str, found: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("goldens")
        .join(name);
    if std::env::var_os("MANHOLE_GOLDEN").is_some_and(|value| value == "renew") {
        fs::create_dir_all(path.parent().expect("a directory")).expect("the directory of goldens");
        fs::write(&path, found).expect("a golden can be written");
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == found,
        "{name} is not what it was (- kept, + now):\n{}if this is meant: MANHOLE_GOLDEN=renew cargo test --workspace",
        difference(&kept, found)
    );
}

/// The lines in which two texts differ, with the longest common beginning and end left out.
fn difference(kept: &str, found: &str) -> String {
    let (kept, found): (Vec<&str>, Vec<&str>) = (kept.lines().collect(), found.lines().collect());
    let shortest = kept.len().min(found.len());
    let head = kept
        .iter()
        .zip(&found)
        .take_while(|(kept, found)| kept == found)
        .count();
    let ends = kept.iter().rev().zip(found.iter().rev());
    let tail = ends
        .take(shortest - head)
        .take_while(|(kept, found)| kept == found)
        .count();
    let mut text = String::new();
    if let Some(line) = head.checked_sub(1).and_then(|last| kept.get(last)) {
        let _ = writeln!(text, "  {line}"); // a String takes everything
    }
    for (mark, lines) in [('-', &kept), ('+', &found)] {
        for line in &lines[head..lines.len() - tail] {
            let _ = writeln!(text, "{mark} {line}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_what_differs_and_the_line_before() {
        assert_eq!(
            difference("a\nb\nc\n", "a\nx\ny\nc\n"),
            "  a\n- b\n+ x\n+ y\n"
        );
        assert_eq!(difference("", "x\n"), "+ x\n");
        assert_eq!(difference("a\na\n", "a\n"), "  a\n- a\n");
    }
}
