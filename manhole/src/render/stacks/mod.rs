//! Stacks for people, in at most 100 columns, and for programs.
//!
//! A line says what it is, so that the client can show the application's frames bold and the folded
//! ones dim without reading the text again.

mod full;
mod json;
mod wrap;

pub(super) use json::json;

use super::escape;
use crate::model::{
    Failure,
    stack::{Folded, Group, Line, Section},
};
use wrap::{LEAST, WIDTH, wrapped};

/// What a line shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// What threads have in common, and which they are.
    Head,
    /// A function of the application.
    App,
    /// A function of others that is worth reading, or a remark in its place.
    Foreign,
    /// A run of functions that are not.
    Folded,
    /// Nothing: it stands between two groups.
    Blank,
}

/// A line of text without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it shows.
    pub tone: Tone,
    /// Escaped.
    pub text: String,
}

/// Where frames begin.
const INDENT: usize = 8;
/// Where the files begin, unless a long name or file moves them.
const PLACE: usize = 59;
/// The least room for names of functions.
const FUNCTIONS: usize = 40;
/// The least room for names of threads, so that tids mostly stand below one another.
const NAMES: usize = 10;
/// Most lines of tids, and of a summary.
const LINES: usize = 2;

/// Hands the lines of `folded` to `sink`, a section or a thread at a time.
///
/// # Errors
/// As `sink`.
pub fn each_row(
    folded: &Folded,
    sink: &mut dyn FnMut(Row) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut above = false;
    let mut part = |write: &dyn Fn(&mut Vec<Row>)| {
        let mut rows = Vec::new();
        if std::mem::replace(&mut above, true) {
            rows.push(row(Tone::Blank, String::new()));
        }
        write(&mut rows);
        rows.into_iter().try_for_each(&mut *sink)
    };
    for section in &folded.sections {
        part(&|rows| self::section(section, rows))?;
    }
    for thread in &folded.full {
        part(&|rows| full::thread(thread, rows))?;
    }
    Ok(())
}

/// All of them.
#[cfg(test)]
pub fn rows(folded: &Folded) -> Vec<Row> {
    let mut rows = Vec::new();
    let all = each_row(folded, &mut |row| {
        rows.push(row);
        Ok(())
    });
    assert_eq!(all, Ok(()));
    rows
}

fn row(tone: Tone, text: String) -> Row {
    Row { tone, text }
}

fn section(section: &Section, rows: &mut Vec<Row>) {
    let threads = match section.threads {
        1 => "1 thread".to_owned(),
        count => format!("{} threads", super::units::count(count as u64)),
    };
    let mut head = format!("{}   {threads}", escape::one_line(&section.title));
    if !section.remark.is_empty() {
        head.push_str(", ");
        head.push_str(&escape::one_line(&section.remark));
    }
    match section.summary.is_empty() {
        true => rows.push(row(Tone::Head, head)),
        false => {
            let summary = escape::one_line(&section.summary);
            let words = summary.split_inclusive(", ");
            let lines = wrapped(&format!("{head}: "), INDENT, words, usize::MAX);
            rows.extend(lines.into_iter().map(|line| row(Tone::Head, line)));
        }
    }
    let names = section.groups.iter().map(|group| width(&group.names));
    let names = names.max().unwrap_or(0).clamp(NAMES, WIDTH / 2);
    for group in &section.groups {
        self::group(group, names, rows);
    }
}

/// How wide a text is once it is escaped.
fn width(text: &str) -> usize {
    escape::one_line(text).chars().count()
}

