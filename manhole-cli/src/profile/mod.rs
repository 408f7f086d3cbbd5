//! Profiles as files: reading them, and showing where the time or the memory went.
//!
//! A file may come from anywhere, so reading is bounded (`decode`, `file`), and what it says reaches
//! no terminal as it is. Tables agree with those of `go tool pprof` on the same file.

mod amount;
mod collapsed;
mod decode;
mod diff;
mod file;
mod flame;
mod messages;
mod prune;
mod sums;
mod top;
mod tree;
mod wire;

pub(crate) use diff::since;
pub(crate) use file::{from_bytes, read};
pub(crate) use flame::draw;
pub(crate) use top::top;
pub(crate) use tree::tree;

use std::collections::HashMap;

use manhole::client::{Kind, Trouble, names::short};

use crate::plain::escape;

/// What a profile may take in memory while it is read, in bytes.
const ROOM: usize = 1 << 30;
/// What an entry of a list takes besides what it holds.
const ENTRY: usize = 64;

/// What is wrong with a profile that does not fit into `room` bytes.
fn too_large(room: usize) -> String {
    format!(
        "is too large: it would take over {} MiB of memory",
        room >> 20
    )
}

/// What is shown of a profile, already without what its `drop_frames` hides.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Profile {
    /// What each stack has a value of.
    pub(crate) types: Vec<ValueType>,
    /// The one that is shown unless another is asked for.
    pub(crate) default: usize,
    /// The program it was taken of; empty when that is not known.
    pub(crate) binary: String,
    /// When it began, in nanoseconds since the epoch; 0 when that is not known.
    pub(crate) began_unix_ns: u64,
    /// How long it was, in nanoseconds; 0 when that is not known.
    pub(crate) duration_ns: u64,
    /// What its maker says about it.
    pub(crate) comments: Vec<String>,
    /// The functions' names.
    pub(crate) names: Vec<String>,
    /// The stacks.
    pub(crate) stacks: Vec<Stack>,
    /// What percentages are of, when it is not the sum of the stacks: the base of a comparison.
    pub(crate) whole: Option<Vec<i64>>,
}

/// What is counted: `cpu` in `nanoseconds`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ValueType {
    /// What.
    pub(crate) kind: String,
    /// In which unit.
    pub(crate) unit: String,
}

/// A stack with its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stack {
    /// Indices into [`Profile::names`], leaf first, inlined functions among them.
    pub(crate) frames: Box<[u32]>,
    /// A value for each of [`Profile::types`].
    pub(crate) values: Box<[i64]>,
}

impl Stack {
    /// The value of type `index`.
    pub(crate) fn value(&self, index: usize) -> i64 {
        self.values.get(index).copied().unwrap_or(0)
    }
}

impl Profile {
    /// The same with names as the console shortens them; functions that differ in their generic
    /// arguments alone become one.
    #[must_use]
    pub(crate) fn shortened(mut self) -> Self {
        let mut places: HashMap<String, u32> = HashMap::new();
        let mut names = Vec::new();
        let moved: Vec<u32> = self
            .names
            .iter()
            .map(|name| {
                let name = short(name, true);
                *places.entry(name).or_insert_with_key(|name| {
                    names.push(name.clone());
                    (names.len() - 1) as u32
                })
            })
            .collect();
        for frame in self.stacks.iter_mut().flat_map(|stack| &mut stack.frames) {
            *frame = moved.get(*frame as usize).copied().unwrap_or(*frame);
        }
        self.names = names;
        self
    }

    /// The place of the sample type that is called `wanted`, or of the default.
    ///
    /// # Errors
    /// `Usage` with the types that there are.
    pub(crate) fn index(&self, wanted: Option<&str>) -> Result<usize, Trouble> {
        let Some(wanted) = wanted else {
            return Ok(self.default);
        };
        let found = self.types.iter().position(|kind| kind.kind == wanted);
        found.ok_or_else(|| {
            let text = format!("the profile has no samples of type {wanted:?}");
            Trouble::new(Kind::Usage, text).detail(format!("it has {}", self.kinds()))
        })
    }

