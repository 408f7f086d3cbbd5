//! The index: every path that is served, with a line on each, as text or as a page.

use super::routes;
use crate::{
    app::profiles,
    command::{self, State},
    model::Level,
};

/// One line of the index.
struct Entry {
    path: String,
    level: Level,
    about: String,
}

fn entries(state: &State) -> Vec<Entry> {
    let mut entries: Vec<Entry> = command::endpoints()
        .map(|endpoint| Entry {
            path: endpoint.path.to_owned(),
            level: endpoint.level,
            about: endpoint.about.to_owned(),
        })
        .collect();
    entries.extend(profiles::all().iter().map(|profile| Entry {
        path: profile.path().to_owned(),
        level: profiles::LEVEL,
        about: "a profile of the application's; debug=1 is text".to_owned(),
    }));
    entries.extend(state.routes.all().map(|route| Entry {
        path: route.path().to_owned(),
        level: route.level(),
        about: "the application's own".to_owned(),
    }));
    entries.extend(command::specs().iter().map(|spec| Entry {
        path: routes::command_path(spec),
        level: spec.level,
        about: spec.about.to_owned(),
    }));
    entries
}

/// For terminals and scripts.
pub(super) fn text(state: &State) -> String {
    let mut text = format!(
        "manhole {}: {}[{}] on {}\n\n",
        env!("CARGO_PKG_VERSION"),
        state.name,
        state.pid,
        state.host
    );
    for Entry { path, level, about } in entries(state) {
        text.push_str(&format!("{path:<26}  {level:<7}  {about}\n"));
    }
    text.push_str("\nA command of level control takes POST with the header X-Manhole: 1. json=1 gives JSON.\n");
    text
}

/// For browsers, at `path`. Links are relative to it: the console may be behind a path of a proxy's.
pub(super) fn page(state: &State, path: &str) -> String {
    let up = match path.matches('/').count() {
        0 | 1 => ".".to_owned(),
        steps => vec![".."; steps - 1].join("/"),
    };
    let title = escape(&format!("{}[{}] on {}", state.name, state.pid, state.host));
    let mut rows = String::new();
    for Entry { path, level, about } in entries(state) {
        let (path, about) = (escape(&path), escape(&about));
        // Following a link is a GET: what changes something is named, not linked.
        let link = match level {
            Level::Control => path,
            _ => format!("<a href=\"{up}{path}\">{path}</a>"),
        };
        rows.push_str(&format!(
            "<tr><td>{link}</td><td>{level}</td><td>{about}</td></tr>\n"
        ));
    }
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n\
         <style>body{{font:14px monospace;margin:2em}}td{{padding:0 1.5em 0 0}}</style></head>\n\
         <body><h1>{title}</h1>\n<table>\n{rows}</table>\n\
         <p>manhole {}. A command of level control takes POST with the header X-Manhole: 1.</p>\n</body></html>\n",
        env!("CARGO_PKG_VERSION"),
    )
}

fn escape(text: &str) -> String {
    let text = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    text.replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_cannot_break_the_page() {
        assert_eq!(
            super::escape("<a href=\"x\">&"),
            "&lt;a href=&quot;x&quot;&gt;&amp;"
        );
    }
}
