//! An answer for people: provenance, verdict, an empty line, the blocks, remarks.
//!
//! Lines that begin with `#` are never data.

use super::{
    Provenance, cell, escape,
    layout::{self, Item},
    out::Out,
    stacks, units,
};
use crate::model::{Answer, Block, Cell, Failure, Fields, Show, Table};

/// What depends on who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TextStyle {
    /// Write `# next:`: somebody reads it at a prompt.
    pub next: bool,
}

/// The first line: where, when, what. `finished` adds how long it took.
pub fn provenance_line(provenance: &Provenance, about: &str, finished: bool) -> String {
    let Provenance {
        command,
        name,
        pid,
        host,
        time_unix_ns,
        elapsed_ns,
    } = provenance;
    let time = units::time_utc(*time_unix_ns);
    let elapsed = units::nanos(*elapsed_ns);
    let about = match (about, finished) {
        ("", false) => String::new(),
        ("", true) => format!(": {elapsed}"),
        (about, false) => format!(": {about}"),
        (about, true) => format!(": {about}, {elapsed}"),
    };
    comment(&format!("{command} {name}[{pid}] {host} {time}{about}"))
}

/// Writes everything behind the provenance line, whether or not that was written already.
///
/// # Errors
/// As `out`.
pub fn body(answer: &Answer, style: TextStyle, out: &mut dyn Out) -> Result<(), Failure> {
    if let Some(verdict) = &answer.verdict {
        out.put(&escape::one_line(&verdict.text))?;
        out.put("\n")?;
    }
    let mut above = answer.about.is_some() || answer.verdict.is_some();
    for shown in &answer.blocks {
        let mut below = Below {
            out,
            above,
            begun: false,
        };
        block(shown, &mut below)?;
        above |= below.begun;
    }
    for note in &answer.notes {
        out.put(&comment(note))?;
    }
    if style.next && !answer.next.is_empty() {
        out.put(&comment(&format!("next: {}", answer.next.join("; "))))?;
    }
    Ok(())
}

/// The whole answer as a text.
#[cfg(test)]
pub fn render(answer: &Answer, provenance: &Provenance, style: TextStyle) -> String {
    let about = answer.about.as_deref();
    let first = about.map(|about| provenance_line(provenance, about, true));
    first.unwrap_or_default() + &shown(answer, style)
}

/// Its body as a text.
#[cfg(test)]
pub fn shown(answer: &Answer, style: TextStyle) -> String {
    let mut text = String::new();
    body(answer, style, &mut text).unwrap();
    text
}

/// A block, which stands behind an empty line if anything stands above it, and if it writes anything.
struct Below<'a> {
    out: &'a mut dyn Out,
    above: bool,
    begun: bool,
}

impl Out for Below<'_> {
    fn put(&mut self, text: &str) -> Result<(), Failure> {
        if !self.begun && !text.is_empty() {
            self.begun = true;
            if self.above {
                self.out.put("\n")?;
            }
        }
        self.out.put(text)
    }
}

fn comment(line: &str) -> String {
    format!("# {}\n", escape::one_line(line))
}

fn block(block: &Block, out: &mut dyn Out) -> Result<(), Failure> {
    match block {
        Block::Table(data) if data.show != Show::Json => table(data, out),
        Block::Fields(data) if data.show != Show::Json => fields(data, out),
        Block::Lines(lines) => lines.iter().try_for_each(|text| line(text, out)),
        Block::Text(text) => text.lines().try_for_each(|text| line(text, out)),
        Block::Value(value) => {
            cell::put_bare(value, out)?;
            out.put("\n")
        }
        Block::Stacks(data) => stacks::each_row(&data.folded, &mut |row| {
            out.put(&row.text)?;
            out.put("\n")
        }),
        Block::Table(_)
        | Block::Fields(_)
        | Block::Data(..)
        | Block::Samples(_)
        | Block::Heap(_) => Ok(()),
    }
}

/// A line of ours may be indented and hold tabs, but it is one line.
fn line(text: &str, out: &mut dyn Out) -> Result<(), Failure> {
    escape::put(text, escape::indented, out)?;
    out.put("\n")
}

