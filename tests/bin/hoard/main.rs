//! A service that allocates through `manhole::Alloc`, in places and amounts that a test asks for;
//! `deeds` says how it is asked.

#[path = "../victim/console.rs"]
mod console;
#[path = "../deeds.rs"]
mod deeds;
mod places;

use deeds::{Answer, number};

#[global_allocator]
static ALLOC: manhole::Alloc = manhole::Alloc::system();

fn main() {
    if manhole::client() {
        return;
    }
    let mut consoles = console::Consoles::default();
    let mut kept = places::Kept::default();
    deeds::until_the_end(|name, words| {
        consoles
            .perform(name, words)
            .or_else(|| kept.perform(name, words))
    });
}
