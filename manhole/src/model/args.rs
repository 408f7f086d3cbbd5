//! From words to typed arguments, by a command's [`Spec`]; every error names the argument.

use super::{ArgKind, ArgSpec, ArgType, Code, Failure, Level, Spec};

/// One argument's value, checked against its type and bounds.
#[derive(Clone, Debug, PartialEq)]
pub enum ArgValue {
    /// Text, a choice, a glob.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Nanoseconds.
    Duration(u64),
    /// Bytes.
    Bytes(u64),
    /// Yes or no.
    Bool(bool),
}

/// The arguments of one call: what was given, and the defaults of what was not.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Args {
    values: Vec<(&'static str, ArgValue)>,
    /// Those given by the caller, for the access check.
    given: Vec<&'static str>,
    /// Whether `--json` was given.
    pub json: bool,
}

impl Args {
    /// Parses the words after a command's name.
    ///
    /// # Errors
    /// `usage` with the argument, the value, what would be accepted, and the usage line as a hint.
    pub fn parse(spec: &Spec, words: &[String]) -> Result<Self, Failure> {
        let mut args = Args::default();
        let mut positionals = spec
            .args
            .iter()
            .filter(|arg| arg.kind == ArgKind::Positional);
        let mut open: Option<&'static ArgSpec> = None;
        let mut words = words.iter();
        let mut only_positional = false;
        while let Some(word) = words.next() {
            if !only_positional && word == "--" {
                only_positional = true;
            } else if let (false, Some(name)) = (only_positional, word.strip_prefix("--")) {
                let (name, inline) = match name.split_once('=') {
                    Some((name, value)) => (name, Some(value.to_owned())),
                    None => (name, None),
                };
                args.option(spec, name, inline, &mut words)?;
            } else {
                let arg = match open {
                    Some(arg) => arg,
                    None => positionals
                        .next()
                        .ok_or_else(|| usage(spec, format!("{word:?} is one argument too many")))?,
                };
                args.add(spec, arg, word)?;
                open = arg.rest.then_some(arg);
            }
        }
        args.complete(spec)?;
        Ok(args)
    }

