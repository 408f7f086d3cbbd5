//! What the commands say where the allocator is not installed, as in these tests.

use super::{ALLOCS, DIFF, LEAKS, LIVE, PEAK, sampling, save};
use crate::{
    command::{Command, Run, testing::context},
    model::{Args, Code, Level},
};

#[test]
fn without_the_allocator_each_says_what_to_do() {
    let ctx = context(Level::Control);
    let commands: [(&Command, &[&str]); 7] = [
        (&LIVE, &[]),
        (&LEAKS, &[]),
        (&DIFF, &["+300s"]),
        (&ALLOCS, &["300"]),
        (&PEAK, &[]),
        (&save::COMMAND, &["x"]),
        (&sampling::COMMAND, &["off"]),
    ];
    for (command, words) in commands {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let args = Args::parse(&command.spec, &words).unwrap();
        let (Run::Answer(run) | Run::Both(run, _)) = command.run else {
            panic!("{} gives no answer", command.spec.name)
        };
        let failure = run(&ctx, &args).unwrap_err();
        assert_eq!(failure.code, Code::Unsupported, "{}", failure.text);
        let begin = format!("{}: the sampling allocator is not ", command.spec.name);
        assert!(failure.text.starts_with(&begin), "{}", failure.text);
        let hints = failure.hints.join("\n");
        assert!(hints.contains("manhole::Alloc::system();"), "{hints}");
    }
}
