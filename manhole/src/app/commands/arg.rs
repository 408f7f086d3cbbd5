//! The public description of an argument.

use crate::{
    error::{Error, ErrorKind},
    model::{self, ArgKind, ArgSpec, ArgType, Complete},
};
use std::{ops::RangeInclusive, time::Duration};

/// An argument of a command of yours: its name, its type with its bounds, and what it is for.
///
/// Arguments are known by their place unless [`Arg::option`] makes them `--name VALUE`. Words that
/// do not fit the type or the bounds are answered with the usage line; your code never sees them.
///
/// ```
/// use manhole::Arg;
/// use std::time::Duration;
///
/// let count = Arg::int("n", 1..=1000).default("100").about("how many at most");
/// let grace = Arg::duration("grace", Duration::ZERO..=Duration::from_secs(60)).option();
/// # let _ = (count, grace);
/// ```
#[derive(Clone, Debug)]
pub struct Arg {
    name: String,
    kind: ArgKind,
    ty: Type,
    default: Option<String>,
    required: bool,
    rest: bool,
    secret: bool,
    about: String,
}

/// As `ArgType`, before the words of a choice are leaked.
#[derive(Clone, Debug)]
enum Type {
    Plain(ArgType),
    Choice(Vec<String>),
}

impl Arg {
    fn new(name: impl Into<String>, kind: ArgKind, ty: Type) -> Self {
        Self {
            name: name.into(),
            kind,
            ty,
            default: None,
            required: false,
            rest: false,
            secret: false,
            about: String::new(),
        }
    }

    fn plain(name: impl Into<String>, ty: ArgType) -> Self {
        Self::new(name, ArgKind::Positional, Type::Plain(ty))
    }

    /// Any text.
    pub fn text(name: impl Into<String>) -> Self {
        Self::plain(name, ArgType::Text)
    }

    /// A whole number within `bounds`.
    pub fn int(name: impl Into<String>, bounds: RangeInclusive<i64>) -> Self {
        let (min, max) = bounds.into_inner();
        Self::plain(name, ArgType::Int { min, max })
    }

    /// A number with a fraction, within `bounds`.
    pub fn float(name: impl Into<String>, bounds: RangeInclusive<f64>) -> Self {
        let (min, max) = bounds.into_inner();
        Self::plain(name, ArgType::Float { min, max })
    }

    /// A time within `bounds`, written `250ms`, `5s`, `2m`, `1h` or as plain seconds.
    pub fn duration(name: impl Into<String>, bounds: RangeInclusive<Duration>) -> Self {
        let nanos = |time: &Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let (min, max) = (nanos(bounds.start()), nanos(bounds.end()));
        Self::plain(name, ArgType::Duration { min, max })
    }

    /// A size in bytes within `bounds`, written `512`, `64KiB`, `2GiB`.
    pub fn bytes(name: impl Into<String>, bounds: RangeInclusive<u64>) -> Self {
        let (min, max) = bounds.into_inner();
        Self::plain(name, ArgType::Bytes { min, max })
    }

    /// `true` or `false`.
    pub fn bool(name: impl Into<String>) -> Self {
        Self::plain(name, ArgType::Bool)
    }

    /// One of `words`.
    pub fn choice<W: Into<String>>(
        name: impl Into<String>,
        words: impl IntoIterator<Item = W>,
    ) -> Self {
        let words = words.into_iter().map(Into::into).collect();
        Self::new(name, ArgKind::Positional, Type::Choice(words))
    }

    /// `--name`, present or not; [`super::Args::is`] tells.
    pub fn flag(name: impl Into<String>) -> Self {
        Self::new(name, ArgKind::Flag, Type::Plain(ArgType::Bool))
    }

    /// The same, written `--name VALUE` or `--name=VALUE`.
    #[must_use]
    pub fn option(mut self) -> Self {
        if self.kind == ArgKind::Positional {
            self.kind = ArgKind::Option;
        }
        self
    }

    /// What holds when it is left out, as one would type it.
    #[must_use]
    pub fn default(mut self, word: impl Into<String>) -> Self {
        self.default = Some(word.into());
        self
    }