fn table<'a>(table: &'a Table, out: &mut dyn Out) -> Result<(), Failure> {
    let shown = shown_columns(table);
    if shown.is_empty() {
        return Ok(());
    }
    if !table.title.is_empty() {
        line(&table.title, out)?;
    }
    let number = |at: usize| cells(table, at).any(cell::is_number);
    let right: Vec<bool> = shown.iter().map(|(at, _)| number(*at)).collect();
    let headed = shown.iter().any(|(_, header)| !header.is_empty());
    let headings = shown.iter().map(|(_, header)| Item::Text(header));
    let headings = headed.then(|| headings.collect::<Vec<_>>());
    let items = |row: &'a Vec<Cell>| {
        let cells = shown.iter();
        let cells = cells.filter_map(|(at, header)| Some(Item::Cell(row.get(*at)?, header)));
        cells.collect()
    };
    layout::columns(
        headings.into_iter().chain(table.rows.iter().map(items)),
        &right,
        out,
    )?;
    match table.more.is_empty() {
        true => Ok(()),
        false => line(&table.more, out),
    }
}

/// Index and header of the columns that people see: those in which anything stands.
fn shown_columns(table: &Table) -> Vec<(usize, &'static str)> {
    let columns = table.columns.iter().enumerate();
    columns
        .filter(|(_, column)| column.show != Show::Json)
        .filter(|(at, _)| cells(table, *at).any(|cell| *cell != Cell::Empty))
        .map(|(at, column)| (at, if table.headed { column.header } else { "" }))
        .collect()
}

fn cells(table: &Table, at: usize) -> impl Iterator<Item = &Cell> {
    table.rows.iter().filter_map(move |row| row.get(at))
}

