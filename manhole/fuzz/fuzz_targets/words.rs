//! A line of commands: what is understood can be written down again, word by word.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manhole::fuzzing::{WORDS_MAX, words};

fuzz_target!(|line: &str| {
    let quoted = words::quote(line);
    assert!(!quoted.contains(char::is_control));
    assert_eq!(words::parse_line(&quoted), Ok(vec![vec![line.to_owned()]]));
    let Ok(commands) = words::parse_line(line) else {
        return;
    };
    assert!(commands.iter().flatten().count() <= WORDS_MAX);
    let written: Vec<String> = commands
        .iter()
        .map(|command| {
            command
                .iter()
                .map(|word| words::quote(word))
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    assert_eq!(words::parse_line(&written.join(";")), Ok(commands));
});
