//! `manhole::command("queue flush")...run(...)`: from a description to an entry in the table.

use super::{Arg, Args, Context, IntoReply, Reply, arg::leak};
use crate::{
    app::messages,
    error::{Error, ErrorKind},
    model::{ArgKind, ArgSpec, Example, Group, Impact, Level, Spec},
};

/// The longest name, in bytes, and the most words in it.
const NAME: usize = 64;
const WORDS: usize = 4;

/// Begins a command of your own; it exists once [`Builder::run`] was called.
///
/// `name` is one to four words of lower case letters, digits, `.`, `_` and `-`: `queue flush`. The
/// first word must not be one of the console's own commands.
///
/// The command may be added before or after `install`. Its code runs on a thread `manhole-app`,
/// one call of it at a time; callers that come meanwhile are told since when it runs. At most two
/// commands of the application run at once. A panic fails the call and nothing else, unless the
/// program is built with `panic = "abort"`: then it ends the process, as any panic would.
///
/// ```
/// use manhole::{Arg, Level};
///
/// manhole::command("queue flush")
///     .about("drops what waits in the queue")
///     .level(Level::Control)
///     .arg(Arg::int("n", 1..=1000).default("100").about("how many at most"))
///     .example("queue flush 10", "the ten oldest")
///     .run(|ctx, args| {
///         let n = args.int("n").unwrap_or(100);
///         for done in 0..n {
///             if ctx.cancelled() {
///                 return Err("stopped half-way");
///             }
///             ctx.progress(done as f64, n as f64, "jobs");
///         }
///         Ok(format!("{n} jobs dropped"))
///     });
/// ```
#[must_use = "a command exists once run or try_run was called"]
pub fn command(name: impl Into<String>) -> Builder {
    Builder {
        name: name.into(),
        about: String::new(),
        level: Level::Control,
        cost: String::new(),
        args: Vec::new(),
        examples: Vec::new(),
    }
}

/// A command that is being described; made by [`command`].
#[derive(Clone, Debug)]
pub struct Builder {
    name: String,
    about: String,
    level: Level,
    cost: String,
    args: Vec<Arg>,
    examples: Vec<(String, String)>,
}

impl Builder {
    /// One line for `help`: what it does or answers, without a full stop.
    pub fn about(mut self, about: impl Into<String>) -> Self {
        self.about = about.into();
        self
    }

    /// Who may run it; [`Level::Control`] unless said otherwise.
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// What it costs, for `help`: "about 2 s; requests wait meanwhile".
    pub fn cost(mut self, cost: impl Into<String>) -> Self {
        self.cost = cost.into();
        self
    }

    /// Adds an argument; those known by their place in the order in which they are given.
    pub fn arg(mut self, arg: Arg) -> Self {
        self.args.push(arg);
        self
    }

    /// Adds a line to paste, with what one gets.
    pub fn example(mut self, line: impl Into<String>, what: impl Into<String>) -> Self {
        self.examples.push((line.into(), what.into()));
        self
    }

    /// Adds the command to the console's table.
    ///
    /// Never fails or panics: a name that is taken or not acceptable is reported in the console's
    /// log and in `info`, and the command does not exist. See [`Builder::try_run`].
    pub fn run<F, R>(self, run: F)
    where
        F: Fn(&Context, &Args) -> R + Send + Sync + 'static,
        R: IntoReply,
    {
        if let Err(why) = self.try_run(run) {
            messages::warn(why.to_string());
        }
    }

    /// Adds the command to the console's table.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a name or an argument that is not acceptable,
    /// [`ErrorKind::Taken`] for a name that is in use, [`ErrorKind::Resources`] when there are too
    /// many commands.
    pub fn try_run<F, R>(self, run: F) -> Result<(), Error>
    where
        F: Fn(&Context, &Args) -> R + Send + Sync + 'static,
        R: IntoReply,
    {
        let handler = move |ctx: &Context, args: &Args| -> Result<Reply, String> {
            run(ctx, args).into_reply()
        };
        super::add(self.leak()?, Box::new(handler))
    }

    fn leak(self) -> Result<Spec, Error> {
        let invalid = |why: &str| {
            let text = format!("failed to add command {:?}: {why}", self.name);
            Error::new(ErrorKind::Invalid, text)
        };
        if !is_name(&self.name) {
            return Err(invalid(
                "a name is one to four words of lower case letters, digits, . _ and -, each beginning with a letter",
            ));
        }
        let args: Result<Vec<ArgSpec>, Error> = self.args.into_iter().map(Arg::leak).collect();
        let args = args?;
        check_order(&args).map_err(invalid)?;
        let examples = self.examples.into_iter();
        let examples = examples.map(|(line, what)| Example::new(leak(line), leak(what)));
        Ok(Spec {
            name: leak(self.name.clone()),
            group: Group::Application,
            about: leak(self.about),
            args: args.leak(),
            level: self.level,
            impact: match self.level {
                Level::Control => Impact::Changes,
                Level::View | Level::Inspect => Impact::Reads,
            },
            cost: match self.cost.is_empty() {
                true => "what the application's own code costs",
                false => leak(self.cost),
            },
            examples: examples.collect::<Vec<_>>().leak(),
            see_also: "",
        })
    }
}

/// Whether a line can be understood: no doubles, nothing behind a rest, required ones first.
fn check_order(args: &[ArgSpec]) -> Result<(), &'static str> {
    for (at, arg) in args.iter().enumerate() {
        if args.iter().take(at).any(|other| other.name == arg.name) {
            return Err("two arguments have the same name");
        }
    }
    let places = || args.iter().filter(|arg| arg.kind == ArgKind::Positional);
    if places().rev().skip(1).any(|arg| arg.rest) {
        return Err("only the last argument known by its place can take the rest");
    }
    if places()
        .skip_while(|arg| arg.required)
        .any(|arg| arg.required)
    {
        return Err("a required argument known by its place stands behind an optional one");
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    let word = |word: &str| {
        let rest =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        word.starts_with(|first: char| first.is_ascii_lowercase()) && word.bytes().all(rest)
    };
    name.len() <= NAME && name.split(' ').count() <= WORDS && name.split(' ').all(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_that_a_text_line_can_begin_with() {
        let check = |name: &str, expected: bool| assert_eq!(is_name(name), expected, "{name:?}");
        check("reload", true);
        check("queue flush", true);
        check("a b.c d_1 e-f", true);
        check("", false);
        check(" x", false);
        check("x  y", false);
        check("Queue", false);
        check("1st", false);
        check("x;y", false);
        check("a b c d e", false);
        check(&"x".repeat(65), false);
    }

    #[test]
    fn arguments_that_no_line_could_mean_are_refused() {
        let check = |args: [Arg; 2], expected: &str| {
            let [first, second] = args;
            let builder = command("x").arg(first).arg(second);
            let error = builder.leak().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check([Arg::text("a"), Arg::text("a").option()], "same name");
        check([Arg::text("a").rest(), Arg::text("b")], "take the rest");
        check(
            [Arg::text("a"), Arg::text("b").required()],
            "behind an optional",
        );
    }

    #[test]
    fn what_is_not_said_has_a_careful_default() {
        let spec = command("x").leak().unwrap();
        assert_eq!((spec.level, spec.impact), (Level::Control, Impact::Changes));
        assert_eq!(spec.group, Group::Application);
        let spec = command("x").level(Level::View).leak().unwrap();
        assert_eq!(spec.impact, Impact::Reads);
    }
}