/// `   5  blocking    4753 4767   sleeps`, then the frames.
fn group(group: &Group, names: usize, rows: &mut Vec<Row>) {
    let name = escape::one_line(&group.names);
    let count = super::units::count(group.tids.len() as u64);
    let lead = format!("{count:>4}  {name:<names$}  ");
    let tids = group.tids.iter().map(|tid| format!("{tid} "));
    let tids: Vec<String> = tids.collect();
    let indent = 6 + names + 2;
    let ids = |lead: &str| wrapped(lead, indent, tids.iter().map(String::as_str), LINES);
    let mut lines = match lead.chars().count() + LEAST <= WIDTH {
        true => ids(&lead),
        // Long names have a line for themselves.
        false => [vec![lead.trim_end().to_owned()], ids(&" ".repeat(indent))].concat(),
    };
    let doing = escape::one_line(&group.doing);
    match lines.last_mut() {
        Some(last) if last.chars().count() + 3 + doing.chars().count() <= WIDTH => {
            last.push_str(&format!("   {doing}"));
            last.truncate(last.trim_end().len());
        }
        _ => lines.push(format!("{:indent$}{doing}", "")),
    }
    rows.extend(lines.into_iter().map(|line| row(Tone::Head, line)));
    let frames = group.lines.iter().filter_map(|line| match line {
        Line::Frame { name, place, .. } if !place.is_empty() => Some((width(name), width(place))),
        _ => None,
    });
    let place = place(INDENT, frames);
    rows.extend(group.lines.iter().map(|line| self::line(line, place)));
}

/// Where the files of a stack begin, given the widths of its names and files: further right when a
/// name needs it, further left when a file does, as long as both have room.
fn place(indent: usize, frames: impl Iterator<Item = (usize, usize)>) -> usize {
    let (name, place) = frames.fold((0, 0), |(name, place), frame| {
        (name.max(frame.0), place.max(frame.1))
    });
    let room = WIDTH.saturating_sub(place).max(FUNCTIONS);
    PLACE.max(indent + name + 2).min(room)
}

fn line(line: &Line, place: usize) -> Row {
    match line {
        Line::Frame {
            name,
            place: file,
            remark,
            app,
            uncertain,
        } => {
            let right = if file.is_empty() { remark } else { file };
            let name = escape::one_line(name) + doubt(*uncertain);
            row(tone(*app), two(INDENT, &name, right, place))
        }
        Line::Folded {
            count,
            of,
            role,
            top,
        } => row(
            Tone::Folded,
            folded(*count, of, role.as_deref(), top, place),
        ),
        Line::Remark(text) => {
            let text = escape::one_line(text);
            row(Tone::Foreign, format!("{:INDENT$}{text}", ""))
        }
    }
}

fn tone(app: bool) -> Tone {
    match app {
        true => Tone::App,
        false => Tone::Foreign,
    }
}

/// The mark of a frame that may not be a caller at all.
fn doubt(uncertain: bool) -> &'static str {
    match uncertain {
        true => " (?)",
        false => "",
    }
}

/// A name behind `indent` columns, and what belongs to it at column `place`, or further left when it
/// would not fit there.
fn two(indent: usize, name: &str, right: &str, place: usize) -> String {
    let mut line = format!("{:indent$}{name}", "");
    if !right.is_empty() {
        let place = place.min(WIDTH.saturating_sub(width(right)));
        let padding = place.saturating_sub(line.chars().count()).max(2);
        line.extend(std::iter::repeat_n(' ', padding));
        line.push_str(&escape::one_line(right));
    }
    line
}

/// `… 27 of axum, tower, hyper (worker)`, with the functions on top on the right.
fn folded(count: usize, of: &[String], role: Option<&str>, top: &[String], place: usize) -> String {
    let role = role.map_or(String::new(), |role| {
        format!(" ({})", escape::one_line(role))
    });
    let mut left = format!("… {}", super::units::count(count as u64));
    // What does not fit beside the right-hand side is counted.
    let room = match top.is_empty() {
        true => WIDTH,
        false => place.saturating_sub(2),
    };
    let fits = |left: &str, name: &str| {
        INDENT + width(left) + width(name) + " and 99 more".len() + width(&role) <= room
    };
    for (at, name) in of.iter().enumerate() {
        if at > 0 && !fits(&left, name) {
            left.push_str(&format!(" and {} more", of.len() - at));
            break;
        }
        left.push_str(match name.starts_with("and ") {
            _ if at == 0 => " of ",
            true => " ",
            false => ", ",
        });
        left.push_str(&escape::one_line(name));
    }
    two(INDENT, &(left + &role), &top.join(", "), place)
}

#[cfg(test)]
mod tests;
