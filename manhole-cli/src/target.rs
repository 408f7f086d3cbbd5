//! From what the user typed to an open console, or several.

use std::{path::PathBuf, time::Duration};

use manhole::client::{
    CallError, Client, Connected, Found, Hello, Kind, Known, Target, Trouble, ask_all, by_name,
    by_pid, connect_path, hello, look_at, open, reach, safe_name, survey,
};

use crate::refusal;

/// How this program starts itself as the helper that connects with other ids.
pub(crate) const OURSELVES: &[&str] = &[];

/// What the audit of a console calls us.
pub(crate) const CLIENT: &str = concat!("manhole-cli ", env!("CARGO_PKG_VERSION"));

/// A console that does not say who it is within this time is silent.
pub(crate) const SILENT: Duration = Duration::from_secs(1);

/// An open console.
pub(crate) struct Opened {
    /// The connection.
    pub(crate) client: Client,
    /// The process; `None` when it lies outside of our pid namespace.
    pub(crate) found: Option<Found>,
    /// What it said about itself, once it was asked.
    pub(crate) hello: Option<Hello>,
    /// The way to it, for a second connection.
    pub(crate) way: Way,
}

/// How a console was reached.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// By its process.
    Process(Found),
    /// By a path that the user gave.
    Path(PathBuf),
}

impl Way {
    /// Connects once more.
    ///
    /// # Errors
    /// As connecting.
    pub(crate) fn connect(&self) -> Result<Client, Trouble> {
        match self {
            Way::Process(found) => open(found, CLIENT, OURSELVES),
            Way::Path(path) => Ok(Client::new(connect_path(path)?, CLIENT)),
        }
    }

    /// Connects once more, to speak HTTP.
    ///
    /// # Errors
    /// As connecting.
    pub(crate) fn reach(&self) -> Result<Connected, Trouble> {
        match self {
            Way::Process(found) => reach(found, OURSELVES),
            Way::Path(path) => connect_path(path),
        }
    }
}

impl Opened {
    /// `checkout[4711]`.
    pub(crate) fn label(&self) -> String {
        let own = self.hello.as_ref().map(|hello| hello.name.clone());
        let name = own
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| match &self.found {
                Some(found) => safe_name(&found.comm),
                None => "console".to_owned(),
            });
        format!("{name}[{}]", self.client.pid())
    }

    /// Who it is; asked once.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) fn hello(&mut self) -> Result<&Hello, CallError> {
        let known = match self.hello.take() {
            Some(known) => known,
            None => hello(&mut self.client, SILENT * 5)?,
        };
        Ok(self.hello.insert(known))
    }
}

/// Opens the one console that `text` means.
///
/// # Errors
/// `NoTarget` when there is none or more than one; else as connecting.
pub(crate) fn open_one(text: &str) -> Result<Opened, Trouble> {
    match Target::parse(text) {
        Target::Pid(pid) => open_found(by_pid(pid)?, None),
        Target::Path(path) => {
            let way = Way::Path(path);
            let client = way.connect()?;
            Ok(Opened {
                found: look_at(client.pid()),
                client,
                hello: None,
                way,
            })
        }
        Target::Name(name) => open_known(by_name(&everybody(), &name)?),
    }
}

/// Opens a console that was asked before.
///
/// # Errors
/// As connecting; or why it did not answer.
pub(crate) fn open_known(known: &Known) -> Result<Opened, Trouble> {
    match &known.hello {
        Ok(hello) => open_found(known.found.clone(), Some(hello.clone())),
        Err(trouble) => Err(refusal::explain_socket(&known.found, trouble.clone())),
    }
}

fn open_found(found: Found, hello: Option<Hello>) -> Result<Opened, Trouble> {
    let way = Way::Process(found.clone());
    let client = way
        .connect()
        .map_err(|trouble| refusal::explain_socket(&found, trouble))?;
    Ok(Opened {
        client,
        found: Some(found),
        hello,
        way,
    })
}

/// The path at which a console's socket can be reached from here, checked by connecting.
///
/// # Errors
/// As [`open_one`].
pub(crate) fn path_of(text: &str) -> Result<PathBuf, Trouble> {
    if let Target::Path(path) = Target::parse(text) {
        connect_path(&path)?;
        return Ok(path);
    }
    let opened = open_one(text)?;
    let found = opened.found.as_ref();
    found
        .and_then(Found::path_from_here)
        .ok_or_else(|| Trouble::new(Kind::NoTarget, format!("{} has no path", opened.label())))
}

/// All consoles of this host, asked who they are.
pub(crate) fn everybody() -> Vec<Known> {
    ask_all(survey(), CLIENT, OURSELVES, SILENT)
}

/// Whether `text` means several targets.
pub(crate) fn is_pattern(text: &str) -> bool {
    text == "all" || text.contains(['*', '?'])
}

/// Those of `known` that the pattern means.
pub(crate) fn matching(known: Vec<Known>, pattern: &str) -> Vec<Known> {
    let wanted = |known: &Known| pattern == "all" || glob(pattern, &known.name());
    known.into_iter().filter(wanted).collect()
}

/// `NoTarget` for a pattern that matches nothing.
pub(crate) fn nobody(pattern: &str) -> Trouble {
    let text = match pattern {
        "all" => "no console is running here".to_owned(),
        pattern => format!("no console matches {pattern:?}"),
    };
    Trouble::new(Kind::NoTarget, text).detail("manhole-cli list says where it looked")
}

/// Whether `name` fits `pattern`, in which `*` is any text and `?` any one character.
fn glob(pattern: &str, name: &str) -> bool {
    let mut pattern = pattern.chars();
    match pattern.next() {
        None => name.is_empty(),
        Some('*') => {
            let rest = pattern.as_str();
            let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            let mut tails = ends.filter_map(|at| name.get(at..));
            tails.any(|tail| glob(rest, tail))
        }
        Some(wanted) => {
            let mut name = name.chars();
            name.next().is_some_and(|c| wanted == '?' || wanted == c)
                && glob(pattern.as_str(), name.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names() {
        let check =
            |pattern, name, expected| assert_eq!(glob(pattern, name), expected, "{pattern}");
        check("rates*", "rates-2", true);
        check("*", "", true);
        check("*-2", "rates-2", true);
        check("r?tes", "rates", true);
        check("r?tes", "rtes", false);
        check("rates", "rates-2", false);
    }

    #[test]
    fn only_all_and_globs_mean_several() {
        assert!(is_pattern("all") && is_pattern("a*") && is_pattern("a?"));
        assert!(!is_pattern("allow") && !is_pattern("4711"));
    }
}