    fn option<'a>(
        &mut self,
        spec: &Spec,
        name: &str,
        inline: Option<String>,
        words: &mut impl Iterator<Item = &'a String>,
    ) -> Result<(), Failure> {
        if name == "json" {
            self.json = true;
            return match inline {
                Some(value) => Err(usage(spec, format!("--json takes no value, not {value:?}"))),
                None => Ok(()),
            };
        }
        let arg = spec
            .args
            .iter()
            .find(|arg| arg.kind != ArgKind::Positional && arg.name == name)
            .ok_or_else(|| usage(spec, format!("there is no option --{name}")))?;
        if arg.kind == ArgKind::Flag {
            return match inline {
                Some(value) => Err(usage(
                    spec,
                    format!("--{name} takes no value, not {value:?}"),
                )),
                None => {
                    self.set(arg.name, ArgValue::Bool(true));
                    Ok(())
                }
            };
        }
        let value = inline
            .or_else(|| words.next().cloned())
            .ok_or_else(|| usage(spec, format!("--{name} needs a value")))?;
        self.add(spec, arg, &value)
    }

    fn add(&mut self, spec: &Spec, arg: &'static ArgSpec, word: &str) -> Result<(), Failure> {
        let value =
            convert(arg, word).map_err(|why| with_bound(usage(spec, why), spec, arg, word))?;
        if arg.kind == ArgKind::Option && self.given.contains(&arg.name) {
            return Err(usage(spec, format!("--{} is given twice", arg.name)));
        }
        self.set(arg.name, value);
        Ok(())
    }

    fn set(&mut self, name: &'static str, value: ArgValue) {
        self.given.push(name);
        self.values.push((name, value));
    }

    /// Adds defaults; complains about what is required and missing.
    fn complete(&mut self, spec: &Spec) -> Result<(), Failure> {
        for arg in spec.args {
            if self.given.contains(&arg.name) {
                continue;
            }
            if arg.required {
                return Err(usage(
                    spec,
                    format!("{} is missing", arg.name.to_uppercase()),
                ));
            }
            // A default that is no value of its type ("all") is a word for the reader only.
            if let Some(value) = arg.default.and_then(|text| convert(arg, text).ok()) {
                self.values.push((arg.name, value));
            }
        }
        Ok(())
    }

    /// The level that this call needs: the command's, or more if an argument asks for more.
    pub fn level(&self, spec: &Spec) -> Level {
        let extra = spec
            .args
            .iter()
            .filter(|arg| self.given.contains(&arg.name));
        extra
            .filter_map(|arg| arg.level)
            .fold(spec.level, Level::max)
    }

    /// The level that `words` ask for before it is known whether they make sense: who may not run a
    /// command is not told how to. Never more than [`Args::level`] says of a call that does.
    pub fn level_of_words(spec: &Spec, words: &[String]) -> Level {
        let options = words.iter().take_while(|word| *word != "--");
        let options = options.filter_map(|word| word.strip_prefix("--"));
        let options = options.map(|word| word.split_once('=').map_or(word, |(name, _)| name));
        let named = |arg: &&ArgSpec| arg.kind != ArgKind::Positional;
        let given = options.filter_map(|name| {
            let mut options = spec.args.iter().filter(named);
            options.find(|arg| arg.name == name)
        });
        given
            .filter_map(|arg| arg.level)
            .fold(spec.level, Level::max)
    }

    /// Whether the caller gave `name` (a default does not count).
    pub fn given(&self, name: &str) -> bool {
        self.given.contains(&name)
    }

    /// Whether the flag `name` was given.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some(ArgValue::Bool(true)))
    }

    /// The value of `name`, given or by default.
    pub fn get(&self, name: &str) -> Option<&ArgValue> {
        self.all(name).next()
    }

    /// All values of `name`: more than one only where the argument takes all words that are left.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &ArgValue> {
        self.values
            .iter()
            .filter(move |(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// The text of `name`.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            ArgValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The texts of `name`, joined by spaces: for an argument that takes all words that are left.
    pub fn joined(&self, name: &str) -> Option<String> {
        let words: Vec<&str> = self
            .all(name)
            .filter_map(|value| match value {
                ArgValue::Text(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        (!words.is_empty()).then(|| words.join(" "))
    }

    /// The whole number `name`.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            ArgValue::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The number `name`.
    pub fn float(&self, name: &str) -> Option<f64> {
        match self.get(name)? {
            ArgValue::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// The duration `name`.
    pub fn duration(&self, name: &str) -> Option<std::time::Duration> {
        match self.get(name)? {
            ArgValue::Duration(nanos) => Some(std::time::Duration::from_nanos(*nanos)),
            _ => None,
        }
    }

    /// The bytes `name`.
    pub fn bytes(&self, name: &str) -> Option<u64> {
        match self.get(name)? {
            ArgValue::Bytes(value) => Some(*value),
            _ => None,
        }
    }
}

fn usage(spec: &Spec, why: String) -> Failure {
    Failure::new(Code::Usage, format!("{}: {why}", spec.name))
        .hint(format!("usage: {}", spec.usage()))
}

/// Adds to the usage line what would do in place of a number that is out of bounds: `try: cpu 300`.
fn with_bound(mut failure: Failure, spec: &Spec, arg: &ArgSpec, word: &str) -> Failure {
    let others = spec
        .args
        .iter()
        .any(|other| other.required && other.name != arg.name);
    if let (Some(bound), Some(hint), false) = (bound(arg, word), failure.hints.last_mut(), others) {
        let option = match arg.kind {
            ArgKind::Positional => String::new(),
            _ => format!("--{} ", arg.name),
        };
        hint.push_str(&format!("        try: {} {option}{bound}", spec.name));
    }
    failure
}

/// The bound that a number is beyond, as one would type it.
fn bound(arg: &ArgSpec, word: &str) -> Option<String> {
    match arg.ty {
        ArgType::Int { min, max } => {
            let value: i64 = word.parse().ok()?;
            let bound = value.min(max).max(min);
            (bound != value).then(|| bound.to_string())
        }
        ArgType::Duration { min, max } => {
            let value = parse_duration(word)?;
            let bound = value.min(max).max(min);
            let seconds = bound / 1_000_000_000;
            (bound != value && seconds * 1_000_000_000 == bound).then(|| seconds.to_string())
        }
        _ => None,
    }
}

/// How an argument is called in an error: `N`, `--hz`.
fn called(arg: &ArgSpec) -> String {
    match arg.kind {
        ArgKind::Positional => arg.name.to_uppercase(),
        _ => format!("--{}", arg.name),
    }
}

/// Whether `word` is a value that `arg` accepts.
///
/// # Errors
/// The sentence to show, without the command's name.
pub(crate) fn check(arg: &ArgSpec, word: &str) -> Result<(), String> {
    convert(arg, word).map(drop)
}

fn convert(arg: &ArgSpec, word: &str) -> Result<ArgValue, String> {
    let name = called(arg);
    match arg.ty {
        ArgType::Text | ArgType::Glob => Ok(ArgValue::Text(word.to_owned())),
        ArgType::Choice(words) if words.contains(&word) => Ok(ArgValue::Text(word.to_owned())),
        ArgType::Choice(words) => Err(format!(
            "{name} is {word:?}, use one of {}",
            words.join(", ")
        )),
        ArgType::Bool => match word {
            "true" | "yes" | "on" | "1" => Ok(ArgValue::Bool(true)),
            "false" | "no" | "off" | "0" => Ok(ArgValue::Bool(false)),
            _ => Err(format!("{name} is {word:?}, use true or false")),
        },
        ArgType::Int { min, max } => {
            let value = word
                .parse()
                .map_err(|_| format!("{name} is {word:?}, a whole number is wanted"))?;
            bounded(&name, value, min, max, |v| v.to_string()).map(ArgValue::Int)
        }
        ArgType::Float { min, max } => {
            let value: f64 = word
                .parse()
                .ok()
                .filter(|value: &f64| value.is_finite())
                .ok_or_else(|| format!("{name} is {word:?}, a number is wanted"))?;
            bounded(&name, value, min, max, |v| v.to_string()).map(ArgValue::Float)
        }
        ArgType::Duration { min, max } => {
            let value = parse_duration(word).ok_or_else(|| {
                format!("{name} is {word:?}, a time like 5s, 2m or 250ms is wanted")
            })?;
            bounded(&name, value, min, max, show_duration).map(ArgValue::Duration)
        }
        ArgType::Bytes { min, max } => {
            let value = parse_bytes(word).ok_or_else(|| {
                format!("{name} is {word:?}, a size like 512KiB or 2MiB is wanted")
            })?;
            bounded(&name, value, min, max, |v| format!("{v} B")).map(ArgValue::Bytes)
        }
    }
}

fn bounded<T: PartialOrd + Copy>(
    name: &str,
    value: T,
    min: T,
    max: T,
    show: impl Fn(T) -> String,
) -> Result<T, String> {
    if value > max {
        return Err(format!(
            "{name} is {}, at most {} is allowed here",
            show(value),
            show(max)
        ));
    }
    if value < min {
        return Err(format!(
            "{name} is {}, at least {} is needed",
            show(value),
            show(min)
        ));
    }
    Ok(value)
}

fn show_duration(nanos: u64) -> String {
    match nanos {
        n if n % 1_000_000_000 == 0 => format!("{} s", n / 1_000_000_000),
        n if n % 1_000_000 == 0 => format!("{} ms", n / 1_000_000),
        n => format!("{n} ns"),
    }
}

/// Splits a number from the unit behind it: `2.5m` is `(2.5, "m")`.
fn number_and_unit(word: &str) -> Option<(f64, &str)> {
    let end = word
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(word.len());
    let (number, unit) = word.split_at(end);
    let number: f64 = number.parse().ok()?;
    number.is_finite().then_some((number, unit.trim_start()))
}

/// Nanoseconds from `5s`, `2m`, `1.5h`, `250ms`, `1d`, or plain seconds.
pub(crate) fn parse_duration(word: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(word)?;
    let scale = match unit {
        "" | "s" => 1e9,
        "ms" => 1e6,
        "us" => 1e3,
        "ns" => 1.0,
        "m" | "min" => 60e9,
        "h" => 3600e9,
        "d" => 86_400e9,
        _ => return None,
    };
    let nanos = number * scale;
    (nanos < u64::MAX as f64).then_some(nanos as u64)
}

/// Bytes from `512`, `64KiB`, `64k`, `2MiB`, `1GiB`, `1TiB`; binary units all of them.
pub(crate) fn parse_bytes(word: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(word)?;
    let power = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        _ => return None,
    };
    let bytes = number * 1024f64.powi(power);
    (bytes < u64::MAX as f64).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::super::{Group, Impact};
    use super::*;

    const SPEC: Spec = Spec {
        name: "cpu",
        group: Group::Question,
        about: "",
        args: &[
            ArgSpec::positional("n", ArgType::seconds(1, 300), "").default("5s"),
            ArgSpec::option("hz", ArgType::Int { min: 1, max: 1000 }, "").default("99"),
            ArgSpec::option("format", ArgType::Choice(&["top", "pprof"]), "").default("top"),
            ArgSpec::option("rows", ArgType::Int { min: 1, max: 9 }, "").default("all"),
            ArgSpec::flag("reveal", "").level(Level::Control),
        ],
        level: Level::Inspect,
        impact: Impact::Signals,
        cost: "",
        examples: &[],
        see_also: "",
    };

    fn parse(line: &str) -> Result<Args, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Args::parse(&SPEC, &words).map_err(|failure| failure.text)
    }

    #[test]
    fn defaults_hold_where_nothing_is_given() {
        let args = parse("").unwrap();
        assert_eq!(args.duration("n"), Some(std::time::Duration::from_secs(5)));
        assert_eq!(args.int("hz"), Some(99));
        assert_eq!(args.get("rows"), None);
        assert!(!args.flag("reveal") && !args.given("hz") && !args.json);
    }

    #[test]
    fn options_are_written_in_both_ways() {
        for line in [
            "2m --hz 10 --format=pprof --json",
            "--format pprof --json --hz=10 120",
        ] {
            let args = parse(line).unwrap();
            assert_eq!(
                args.duration("n"),
                Some(std::time::Duration::from_secs(120))
            );
            assert_eq!(
                (args.int("hz"), args.text("format"), args.json),
                (Some(10), Some("pprof"), true)
            );
        }
    }

    #[test]
    fn words_that_make_no_sense_ask_for_a_level_as_well() {
        let check = |line: &str, expected: Level| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            assert_eq!(Args::level_of_words(&SPEC, &words), expected, "{line}");
        };
        check("x y z --nope", Level::Inspect);
        check("x y z --reveal --nope", Level::Control);
        check("--reveal=1", Level::Control);
        check("-- --reveal", Level::Inspect);
        check("5 --revealed", Level::Inspect);
    }

    #[test]
    fn an_argument_may_raise_the_level() {
        assert_eq!(parse("5").unwrap().level(&SPEC), Level::Inspect);
        assert_eq!(parse("5 --reveal").unwrap().level(&SPEC), Level::Control);
    }

    #[test]
    fn errors_name_the_argument_the_value_and_the_remedy() {
        let check = |line: &str, expected: &str| assert_eq!(parse(line).unwrap_err(), expected);
        check("1000", "cpu: N is 1000 s, at most 300 s is allowed here");
        check("0", "cpu: N is 0 s, at least 1 s is needed");
        check(
            "x",
            "cpu: N is \"x\", a time like 5s, 2m or 250ms is wanted",
        );
        check("5 6", "cpu: \"6\" is one argument too many");
        check("--hz", "cpu: --hz needs a value");
        check("--hz 1 --hz 2", "cpu: --hz is given twice");
        check("--reveal=1", "cpu: --reveal takes no value, not \"1\"");
        check(
            "--format svg",
            "cpu: --format is \"svg\", use one of top, pprof",
        );
        check("--nope", "cpu: there is no option --nope");
    }

    #[test]
    fn what_is_out_of_bounds_gets_the_bound_to_try() {
        let check = |line: &str, expected: Option<&str>| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let failure = Args::parse(&SPEC, &words).unwrap_err();
            let hint = failure.hints.last().unwrap();
            let found = hint.split_once("        try: ").map(|(_, line)| line);
            assert_eq!(found, expected, "{line}");
        };
        check("1000", Some("cpu 300"));
        check("0", Some("cpu 1"));
        check("5 --hz 1001", Some("cpu --hz 1000"));
        check("x", None);
        check("--hz x", None);
    }

    #[test]
    fn times_and_sizes_have_units() {
        assert_eq!(parse_duration("250ms"), Some(250_000_000));
        assert_eq!(parse_duration("1.5h"), Some(5_400_000_000_000));
        assert_eq!(parse_duration("-1"), None);
        assert_eq!(parse_bytes("64KiB"), Some(65_536));
        assert_eq!(parse_bytes("2 parsecs"), None);
        assert_eq!(parse_duration("99999999999999999999d"), None);
    }
}
