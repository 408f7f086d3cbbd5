//! A thread with its whole stack: what it is and does, then its frames by number.

use super::{
    super::{escape, units},
    Row, Tone, doubt, place, row, tone, two, width,
};
use crate::model::stack::{Full, FullFrame};

/// Where the names of functions begin.
const INDENT: usize = 6;

/// The lines of `thread`.
pub(super) fn thread(thread: &Full, rows: &mut Vec<Row>) {
    let mut head = format!("{}  {}", thread.tid, escape::one_line(&thread.name));
    for (gap, text) in [("  ", &thread.role), ("   ", &thread.doing)] {
        if !text.is_empty() {
            head.push_str(gap);
            head.push_str(&escape::one_line(text));
        }
    }
    rows.push(row(Tone::Head, head));
    let state = format!("{:INDENT$}{}", "", state(thread));
    rows.push(row(Tone::Head, state));
    let frames = thread.frames.iter();
    let place = place(
        INDENT,
        frames.map(|frame| (width(&frame.name), width(right(frame)))),
    );
    rows.extend(thread.frames.iter().map(|frame| self::frame(frame, place)));
    if !thread.end.is_empty() {
        let end = escape::one_line(&thread.end);
        rows.push(row(Tone::Foreign, format!("{:>4}  {end}", '…')));
    }
}

/// `sleep, cpu 0.2 ms, 5.18 KiB of stack, unchanged since 2026-11-21T14:20:31Z`.
fn state(thread: &Full) -> String {
    let mut words = vec![
        letter(thread.state).to_owned(),
        format!("cpu {}", units::nanos(thread.cpu_ns)),
    ];
    words.extend(
        thread
            .stack_bytes
            .map(|bytes| format!("{} of stack", units::bytes(bytes))),
    );
    let since = thread.unchanged_since_unix_ns;
    words.extend(since.map(|since| format!("unchanged since {}", units::time_utc(since))));
    words.join(", ")
}

/// The scheduler's letter in the word that `threads` has for it.
fn letter(state: char) -> &'static str {
    match state {
        'R' => "run",
        'D' => "disk",
        'S' => "sleep",
        'T' | 't' => "stopped",
        'Z' | 'X' | 'x' => "dead",
        _ => "other",
    }
}

fn frame(frame: &FullFrame, place: usize) -> Row {
    let name = escape::one_line(&frame.name) + doubt(frame.uncertain);
    let name = format!("{:>4}  {name}", frame.number);
    row(tone(frame.app), two(0, &name, right(frame), place))
}

/// The source line, or at least the file that the code is in.
fn right(frame: &FullFrame) -> &str {
    match frame.place.is_empty() {
        true => &frame.module,
        false => &frame.place,
    }
}