    /// `samples, cpu`.
    fn kinds(&self) -> String {
        let kinds: Vec<&str> = self.types.iter().map(|kind| kind.kind.as_str()).collect();
        kinds.join(", ")
    }

    /// The unit of type `index`.
    fn unit(&self, index: usize) -> &str {
        self.types.get(index).map_or("", |kind| kind.unit.as_str())
    }

    /// A function's name.
    fn name(&self, function: u32) -> &str {
        let name = self.names.get(function as usize);
        name.map_or("?", String::as_str)
    }

    /// What percentages are of.
    fn total(&self, index: usize) -> i64 {
        let of_base = self.whole.as_ref().and_then(|whole| whole.get(index));
        of_base.copied().unwrap_or_else(|| self.sum(index))
    }

    /// The values of type `index` added up, whatever their sign.
    fn sum(&self, index: usize) -> i64 {
        let add = |sum: i64, stack: &Stack| sum.saturating_add(stack.value(index).saturating_abs());
        self.stacks.iter().fold(0, add)
    }
}

/// More comments than that are no comments.
const COMMENTS: usize = 40;

/// The lines above a table: what it is of, and what the profile's maker says. Without control
/// characters, since all of it is from the file.
fn head(profile: &Profile, index: usize) -> String {
    let mut text = format!("# {}\n", escape(&about(profile, index)));
    for comment in profile.comments.iter().take(COMMENTS) {
        text.push_str(&format!("# {}\n", escape(comment)));
    }
    text.push('\n');
    text
}

fn about(profile: &Profile, index: usize) -> String {
    use manhole::client::units;
    let kind = profile.types.get(index);
    let mut parts = vec![match kind {
        Some(kind) => format!("{} in {}", kind.kind, kind.unit),
        None => "nothing".to_owned(),
    }];
    if !profile.binary.is_empty() {
        parts.push(format!("of {}", profile.binary));
    }
    if profile.began_unix_ns > 0 {
        parts.push(format!("from {}", units::time_utc(profile.began_unix_ns)));
    }
    if profile.duration_ns > 0 {
        parts.push(format!("for {}", units::nanos(profile.duration_ns)));
    }
    if profile.whole.is_some() {
        parts.push("less the base".to_owned());
    }
    let other = profile.types.len() > 1;
    let others = other.then(|| format!("; --sample {}", profile.kinds().replace(", ", "|")));
    parts.join(", ").replace(", of ", " of ") + &others.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A profile of one type, written as collapsed stacks.
    pub(super) fn sample(text: &str) -> Profile {
        collapsed::parse(text).unwrap()
    }

    #[test]
    fn types_are_chosen_by_name() {
        let kind = |kind: &str| ValueType {
            kind: kind.to_owned(),
            unit: "count".to_owned(),
        };
        let profile = Profile {
            types: vec![kind("samples"), kind("cpu")],
            default: 1,
            ..Profile::default()
        };
        assert_eq!(profile.index(None), Ok(1));
        assert_eq!(profile.index(Some("samples")), Ok(0));
        let trouble = profile.index(Some("heap")).unwrap_err();
        assert_eq!(trouble.details, ["it has samples, cpu"]);
    }

    #[test]
    fn functions_that_differ_in_generic_arguments_become_one() {
        let profile = sample("main;f::<u8> 1\nmain;<T as shop::X<u8>>::f;f::<u16> 2").shortened();
        assert_eq!(profile.names, ["f", "main", "shop::X::f"]);
        let stacks: Vec<&[u32]> = profile.stacks.iter().map(|stack| &*stack.frames).collect();
        assert_eq!(stacks, [&[0, 1][..], &[0, 2, 1]]);
    }

    #[test]
    fn the_head_says_what_it_is_of_and_nothing_that_a_terminal_obeys() {
        let profile = Profile {
            binary: "/usr/bin/shop".to_owned(),
            duration_ns: 5_000_000_000,
            comments: vec!["throttled \x1b[1m".to_owned()],
            ..sample("a;b 3")
        };
        assert_eq!(
            head(&profile, 0),
            "# samples in count of /usr/bin/shop, for 5 s\n# throttled \\x1b[1m\n\n"
        );
    }
}
