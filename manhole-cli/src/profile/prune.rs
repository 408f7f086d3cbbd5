//! `drop_frames` and `keep_frames`: functions that a profile's maker wants hidden, with all that they
//! call. An allocator's own frames are what it is for. The rules are those of `go tool pprof`, so that
//! both show the same figures.

use regex_lite::{Regex, RegexBuilder};

/// A regular expression may take this much memory.
const ROOM: usize = 1 << 20;

/// What is hidden.
pub(super) struct Rule {
    drop: Option<Regex>,
    keep: Option<Regex>,
}

/// The functions at an address, and which of them are hidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// What is left, innermost first; all of them when everything would be hidden, since nothing is
    /// hidden below what the user wrote.
    functions: Vec<u32>,
    hidden: Hidden,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hidden {
    /// Nothing.
    None,
    /// What it calls.
    Callees,
    /// It and what it calls.
    All,
}

impl Rule {
    /// From the two expressions of a profile, either of which may be empty.
    ///
    /// # Errors
    /// When one is none.
    pub(super) fn new(drop: &str, keep: &str) -> Result<Self, String> {
        let compile = |text: &str| match text {
            "" => Ok(None),
            text => {
                let whole = format!("^(?:{text})$");
                let regex = RegexBuilder::new(&whole).size_limit(ROOM).build();
                regex
                    .map(Some)
                    .map_err(|error| format!("hides functions by a wrong expression: {error}"))
            }
        };
        Ok(Self {
            drop: compile(drop)?,
            keep: compile(keep)?,
        })
    }

    /// The functions of an address, innermost first.
    pub(super) fn place(&self, mut functions: Vec<u32>, names: &[String]) -> Place {
        let hides = |function: &u32| names.get(*function as usize).is_some_and(|n| self.hides(n));
        let hidden = match functions.iter().rposition(hides) {
            None => Hidden::None,
            Some(last) if last + 1 == functions.len() => Hidden::All,
            Some(last) => {
                functions.drain(..=last);
                Hidden::Callees
            }
        };
        Place { functions, hidden }
    }

    fn hides(&self, name: &str) -> bool {
        let Some(drop) = &self.drop else { return false };
        let name = name.strip_prefix('.').unwrap_or(name);
        let name = name.split('(').next().unwrap_or(name);
        drop.is_match(name) && !self.keep.as_ref().is_some_and(|keep| keep.is_match(name))
    }

    /// The functions of a stack, leaf first, without what is hidden.
    pub(super) fn frames(&self, stack: &[&Place]) -> Box<[u32]> {
        let mut first = 0;
        let mut seen_user = false;
        for (at, place) in stack.iter().enumerate().rev() {
            match place.hidden {
                Hidden::None => seen_user = true,
                _ if !seen_user => {}
                Hidden::All => {
                    first = at + 1;
                    break;
                }
                Hidden::Callees => {
                    first = at;
                    break;
                }
            }
        }
        let shown = stack.get(first..).unwrap_or_default().iter();
        shown
            .flat_map(|place| place.functions.iter().copied())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is shown of a stack, leaf first, with `+` between functions of one address.
    fn check(drop: &str, keep: &str, stack: &str, expected: &str) {
        let rule = Rule::new(drop, keep).unwrap();
        let names: Vec<String> = stack
            .split([' ', '+'])
            .map(|name| name.replace('_', " "))
            .collect();
        let mut next = 0;
        let places: Vec<Place> = stack
            .split(' ')
            .map(|place| {
                let count = place.split('+').count() as u32;
                next += count;
                rule.place((next - count..next).collect(), &names)
            })
            .collect();
        let frames = rule.frames(&places.iter().collect::<Vec<_>>());
        let shown: Vec<&str> = frames
            .iter()
            .map(|at| names[*at as usize].as_str())
            .collect();
        assert_eq!(shown.join(" "), expected, "{drop} {keep} {stack}");
    }

    #[test]
    fn an_allocators_frames_are_hidden_with_what_they_call() {
        check("", "", "memset malloc push main", "memset malloc push main");
        check("malloc", "", "memset malloc push main", "push main");
        check("m.lloc|x", "", "memset malloc push main", "push main");
        check("mall", "", "memset malloc main", "memset malloc main");
        check(
            "malloc",
            "malloc",
            "memset malloc main",
            "memset malloc main",
        );
        check("malloc", "", "memset malloc(int) main", "main");
    }

    #[test]
    fn inlined_functions_are_hidden_up_to_the_last_that_matches() {
        check("malloc", "", "memset x+malloc+push main", "push main");
        check("malloc", "", "memset x+malloc main", "main");
    }

    #[test]
    fn nothing_is_hidden_above_the_first_frame_that_is_shown() {
        check("malloc", "", "memset malloc", "memset malloc");
        check("main", "", "f main", "f main");
        assert!(Rule::new("(", "").err().unwrap().contains("expression"));
    }
}
