//! Answers when no large piece of memory can be had: they are given all the same, or `no-memory` is.

use super::{testing::context, *};
use crate::{
    app::vars,
    model::{Block, Cell, Code, Column, Dialect, Table},
    sys::{short_of_memory::refusing, testing::in_a_child},
};
use serde_json::json;

/// From this size on a request may be refused.
const LARGE: usize = 64 << 10;

/// What a reply came to, without keeping it.
#[derive(Default)]
struct Sum {
    bytes: usize,
    largest: usize,
    end: Option<Result<(), Code>>,
}

impl Sink for Sum {
    fn send(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Text { chunk, .. } | Event::Bytes { chunk, .. } => {
                self.bytes += chunk.len();
                self.largest = self.largest.max(chunk.len());
            }
            Event::End(result) => self.end = Some(result.map_err(|failure| failure.code)),
            Event::Progress { .. } | Event::Outcome { .. } => {}
        }
        Ok(())
    }
}

/// In a child: what `make` returns is rendered as text and as JSON, each at least `bytes` long.
#[track_caller]
fn check(bytes: usize, make: impl Fn() -> Answer) {
    in_a_child(|| {
        // Numbers only: in a forked child nobody calls closures that other tests published.
        let ctx = context(Level::View);
        [false, true].into_iter().all(|json| {
            let answer = make();
            let style = Style {
                json,
                ..Style::default()
            };
            let sum = refusing(LARGE, || {
                let mut sum = Sum::default();
                let provenance = ctx.state.provenance("test");
                let done = Reply::new(&mut sum, style, provenance).answer(answer);
                done.is_ok().then_some(sum)
            });
            sum.is_some_and(|sum| sum.bytes >= bytes && sum.largest <= 32 << 10)
        })
    });
}

#[test]
fn no_text_is_too_large() {
    const SIZE: usize = 2 << 20;
    let hostile = || "\u{1b}[2J\u{202e} \u{20ac} ".repeat(SIZE / 14);
    let answer = |block: Block| {
        let mut answer = Answer::about("all of it");
        answer.push(block);
        answer
    };
    check(SIZE, || answer(Block::Text("x y\n".repeat(SIZE / 4))));
    check(SIZE, || answer(Block::Text(hostile())));
    check(SIZE, || answer(Block::Value(Cell::Text(hostile()))));
    check(SIZE, || {
        let json = json!({"a": hostile(), "b": vec![1; 2000]});
        answer(Block::Value(Cell::Json(json)))
    });
    check(SIZE, || {
        let mut table = Table::new("t", [Column::new("a", "a"), Column::new("b", "b")]);
        table.row([Cell::Text(hostile()), Cell::Text(" ".repeat(SIZE))]);
        table.row([Cell::Json(hostile().into()), Cell::Unknown]);
        answer(Block::Table(table))
    });
}

#[test]
fn a_table_is_given_whole_or_not_at_all() {
    let table = |rows: u64| {
        let columns = ["a", "b", "c", "d"].map(|name| Column::new(name, name));
        let mut table = Table::new("rows", columns);
        for row in 0..rows {
            let text = || Cell::Text("x".repeat(20));
            table.row([Cell::Id(row), text(), text(), text()]);
        }
        let mut answer = Answer::short();
        answer.push(Block::Table(table));
        answer
    };
    check(2000 * 60, || table(2000));
    check(10_000 * 60, || table(10_000));
    in_a_child(|| {
        // Numbers only: in a forked child nobody calls closures that other tests published.
        let ctx = context(Level::View);
        refusing(LARGE, || {
            let mut sum = Sum::default();
            let mut reply = Reply::new(&mut sum, Style::default(), ctx.state.provenance("test"));
            let failure = reply.answer(table(10_000));
            failure.is_err_and(|failure| failure.code == Code::NoMemory) && sum.bytes == 0
        })
    });
}

/// What a line, or a path of HTTP, answers in a process with `count` variables more.
fn asked(line: &str, count: usize) -> Sum {
    for number in 0..count {
        let name: &'static str = Box::leak(format!("test.memory.{number:05}").into_boxed_str());
        let counter = Box::leak(Box::new(vars::Counter::new(name)));
        counter.add(1);
    }
    // Numbers only: in a forked child nobody calls closures that other tests published.
    let ctx = context(Level::View);
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let mut sum = Sum::default();
    let entry = Entry {
        caller: ctx.caller.clone(),
        admitted: true,
        changes: false,
        client: None,
        dialect: Dialect::Text,
        line: line.to_owned(),
    };
    refusing(LARGE, || {
        match endpoints().find(|endpoint| endpoint.path == line) {
            Some(endpoint) => serve(
                endpoint.path,
                &ctx,
                &entry,
                &mut sum,
                Style::default(),
                |reply| (endpoint.run)(&ctx, &Query::default(), reply),
            ),
            None => {
                if let Ok(call) = admit(&words, &ctx) {
                    execute(&call, &ctx, Style::default(), &entry, &mut sum);
                }
            }
        }
    });
    sum
}

#[test]
fn many_variables_are_shown_or_it_is_said_that_there_is_no_memory_for_them() {
    let lines = ["vars", "vars --json", "/metrics", "/debug/vars"];
    let told = |line: &str, count: usize, accepted: &[Result<(), Code>]| {
        in_a_child(|| {
            let sum = asked(line, count);
            let enough = sum.end != Some(Ok(())) || sum.bytes > 16 * count;
            enough && sum.end.is_some_and(|end| accepted.contains(&end))
        });
    };
    for line in lines {
        told(line, 100, &[Ok(())]);
        told(line, 3000, &[Ok(()), Err(Code::NoMemory)]);
    }
}
