//! What is asked for, by a command's arguments.

use crate::{
    command::shown,
    model::{
        Args, Code, Failure,
        heap::{View, Wish},
    },
};
use std::time::Duration;

/// Lines of a table and of a tree, if nothing is said.
const ROWS: usize = 15;
const TREE_ROWS: usize = 60;
/// Most lines of a table that can be asked for by number.
const MOST_ROWS: usize = 1_000_000;
/// The longest that anybody may wait for.
const LONGEST: Duration = Duration::from_secs(300);

/// A view that somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    /// What of it, and how it is shown.
    pub wish: Wish,
    /// What it is compared with.
    pub span: Span,
}

/// The time between two looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Span {
    /// One look, and whatever earlier one there is.
    Usual,
    /// The time that begins now.
    Next(Duration),
    /// From a look that was kept to another, or to the present.
    Kept { from: String, to: Option<String> },
}

impl Ask {
    /// Reads the arguments of the command of `view`.
    ///
    /// # Errors
    /// `usage` for what is not checked already.
    pub(super) fn of_args(view: View, args: &Args) -> Result<Self, Failure> {
        let site = args.text("site").map(str::to_owned);
        let tree = args.text("format") == Some("tree") || site.is_some();
        let given = args.text("rows").filter(|_| args.given("rows"));
        let min_age = args.duration("min-age").unwrap_or_default();
        Ok(Self {
            span: span(view, args)?,
            wish: Wish {
                view,
                tree,
                site: site.filter(|site| !site.is_empty()),
                rows: rows(given, tree).ok_or_else(|| {
                    let text = shown(given.unwrap_or_default());
                    usage(
                        view,
                        &format!("--rows is {text}, a number or all is wanted"),
                    )
                })?,
                full_names: args.text("names") == Some("full"),
                min_age_ns: u64::try_from(min_age.as_nanos()).unwrap_or(u64::MAX),
            },
        })
    }
}

fn usage(view: View, text: &str) -> Failure {
    Failure::new(Code::Usage, format!("{}: {text}", view.name()))
}

/// Lines of a table; `None` inside: all of them.
fn rows(given: Option<&str>, tree: bool) -> Option<Option<usize>> {
    match given {
        None if tree => Some(Some(TREE_ROWS)),
        None => Some(Some(ROWS)),
        Some("all") => Some(None),
        Some(text) => {
            let rows = text.parse().ok()?;
            (1..=MOST_ROWS).contains(&rows).then_some(Some(rows))
        }
    }
}

fn span(view: View, args: &Args) -> Result<Span, Failure> {
    match view {
        View::Allocs => Ok(args.duration("n").map_or(Span::Usual, Span::Next)),
        View::Live | View::Peak | View::Leaks => Ok(Span::Usual),
        View::Diff => {
            let from = args.text("from").filter(|_| args.given("from"));
            let to = args.text("to").filter(|to| *to != "now");
            diff(from, to)
        }
    }
}

fn diff(from: Option<&str>, to: Option<&str>) -> Result<Span, Failure> {
    let Some(from) = from else {
        return Ok(Span::Usual);
    };
    let Some(wait) = from.strip_prefix('+') else {
        return Ok(Span::Kept {
            from: from.to_owned(),
            to: to.map(str::to_owned),
        });
    };
    let wrong = |text: &str| Err(usage(View::Diff, text));
    let time = crate::model::parse_duration(wait).map(Duration::from_nanos);
    match time {
        _ if to.is_some() => wrong("+TIME begins now, and takes no second look"),
        None => wrong(&format!(
            "FROM is {}, a time like +30s is wanted",
            shown(from)
        )),
        Some(time) if time.is_zero() || time > LONGEST => wrong(&format!(
            "FROM is {}, +1s to +300s is allowed here",
            shown(from)
        )),
        Some(time) => Ok(Span::Next(time)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_of_looks_or_of_the_next_seconds() {
        let kept = |from: &str, to: Option<&str>| {
            Ok(Span::Kept {
                from: from.to_owned(),
                to: to.map(str::to_owned),
            })
        };
        let check = |from: Option<&str>, to: Option<&str>, expected: Result<Span, &str>| {
            let found = diff(from, to).map_err(|failure| failure.text);
            assert_eq!(found, expected.map_err(str::to_owned), "{from:?}");
        };
        check(None, None, Ok(Span::Usual));
        check(Some("1h"), None, kept("1h", None));
        check(Some("a"), Some("b"), kept("a", Some("b")));
        check(Some("+30s"), None, Ok(Span::Next(Duration::from_secs(30))));
        let bound = "heap diff: FROM is +1h, +1s to +300s is allowed here";
        check(Some("+1h"), None, Err(bound));
        let wrong = "heap diff: FROM is +x, a time like +30s is wanted";
        check(Some("+x"), None, Err(wrong));
        let both = "heap diff: +TIME begins now, and takes no second look";
        check(Some("+5"), Some("a"), Err(both));
    }

    #[test]
    fn rows_are_a_number_or_all() {
        let check = |given: Option<&str>, tree: bool, expected: Option<Option<usize>>| {
            assert_eq!(rows(given, tree), expected, "{given:?}");
        };
        check(None, false, Some(Some(15)));
        check(None, true, Some(Some(60)));
        check(Some("all"), false, Some(None));
        check(Some("3"), true, Some(Some(3)));
        check(Some("0"), false, None);
        check(Some("x"), false, None);
    }
}
