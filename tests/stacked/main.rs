//! A victim whose threads stand in known places, so that a test can say what `stacks` must show.
//!
//! It is told what to do as the other victim is (`deeds`) and shares with that what is not about
//! stacks. The names of functions that a test expects to read are in `steps` and `leaves`.

mod bare;
mod burn;
#[path = "../bin/victim/console.rs"]
mod console;
mod coroutine;
#[path = "../bin/deeds.rs"]
mod deeds;
mod interrupted;
mod known;
mod leaves;
mod odd;
mod plugin_user;
#[path = "../bin/victim/process.rs"]
mod process;
#[path = "../bin/victim/raw.rs"]
mod raw;
mod runtime;
#[path = "../bin/victim/sandbox.rs"]
mod sandbox;
mod signals;
mod spend;
mod steps;
mod storm;
mod waits;

use deeds::{Answer, answer, number};

/// For a storm in which every allocation is sampled.
#[cfg(feature = "sampled")]
#[global_allocator]
static ALLOC: manhole::Alloc = manhole::Alloc::system();

fn main() {
    let mut consoles = console::Consoles::default();
    deeds::until_the_end(|name, words| {
        consoles
            .perform(name, words)
            .or_else(|| known::perform(name, words))
            .or_else(|| burn::perform(name, words))
            .or_else(|| spend::perform(name, words))
            .or_else(|| odd::perform(name, words))
            .or_else(|| signals::perform(name, words))
            .or_else(|| runtime::perform(name, words))
            .or_else(|| coroutine::perform(name, words))
            .or_else(|| plugin_user::perform(name, words))
            .or_else(|| interrupted::perform(name, words))
            .or_else(|| storm::perform(name, words))
            .or_else(|| process::perform(name, words))
            .or_else(|| sandbox::perform(name, words))
    });
}