    /// It must be given.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// It takes all words that are left; only the last one known by its place can.
    #[must_use]
    pub fn rest(mut self) -> Self {
        self.rest = true;
        self
    }

    /// Masked wherever the command line is kept: audit, log, `info`.
    #[must_use]
    pub fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// A few words for `help`.
    #[must_use]
    pub fn about(mut self, about: impl Into<String>) -> Self {
        self.about = about.into();
        self
    }

    /// The argument as the command table has it; its strings are leaked, once.
    pub(super) fn leak(self) -> Result<ArgSpec, Error> {
        self.check()?;
        let ty = match self.ty {
            Type::Plain(ty) => ty,
            Type::Choice(words) => {
                let words = words.into_iter().map(leak).collect::<Vec<_>>();
                ArgType::Choice(words.leak())
            }
        };
        let spec = ArgSpec {
            name: leak(self.name),
            kind: self.kind,
            ty,
            default: self.default.map(leak),
            required: self.required,
            rest: self.rest,
            form: None,
            level: None,
            secret: self.secret,
            about: leak(self.about),
            complete: Complete::Nothing,
        };
        check_default(&spec)?;
        Ok(spec)
    }

    fn check(&self) -> Result<(), Error> {
        let name = &self.name;
        let contradiction = if !is_word(name) || name == "json" {
            "its name must be lower case letters, digits, - and _, and not json"
        } else if self.required && self.default.is_some() {
            "it is required, so a default says nothing"
        } else if self.rest && self.kind != ArgKind::Positional {
            "only an argument known by its place can take the rest"
        } else if matches!(&self.ty, Type::Choice(words) if words.is_empty()) {
            "it has no words to choose from"
        } else {
            return Ok(());
        };
        let text = format!("failed to declare argument {name:?}: {contradiction}");
        Err(Error::new(ErrorKind::Invalid, text))
    }
}

/// A default that is no value of its type would be silently left out when the command runs.
fn check_default(spec: &ArgSpec) -> Result<(), Error> {
    let Some(word) = spec.default else {
        return Ok(());
    };
    model::check(spec, word).map_err(|why| {
        let text = format!("failed to declare the default of {:?}: {why}", spec.name);
        Error::new(ErrorKind::Invalid, text)
    })
}

/// Whether `name` may be the name of an argument.
fn is_word(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase());
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    first && name.len() <= 32 && bytes.all(plain)
}

/// A command is never taken back, so its strings live as long as the process.
pub(super) fn leak(text: String) -> &'static str {
    match text.is_empty() {
        true => "",
        false => text.leak(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_contradicts_itself_is_refused_with_the_reason() {
        let check = |arg: Arg, expected: &str| {
            let error = arg.leak().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains(expected), "{error}");
        };
        check(Arg::text(""), "its name must be");
        check(Arg::text("N"), "its name must be");
        check(Arg::text("json"), "its name must be");
        check(
            Arg::text("x").required().default("1"),
            "a default says nothing",
        );
        check(Arg::text("x").option().rest(), "known by its place");
        check(Arg::choice("x", [""; 0]), "no words");
        check(
            Arg::int("n", 1..=9).default("all"),
            "whole number is wanted",
        );
        check(Arg::int("n", 1..=9).default("10"), "at most 9");
    }

    #[test]
    fn types_and_bounds_are_carried_over() {
        let spec = Arg::duration("t", Duration::ZERO..=Duration::MAX)
            .leak()
            .unwrap();
        assert_eq!(
            spec.ty,
            ArgType::Duration {
                min: 0,
                max: u64::MAX
            }
        );
        let spec = Arg::choice("mode", ["fast", "slow"])
            .default("fast")
            .option();
        let spec = spec.leak().unwrap();
        assert_eq!(spec.ty, ArgType::Choice(&["fast", "slow"]));
        assert_eq!((spec.kind, spec.default), (ArgKind::Option, Some("fast")));
        let flag = Arg::flag("all").option().secret().leak().unwrap();
        assert!(flag.kind == ArgKind::Flag && flag.secret);
    }
}
