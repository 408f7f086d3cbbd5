//! By function: how much is spent in it, and how much in it and what it calls.

use super::{
    tables::{Scale, more},
    walk::Walk,
};
use crate::model::{Cell, Column, Table, order, wish::Kind};
use std::cmp::Reverse;

/// What was met of a function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    number: u32,
    flat: u64,
    cum: u64,
    /// The last stack that was added: a function that calls itself counts once in each.
    last: usize,
}

/// The functions, most time of their own first.
pub(super) fn table(walk: &Walk<'_>, scale: &Scale, most: usize) -> Table {
    let sums = sums(walk);
    let columns = [
        Column::new("flat_ns", "flat"),
        Column::new("flat_percent", "flat%"),
        Column::new("sum_percent", "sum%"),
        Column::new("cum_ns", "cum"),
        Column::new("cum_percent", "cum%"),
        Column::new("function", "function"),
        Column::json("place"),
    ];
    let title = match scale.kind {
        Kind::Wall => {
            "BY FUNCTION   flat = in itself, cum = with what it calls; without idle threads"
        }
        _ => "BY FUNCTION   flat = in itself, cum = with what it calls",
    };
    let mut table = Table::new("top", columns).titled(title);
    let mut sum = 0;
    for of in sums.iter().take(most) {
        sum += of.flat;
        let function = walk.function(of.number);
        let text = |text: Option<String>| match text.filter(|text| !text.is_empty()) {
            Some(text) => Cell::Text(text),
            None => Cell::Empty,
        };
        table.row([
            Cell::Seconds(of.flat),
            Cell::Percent(scale.share(of.flat)),
            Cell::Percent(scale.share(sum)),
            Cell::Seconds(of.cum),
            Cell::Percent(scale.share(of.cum)),
            text(function.map(|function| function.name.clone())),
            text(function.map(super::walk::Function::place)),
        ]);
    }
    table.more = more(sums.len(), most);
    table
}

fn sums(walk: &Walk<'_>) -> Vec<Sum> {
    let numbers = (0..walk.functions.len()).filter_map(|number| u32::try_from(number).ok());
    let mut sums: Vec<Sum> = numbers
        .map(|number| Sum {
            number,
            ..Sum::default()
        })
        .collect();
    for (at, stack) in walk.busy().enumerate() {
        let leaf = stack.functions.first().copied();
        for number in stack.functions.iter() {
            let Some(sum) = sums.get_mut(*number as usize) else {
                continue;
            };
            if sum.last != at + 1 {
                sum.last = at + 1;
                sum.cum += stack.ns;
            }
        }
        if let Some(sum) = leaf.and_then(|leaf| sums.get_mut(leaf as usize)) {
            sum.flat += stack.ns;
        }
    }
    sums.retain(|sum| sum.cum > 0);
    order::sort_by_key(&mut sums, |sum| (Reverse(sum.flat), Reverse(sum.cum)));
    sums
}