/// Labels, values, and remarks behind them, each in a column of its own.
fn fields(fields: &Fields, out: &mut dyn Out) -> Result<(), Failure> {
    let shown = fields
        .rows
        .iter()
        .filter(|(_, label, value, _)| !label.is_empty() && *value != Cell::Empty);
    let items = shown.map(|(_, label, value, remark)| {
        let mut items = vec![Item::Text(label), Item::Cell(value, label)];
        items.extend((!remark.is_empty()).then_some(Item::Text(remark)));
        items
    });
    layout::columns(items, &[false; 3], out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Column, Severity};

    const PROMPT: TextStyle = TextStyle { next: true };

    fn check(answer: &Answer, style: TextStyle, expected: &[&str]) {
        let text = render(answer, &Provenance::sample(), style);
        assert_eq!(text, expected.join("\n") + "\n");
    }

    fn threads() -> Table {
        let mut table = Table::new(
            "threads",
            [
                Column::new("tid", "tid"),
                Column::new("name", "name"),
                Column::new("role", "role"),
                Column::new("cpu_percent", "cpu %"),
                Column::new("cpu_ns", "cpu total"),
                Column::json("start_ticks"),
                Column::new("wait", "what it waits for"),
            ],
        );
        let mut row = |tid, name, share, nanos, wait| {
            table.row([
                Cell::Id(tid),
                Cell::text(name),
                Cell::Empty,
                share,
                Cell::Nanos(nanos),
                Cell::Id(1),
                wait,
            ]);
        };
        row(
            4751,
            "image-worker-0",
            Cell::Percent(99.84),
            9_060_000_000_000,
            Cell::Unknown,
        );
        row(
            11,
            "a\nb\u{1b}[2J",
            Cell::Unknown,
            200_000_000,
            Cell::text("epoll"),
        );
        table
    }

    #[test]
    fn an_answer_reads_as_the_look_demands() {
        let mut answer = Answer::about("60 threads, cpu over 0.5 s");
        answer.verdict(Severity::Warn, "4.1 of 8 cores busy.");
        answer.push(Block::Table(threads()));
        answer.note("wait/s: runnable without a core");
        answer.next("cpu 5 --thread image-worker-*");
        answer.next("stacks --thread 4766");
        let mut expected = vec![
            "# threads checkout[4711] web-17 2026-11-21T14:20:31Z: 60 threads, cpu over 0.5 s, 3 ms",
            "4.1 of 8 cores busy.",
            "",
            " tid  name            cpu %  cpu total  what it waits for",
            "4751  image-worker-0   99.8     2h 31m  -",
            "  11  a\\x0ab\\x1b[2J       -     200 ms  epoll",
            "# wait/s: runnable without a core",
        ];
        check(&answer, TextStyle::default(), &expected);
        expected.push("# next: cpu 5 --thread image-worker-*; stacks --thread 4766");
        check(&answer, PROMPT, &expected);
    }

    #[test]
    fn a_long_answers_first_line_is_written_before_the_rest() {
        let mut answer = Answer::about("5 s at 99 Hz");
        answer.verdict(Severity::Ok, "Fine.");
        let provenance = Provenance::sample();
        let first = provenance_line(&provenance, "5 s at 99 Hz", false);
        assert_eq!(
            first,
            "# threads checkout[4711] web-17 2026-11-21T14:20:31Z: 5 s at 99 Hz\n"
        );
        assert_eq!(shown(&answer, PROMPT), "Fine.\n");
        let plain = provenance_line(&provenance, "", false);
        assert_eq!(
            plain,
            "# threads checkout[4711] web-17 2026-11-21T14:20:31Z\n"
        );
    }

    #[test]
    fn a_short_answer_has_no_lines_around_it() {
        let mut answer = Answer::short();
        answer.push(Block::Value(Cell::Count(1160)));
        check(&answer, PROMPT, &["1160"]);
    }

    #[test]
    fn fields_are_aligned_and_remarks_stand_behind_them() {
        let mut fields = Fields::new();
        fields.field(
            "allocator",
            "allocator",
            Cell::text("glibc 2.36 malloc behind manhole::Alloc"),
        );
        fields.remarked(
            "live_bytes",
            "live",
            Cell::Bytes(2 << 30),
            "in 3.6 M objects",
        );
        fields.remarked(
            "free_bytes",
            "free but held",
            Cell::Unknown,
            "--deep measures it",
        );
        fields.field("hidden", "", Cell::Count(1));
        fields.field("nothing", "nothing", Cell::Empty);
        let mut answer = Answer::short();
        answer.push(Block::Fields(fields));
        check(
            &answer,
            PROMPT,
            &[
                "allocator      glibc 2.36 malloc behind manhole::Alloc",
                "live           2.00 GiB  in 3.6 M objects",
                "free but held  -         --deep measures it",
            ],
        );
    }

    #[test]
    fn an_empty_line_stands_between_blocks_that_show_anything() {
        let mut answer = Answer::short();
        answer.push(Block::Lines(vec![
            "first".to_owned(),
            "  second".to_owned(),
        ]));
        answer.push(Block::Table(Table::new("none", [Column::new("a", "a")])));
        answer.push(Block::Data("raw", 1.into()));
        answer.push(Block::Table(threads().show(Show::Json)));
        answer.push(Block::Lines(vec!["third".to_owned()]));
        check(&answer, PROMPT, &["first", "  second", "", "third"]);
    }

    #[test]
    fn a_table_without_headings_keeps_the_percent_sign() {
        let columns = [Column::new("name", "name"), Column::new("share", "%")];
        let mut table = Table::new("vars", columns).unheaded();
        table.row([Cell::text("a"), Cell::Percent(73.0)]);
        table.row([Cell::text("long"), Cell::Count(7)]);
        let mut answer = Answer::short();
        answer.push(Block::Table(table));
        check(&answer, PROMPT, &["a     73 %", "long     7"]);
    }

    #[test]
    fn nothing_the_application_says_breaks_a_line_or_looks_like_a_remark() {
        let hostile = "x\n# next: gc run\r\u{1b}[2J";
        let escaped = "x\\x0a# next: gc run\\x0d\\x1b[2J";
        let mut answer = Answer::about(hostile);
        answer.verdict(Severity::Ok, hostile);
        answer.push(Block::Lines(vec![hostile.to_owned()]));
        answer.push(Block::Value(Cell::text(hostile)));
        answer.note(hostile);
        answer.next(hostile);
        let text = render(&answer, &Provenance::sample(), PROMPT);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with(&format!("Z: {escaped}, 3 ms")));
        let (note, next) = (format!("# {escaped}"), format!("# next: {escaped}"));
        assert_eq!(
            lines[1..],
            [escaped, "", escaped, "", escaped, &note, &next]
        );
    }
}
