//! Samples as an answer: made by the same code in the process, and in the client that has named them
//! from the binary on its disk.

use super::{
    code, remarks,
    tables::{self, Scale},
    top, tree,
    verdict::verdict,
    walk::Walk,
};
use crate::{
    model::{
        Answer, Block,
        samples::{Report, Samples},
        wish::{Kind, Wish},
    },
    names,
    render::{units, words::plural},
};

/// The answer of `cpu` and its like. `source` says where names come from, if not from the process
/// itself.
pub fn answer(samples: Samples, wish: Wish, source: Option<&str>) -> Answer {
    let mut about = about(&samples.report, wish.kind);
    about.push_str(&format!(", {}", plural(samples.report.threads, "thread")));
    if let Some(source) = source {
        about.push_str(&format!("; names {source}"));
    }
    let mut answer = Answer::about(about);
    fill(&mut answer, &samples, &wish);
    answer.push(Block::Samples(Box::new((samples, wish))));
    answer
}

/// `5 s at 99 Hz`: what is known before it begins.
pub(crate) fn about(report: &Report, kind: Kind) -> String {
    let window = units::nanos(report.window_ns);
    let looks = match kind {
        Kind::Cpu => "",
        Kind::Wall | Kind::Block | Kind::Mutex => " and thread",
    };
    format!("{window} at {} Hz{looks}", report.asked_hz)
}

fn fill(answer: &mut Answer, samples: &Samples, wish: &Wish) {
    let walk = Walk::of(samples, wish);
    let scale = Scale {
        kind: wish.kind,
        window_ns: samples.report.window_ns,
        total_ns: walk.ns,
    };
    let rows = code::rows(&walk);
    let most = wish.rows.unwrap_or(usize::MAX);
    answer.verdict = Some(verdict(&walk, &rows, &scale, &samples.report, wish));
    if wish.kind == Kind::Wall {
        answer
            .blocks
            .extend(tables::classes(&walk, &scale).map(Block::Table));
    }
    if !rows.is_empty() {
        answer.push(Block::Table(code::table(&walk, &rows, &scale, most)));
    }
    if !walk.stacks.is_empty() {
        answer.push(Block::Table(match wish.tree {
            true => {
                let amount = |ns| scale.amount(ns);
                tree::table(&walk, tables::tree(&scale, &amount), most)
            }
            false => top::table(&walk, &scale, most),
        }));
    }
    let all_ns = samples.weights.iter().map(|weight| weight.ns).sum();
    answer.note(remarks::remarks(&walk, all_ns, &samples.report, wish.kind));
    if !samples.dump.threads.is_empty() {
        let advice = names::advice(&samples.dump.names).unwrap_or_default();
        advice.lines().for_each(|line| answer.note(line));
    }
    answer.next = next(wish, &walk);
}

/// Commands for this very state.
fn next(wish: &Wish, walk: &Walk<'_>) -> Vec<String> {
    let name = wish.kind.name();
    let mut next = Vec::new();
    if walk.stacks.is_empty() {
        next.push("threads".to_owned());
        return next;
    }
    next.push(match wish.tree {
        true => format!("{name} 5"),
        false => format!("{name} 5 --format tree"),
    });
    match wish.kind {
        Kind::Cpu => next.push("wall 5".to_owned()),
        Kind::Wall => next.push("mutex 5".to_owned()),
        Kind::Block | Kind::Mutex => next.push("stacks".to_owned()),
    }
    next
}
