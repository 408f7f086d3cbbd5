//! `heap sampling`: how often the allocator takes a sample, and how to change that.

use super::look::is_installed;
use crate::{
    command::{Command, Context, Run, shown},
    model::{
        Answer, ArgSpec, ArgType, Args, Block, Code, Example, Failure, Group, Impact, Level, Spec,
        parse_bytes,
    },
    probe::heap::{rate, set_rate},
    render::units,
};
use serde_json::json;

const NAME: &str = "heap sampling";
/// One sample in more than this says nothing.
const MOST: u64 = 1 << 40;

pub(in crate::command) static COMMAND: Command = Command {
    spec: Spec {
        name: NAME,
        group: Group::Question,
        about: "how many bytes lie between two samples of the heap; more samples, less error",
        args: &[ArgSpec::positional(
            "bytes",
            ArgType::Text,
            "512KiB, 64k, ...: the mean; 1: every allocation; off",
        )
        .form("BYTES | off")
        .level(Level::Control)],
        level: Level::Inspect,
        impact: Impact::Changes,
        cost: "about 1 ns an allocation, and 0.1 us a sample; at 1 every allocation is a sample",
        examples: &[
            Example::new(
                "heap sampling 64KiB",
                "a third of the error, eight times the samples",
            ),
            Example::new(
                "heap sampling off",
                "what was sampled stays known until it is freed",
            ),
        ],
        see_also: "heap",
    },
    triage: false,
    endpoints: &[],
    run: Run::Answer(run),
};

fn run(_: &Context, args: &Args) -> Result<Answer, Failure> {
    is_installed(NAME)?;
    let before = rate();
    let now = match args.text("bytes") {
        None => before,
        Some(text) => set_rate(parse(text)?),
    };
    Ok(answer(before, now, args.given("bytes")))
}

/// Bytes between two samples; 0: off.
fn parse(text: &str) -> Result<u64, Failure> {
    match text {
        "off" => Ok(0),
        text => parse_bytes(text)
            .filter(|bytes| (1..=MOST).contains(bytes))
            .ok_or_else(|| {
                let text = shown(text);
                let text = format!("{NAME}: BYTES is {text}, a size like 512KiB or off is wanted");
                Failure::new(Code::Usage, text)
            }),
    }
}

fn answer(before: u64, now: u64, is_set: bool) -> Answer {
    let mut answer = Answer::short();
    answer.push(Block::Lines(match is_set {
        false => vec![format!("heap sampling   {}", words(now))],
        true => vec![
            format!("heap sampling   {} -> {}", words(before), words(now)),
            format!(
                "samples keep their weights; undo with: heap sampling {}",
                typed(before)
            ),
        ],
    }));
    answer.push(Block::Data("rate_bytes", json!(now)));
    answer.push(Block::Data("rate_bytes_before", json!(before)));
    answer
}

fn words(rate: u64) -> String {
    match rate {
        0 => "off".to_owned(),
        1 => "every allocation".to_owned(),
        rate => format!("1 sample per {}", units::bytes(rate)),
    }
}

/// As one would type it.
fn typed(rate: u64) -> String {
    match rate {
        0 => "off".to_owned(),
        rate if rate.is_multiple_of(1 << 10) => format!("{}KiB", rate >> 10),
        rate => rate.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::text::{TextStyle, shown};

    #[test]
    fn a_rate_is_a_size_or_off() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(parse(text).ok(), expected, "{text}");
        };
        check("off", Some(0));
        check("64k", Some(64 << 10));
        check("512KiB", Some(512 << 10));
        check("1", Some(1));
        check("0", None);
        check("much", None);
        check("2TiB", None);
    }

    #[test]
    fn a_change_says_how_to_undo_it() {
        let check = |before: u64, now: u64, is_set: bool, expected: &str| {
            let text = shown(&answer(before, now, is_set), TextStyle::default());
            assert_eq!(text, expected);
        };
        check(
            1 << 19,
            1 << 19,
            false,
            "heap sampling   1 sample per 512 KiB\n",
        );
        check(
            1 << 19,
            1,
            true,
            "heap sampling   1 sample per 512 KiB -> every allocation\n\
             samples keep their weights; undo with: heap sampling 512KiB\n",
        );
        check(
            0,
            1000,
            true,
            "heap sampling   off -> 1 sample per 0.98 KiB\n\
             samples keep their weights; undo with: heap sampling off\n",
        );
    }
}
