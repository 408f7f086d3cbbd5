//! What the server answers: `progress`, `data` with a counted payload, `end`.

use super::super::{LIST_MAX, clip};
use super::quoted;
use crate::model::{Failure, Severity};
use serde_json::Value;

/// A command that succeeded: what its `end` says.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct End {
    /// How long it ran.
    pub elapsed_ms: u64,
    /// The one sentence that matters, with how bad it is.
    pub verdict: Option<(Severity, String)>,
    /// Commands to run next.
    pub next: Vec<String>,
}

/// How far command `id` is: `done` of `total` (if known) in `unit`.
pub fn encode_progress(id: u64, done: f64, total: Option<f64>, unit: &str) -> String {
    let (done, total, unit) = (Value::from(done), Value::from(total), quoted(unit));
    format!("{{\"id\":{id},\"progress\":{{\"done\":{done},\"total\":{total},\"unit\":{unit}}}}}\n")
}

/// The line before `len` raw bytes of command `id`'s reply; `len` is at most 256 KiB.
///
/// `name` is a file name for what has one; `stream` marks lines that are shown as they come.
pub fn encode_data_header(
    id: u64,
    len: usize,
    media: &str,
    name: Option<&str>,
    stream: bool,
) -> String {
    let media = quoted(media);
    let name = name.map_or(String::new(), |name| format!(",\"name\":{}", quoted(name)));
    let stream = if stream { ",\"stream\":true" } else { "" };
    format!("{{\"id\":{id},\"data\":{len},\"media\":{media}{name}{stream}}}\n")
}

/// The last message about command `id`. Texts and lists beyond the client's bounds are cut.
pub fn encode_end(id: u64, result: &Result<End, Failure>) -> String {
    let end = match result {
        Ok(end) => encode_success(end),
        Err(failure) => encode_failure(failure),
    };
    format!("{{\"id\":{id},\"end\":{end}}}\n")
}

fn encode_success(end: &End) -> String {
    let mut json = format!("{{\"status\":\"ok\",\"elapsed_ms\":{}", end.elapsed_ms);
    if let Some((severity, text)) = &end.verdict {
        let (severity, text) = (severity.name(), quoted(clip(text)));
        json += &format!(",\"verdict\":{{\"severity\":\"{severity}\",\"text\":{text}}}");
    }
    json + &encode_list("next", &end.next) + "}"
}

fn encode_failure(failure: &Failure) -> String {
    let message = quoted(clip(&failure.text));
    let hints = encode_list("hints", &failure.hints);
    format!(
        "{{\"status\":\"error\",\"code\":\"{}\",\"message\":{message}{hints}}}",
        failure.code
    )
}

/// `,"key":[..]`, or nothing for an empty list.
fn encode_list(key: &str, texts: &[String]) -> String {
    let texts: Vec<&str> = texts.iter().take(LIST_MAX).map(|text| clip(text)).collect();
    match texts.is_empty() {
        true => String::new(),
        false => format!(",\"{key}\":{}", Value::from(texts)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{REPLY_LINE_MAX, TEXT_MAX};
    use super::*;
    use crate::model::Code;

    fn check(line: String, expected: &str) {
        assert_eq!(line, format!("{expected}\n"));
    }

    #[test]
    fn messages_stand_on_the_wire_as_documented() {
        check(
            encode_progress(1, 3.0, Some(10.0), "s"),
            r#"{"id":1,"progress":{"done":3.0,"total":10.0,"unit":"s"}}"#,
        );
        check(
            encode_progress(1, f64::NAN, None, ""),
            r#"{"id":1,"progress":{"done":null,"total":null,"unit":""}}"#,
        );
        check(
            encode_data_header(1, 48213, "application/x-protobuf", Some("cpu.pb.gz"), false),
            r#"{"id":1,"data":48213,"media":"application/x-protobuf","name":"cpu.pb.gz"}"#,
        );
        check(
            encode_data_header(1, 9, "text/plain", None, true),
            r#"{"id":1,"data":9,"media":"text/plain","stream":true}"#,
        );
        let mut end = End {
            elapsed_ms: 10021,
            ..End::default()
        };
        check(
            encode_end(1, &Ok(end.clone())),
            r#"{"id":1,"end":{"status":"ok","elapsed_ms":10021}}"#,
        );
        end.verdict = Some((Severity::Warn, "hm.".to_owned()));
        end.next = vec!["heap".to_owned()];
        check(
            encode_end(1, &Ok(end)),
            r#"{"id":1,"end":{"status":"ok","elapsed_ms":10021,"verdict":{"severity":"warn","text":"hm."},"next":["heap"]}}"#,
        );
        check(
            encode_end(1, &Err(Failure::new(Code::Cancelled, "gone").hint("try"))),
            r#"{"id":1,"end":{"status":"error","code":"cancelled","message":"gone","hints":["try"]}}"#,
        );
    }

    #[test]
    fn no_message_of_an_application_outgrows_the_clients_bound() {
        let huge = "\u{1}".repeat(10 * TEXT_MAX);
        let mut failure = Failure::new(Code::Panic, huge.clone());
        failure.hints = vec![huge.clone(); 100];
        assert!(encode_end(u64::MAX, &Err(failure)).len() <= REPLY_LINE_MAX);
        let end = End {
            elapsed_ms: u64::MAX,
            verdict: Some((Severity::Bad, huge.clone())),
            next: vec![huge; 100],
        };
        assert!(encode_end(u64::MAX, &Ok(end)).len() <= REPLY_LINE_MAX);
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        let text = format!("x{}", "\u{20ac}".repeat(TEXT_MAX));
        assert_eq!(clip(&text).chars().last(), Some('\u{20ac}'));
        assert!(clip(&text).len() > TEXT_MAX - 3);
        assert_eq!(clip("short"), "short");
    }
}
