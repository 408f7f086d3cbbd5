//! A forked child's console: none, unless the builder asked for one.
//!
//! The handler that runs in the child starts one thread and nothing else; what that thread needs is
//! kept here, written once before any fork can see it.

use super::{
    AfterFork, Builder, Signal,
    builder::{Audit, Lines, Place},
    start,
};
use crate::{app::routes::Routes, command::Access, model::Level, sys, sys::list::List};
use std::{path::PathBuf, time::Duration};

/// How long a child waits by default: one that execs at once never makes a socket.
const DELAY: Duration = Duration::from_millis(500);

/// What a child's console is made from. A listener is not handed on: two processes would share it.
struct Recipe {
    name: Option<String>,
    version: Option<String>,
    dir: Option<PathBuf>,
    uids: Vec<(u32, Level)>,
    gids: Vec<(u32, Level)>,
    max_level: Option<Level>,
    cap: Option<(Level, &'static str)>,
    activate_on: Option<Signal>,
    routes: Routes,
    signal: Option<Signal>,
    app_crates: Vec<String>,
    log_to: Option<Lines>,
    audit: Option<Audit>,
    delay: Duration,
}

/// Never freed: a child may read it at any time. One per install that asks, a few hundred bytes.
static RECIPES: List<Recipe> = List::new();

/// Registers what happens in children of this process.
pub(super) fn remember(builder: &Builder, access: &Access) {
    if builder.after_fork == AfterFork::None {
        sys::fork::on_child(None);
        return;
    }
    let recipe = Recipe {
        name: builder.name.clone(),
        version: builder.version.clone(),
        dir: match &builder.place {
            Place::Dir(dir) => Some(dir.clone()),
            Place::Path(path) => path.parent().map(PathBuf::from),
            Place::Default | Place::Listener(_) => None,
        },
        uids: builder.uids.clone(),
        gids: builder.gids.clone(),
        max_level: builder.max_level,
        cap: access.cap.zip(access.cap_reason),
        activate_on: builder.activate_on,
        routes: builder.routes.clone(),
        signal: builder.signal,
        app_crates: builder.app_crates.clone(),
        log_to: builder.log_to.clone(),
        audit: builder.audit.clone(),
        delay: builder.fork_delay.unwrap_or(DELAY),
    };
    RECIPES.push(recipe);
    sys::fork::on_child(Some(reinstall));
}

/// Children forked from now on get no console: this one ends.
pub(super) fn forget() {
    sys::fork::on_child(None);
}

/// Runs on a thread of the child's own.
fn reinstall() {
    let Some(recipe) = RECIPES.iter().next() else {
        return;
    };
    std::thread::sleep(recipe.delay);
    let mut builder = super::builder()
        .after_fork(AfterFork::Reinstall)
        .fork_delay(recipe.delay);
    builder.name.clone_from(&recipe.name);
    builder.version.clone_from(&recipe.version);
    builder.uids.clone_from(&recipe.uids);
    builder.gids.clone_from(&recipe.gids);
    builder.max_level = recipe.max_level;
    builder.inherited = recipe.cap;
    builder.activate_on = recipe.activate_on;
    builder.routes.clone_from(&recipe.routes);
    builder.signal = recipe.signal;
    builder.app_crates.clone_from(&recipe.app_crates);
    builder.log_to.clone_from(&recipe.log_to);
    builder.audit.clone_from(&recipe.audit);
    if let Some(dir) = &recipe.dir {
        builder.place = Place::Dir(dir.clone());
    }
    drop(start::install(builder));
}
