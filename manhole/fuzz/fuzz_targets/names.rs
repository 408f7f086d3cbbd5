//! A symbol or a path from debug information: whatever it is, shortening neither fails nor lengthens.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manhole::fuzzing::names;

fuzz_target!(|text: &str| {
    for name in [names::demangle(text), text.to_owned()] {
        let whole = names::short(&name, true);
        // Types without a name are called by one: `!` is `never`.
        assert!(whole.len() <= name.len() * 4 + 4, "{name:?} {whole:?}");
        assert_eq!(names::short(&whole, true), whole, "{name:?}");
        assert!(names::short(&name, false).len() <= whole.len() + "…".len());
        let _ = (names::crate_of(&name), names::is_derive(&name));
    }
    let place = names::place(text, Some(41));
    assert!(place.len() <= text.len() + "…:41-".len(), "{place:?}");
    let _ = names::origin(text);
});
