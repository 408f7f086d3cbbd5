//! A service that does to itself whatever a test asks for; `deeds` says how it is asked.

mod application;
mod console;
mod crowd;
#[path = "../deeds.rs"]
mod deeds;
mod family;
mod process;
mod raw;
mod recycle;
mod samples;
mod sandbox;
mod variables;

use deeds::{Answer, answer, number};

fn main() {
    if manhole::client() {
        return;
    }
    let mut consoles = console::Consoles::default();
    deeds::until_the_end(|name, words| {
        consoles
            .perform(name, words)
            .or_else(|| application::perform(name, words))
            .or_else(|| variables::perform(name, words))
            .or_else(|| process::perform(name, words))
            .or_else(|| crowd::perform(name, words))
            .or_else(|| samples::perform(name, words))
            .or_else(|| sandbox::perform(name, words))
            .or_else(|| recycle::perform(name, words))
            .or_else(|| family::perform(name, words, &mut consoles))
    });
}
