//! From a request target to what answers it: the paths of the table, any command below `/cmd/`,
//! the application's own.

use crate::{
    app::{
        profiles::{self, Profile},
        routes::{self, Routes},
    },
    command::{self, Endpoint, Query},
    model::{ArgKind, Code, Failure, Spec, order},
};
use std::sync::Arc;

/// The words of net/http/pprof, which says nothing else: tools look for them.
pub(super) const UNKNOWN_PROFILE: &str = "Unknown profile";

/// What a path leads to.
pub(super) enum Route {
    /// The list of everything.
    Index,
    /// Elsewhere.
    Redirect(&'static str),
    /// A path of the table.
    Endpoint(&'static Endpoint),
    /// A profile of the application's.
    Profile(Profile),
    /// A command line.
    Command(Vec<String>),
    /// A path of the application's.
    Application(Arc<routes::Route>),
}

/// The path as the table has it. curl turns `http:/debug/pprof/heap` into `GET /pprof/heap` with
/// `Host: debug`, so the paths below `/debug` are known without it as well.
pub(super) fn canonical(path: &str) -> String {
    match ["/pprof", "/vars", "/fgprof"].iter().any(|alias| {
        path.strip_prefix(alias)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }) {
        true => format!("/debug{path}"),
        false => path.to_owned(),
    }
}

/// Finds what answers `path`; `theirs` are the application's own paths.
///
/// # Errors
/// `unknown`.
pub(super) fn find(path: &str, query: &Query, theirs: &Routes) -> Result<Route, Failure> {
    let path = canonical(path);
    match path.as_str() {
        "/" | "/debug/pprof/" => return Ok(Route::Index),
        "/debug/pprof" => return Ok(Route::Redirect("/debug/pprof/")),
        _ => {}
    }
    if let Some(endpoint) = command::endpoints().find(|endpoint| endpoint.path == path) {
        return Ok(Route::Endpoint(endpoint));
    }
    if let Some(name) = path.strip_prefix("/cmd/") {
        let words: Vec<String> = command::decode(name)
            .split(['/', ' '])
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
        return line(words, query).map(Route::Command);
    }
    if let Some(route) = theirs.find(&path) {
        return Ok(Route::Application(route));
    }
    if let Some(name) = path.strip_prefix("/debug/pprof/") {
        if let Some(profile) = profiles::find(name) {
            return Ok(Route::Profile(profile));
        }
        return Err(Failure::new(Code::Unknown, UNKNOWN_PROFILE));
    }
    let what = format!("{}: no such path", command::shown(&path));
    let mut failure = Failure::new(Code::Unknown, what);
    failure.hints.push("these paths are served:".to_owned());
    failure.hints.extend(paths(theirs));
    Err(failure)
}

/// Every path that is served, sorted.
fn paths(theirs: &Routes) -> Vec<String> {
    let mut paths: Vec<String> = ["/", "/debug/pprof/"].map(str::to_owned).into();
    paths.extend(command::endpoints().map(|endpoint| endpoint.path.to_owned()));
    paths.extend(profiles::all().iter().map(|one| one.path().to_owned()));
    paths.extend(theirs.all().map(|route| route.path().to_owned()));
    paths.extend(command::specs().iter().map(|spec| command_path(spec)));
    order::sort_by(&mut paths, Ord::cmp);
    paths
}

/// The path of a command: `/cmd/vars/get`.
pub(super) fn command_path(spec: &Spec) -> String {
    format!("/cmd/{}", spec.name.replace(' ', "/"))
}

/// A command line from a query: `arg=` is a positional argument, any other name is that argument.
fn line(mut words: Vec<String>, query: &Query) -> Result<Vec<String>, Failure> {
    let spec = command::resolve_spec(&words)?;
    let mut positional: Vec<(usize, String)> = Vec::new();
    for (name, value) in query.pairs() {
        if name == "arg" {
            positional.push((usize::MAX, value.to_owned()));
            continue;
        }
        let place = spec.args.iter().position(|arg| arg.name == name);
        match place.and_then(|place| spec.args.get(place).map(|arg| (place, arg.kind))) {
            Some((place, ArgKind::Positional)) => positional.push((place, value.to_owned())),
            Some((_, ArgKind::Flag)) if !switched_on(value) => {}
            Some((_, ArgKind::Flag)) => words.push(format!("--{name}")),
            None if name == "json" && !switched_on(value) => {}
            None if name == "json" => words.push("--json".to_owned()),
            // An option, or an unknown name: then the parser says so, with the usage line.
            _ => words.push(format!("--{name}={value}")),
        }
    }
    // A stable sort: `arg=` values come after named ones and keep their order.
    order::sort_by_key(&mut positional, |(place, _)| *place);
    if !positional.is_empty() {
        words.push("--".to_owned());
    }
    words.extend(positional.into_iter().map(|(_, value)| value));
    Ok(words)
}

fn switched_on(value: &str) -> bool {
    !matches!(value, "0" | "false" | "no" | "off")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curls_way_of_reading_a_url_is_understood() {
        let check = |path: &str, expected: &str| assert_eq!(canonical(path), expected);
        check("/pprof/heap", "/debug/pprof/heap");
        check("/pprof/", "/debug/pprof/");
        check("/vars", "/debug/vars");
        check("/debug/vars", "/debug/vars");
        check("/variables", "/variables");
    }

    #[test]
    fn an_unknown_path_lists_those_there_are() {
        let Err(failure) = find("/nope", &Query::default(), &Routes::default()) else {
            panic!()
        };
        assert_eq!(failure.code, Code::Unknown);
        let listed = failure.hints.get(1..).unwrap();
        assert!(
            listed.is_sorted() && listed.iter().any(|path| path == "/cmd/version"),
            "{listed:?}"
        );
        let Err(failure) = find("/debug/pprof/nope", &Query::default(), &Routes::default()) else {
            panic!()
        };
        assert_eq!(failure.text, "Unknown profile");
    }

    #[test]
    fn arguments_come_by_name_or_by_place() {
        let line =
            |path: &str, query: &str| match find(path, &Query::parse(query), &Routes::default()) {
                Ok(Route::Command(words)) => words.join(" "),
                Ok(_) => panic!("no command"),
                Err(failure) => failure.text,
            };
        assert_eq!(line("/cmd/audit", "rows=3"), "audit --rows=3");
        assert_eq!(
            line("/cmd/help", "arg=vars&arg=get&json=1"),
            "help --json -- vars get"
        );
        assert_eq!(line("/cmd/help", "command=audit"), "help -- audit");
        // What is wrong with it is said to those who may run it.
        assert_eq!(line("/cmd/audit", "nope=1"), "audit --nope=1");
    }
}
