//! `vars get`: one bare value, for scripts.

use super::{super::refuse_level, Command, Context, Run, unknown};
use crate::{
    app::vars::{self, Reading, Value},
    model::{
        Answer, ArgSpec, ArgType, Args, Block, Cell, Code, Complete, Example, Failure, Group,
        Impact, Level, Spec,
    },
};
use serde_json::Value as Json;

pub(in crate::command) static COMMAND: Command = Command {
    spec: Spec {
        name: "vars get",
        group: Group::Question,
        about: "one variable as a bare value: base units, JSON for what is no number or text",
        args: &[ArgSpec::positional("name", ArgType::Text, "which one")
            .required()
            .complete(Complete::Variables)],
        level: Level::View,
        impact: Impact::Reads,
        cost: "some microseconds; at most 100 ms for a closure",
        examples: &[Example::new("vars get http.in_flight", "1160")],
        see_also: "vars (all of them)",
    },
    triage: false,
    endpoints: &[],
    run: Run::Answer(run),
};

fn run(ctx: &Context, args: &Args) -> Result<Answer, Failure> {
    let name = args.text("name").unwrap_or("");
    let public = vars::is_public(name).ok_or_else(|| unknown("vars get", name))?;
    if !public {
        refuse_level(&format!("vars get {name}"), Level::Inspect, ctx)?;
    }
    let reading = vars::read(name).ok_or_else(|| unknown("vars get", name))?;
    answer(reading)
}

fn answer(reading: Reading) -> Result<Answer, Failure> {
    let cell = match reading.value {
        Value::Text(text)
        | Value::Published(Json::String(text))
        | Value::Tunable(Json::String(text)) => Cell::Text(text),
        Value::Published(json) | Value::Tunable(json) => Cell::Json(json),
        Value::Failed(why) => {
            let text = format!("vars get: {} has no value: {why}", reading.name);
            return Err(Failure::new(Code::Panic, text));
        }
        value => match value.excuse() {
            Some(busy) => {
                let text = format!(
                    "vars get: {} is {busy}: its closure has not returned; try again later",
                    reading.name
                );
                return Err(Failure::new(Code::Busy, text));
            }
            None => Cell::Json(value.to_json()),
        },
    };
    let mut answer = Answer::short();
    answer.push(Block::Value(cell));
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::text::{TextStyle, shown};
    use serde_json::json;
    use std::time::Duration;

    fn check(value: Value, expected: Result<&str, &str>) {
        let reading = Reading {
            name: "x".into(),
            kind: "value",
            value,
            rate: None,
            setting: None,
        };
        let answer = answer(reading).map(|answer| shown(&answer, TextStyle::default()));
        let answer = answer.map_err(|failure| failure.to_string());
        assert_eq!(answer.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn values_are_bare() {
        check(
            Value::Gauge {
                value: 1160,
                max: 2000,
            },
            Ok("1160\n"),
        );
        check(Value::Text("a b".to_owned()), Ok("a b\n"));
        check(Value::Published(json!("a b")), Ok("a b\n"));
        check(Value::Published(json!({"a": [1]})), Ok("{\"a\":[1]}\n"));
        check(Value::Float(f64::NAN), Ok("-\n"));
    }

    #[test]
    fn what_cannot_be_had_is_an_error() {
        check(
            Value::Busy(Duration::from_secs(31)),
            Err(
                "ERR busy vars get: x is <busy 31 s>: its closure has not returned; try again later",
            ),
        );
        check(
            Value::Failed("the closure panicked: oh".to_owned()),
            Err("ERR panic vars get: x has no value: the closure panicked: oh"),
        );
    }
}
