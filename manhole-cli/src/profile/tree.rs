//! Who calls whom: the stacks merged from their roots, the largest branch first.

use std::collections::HashMap;

use manhole::client::{Kind, Trouble};

use super::{
    Profile,
    amount::{Scale, percent},
    head,
};
use crate::plain::escape;

/// What is smaller than this share of the whole is only counted, in thousandths.
const SMALL: i64 = 5;
/// A tree of more branches takes too much memory, at some hundred bytes for each.
const MOST: usize = 4 << 20;
/// Deeper branches stand on one column.
const DEEPEST: usize = 40;

/// A function where it was called.
struct Node {
    function: u32,
    flat: i64,
    cum: i64,
    children: Vec<usize>,
}

/// The tree, at most `rows` lines of it.
///
/// # Errors
/// `Failed` when it has too many branches.
pub(crate) fn tree(profile: &Profile, index: usize, rows: usize) -> Result<String, Trouble> {
    let total = profile.total(index);
    let writer = Writer {
        profile,
        nodes: &grow(profile, index, MOST)?,
        total,
        scale: Scale::of(profile.unit(index), total, profile.whole.is_some()),
        least: (i128::from(total) * i128::from(SMALL) / 1000).unsigned_abs(),
    };
    Ok(head(profile, index) + &writer.text(rows))
}

/// The first node is the root of all; it stands for no function.
fn grow(profile: &Profile, index: usize, most: usize) -> Result<Vec<Node>, Trouble> {
    let node = |function| Node {
        function,
        flat: 0,
        cum: 0,
        children: Vec::new(),
    };
    let mut nodes = vec![node(u32::MAX)];
    let mut places: HashMap<(usize, u32), usize> = HashMap::new();
    for stack in &profile.stacks {
        let value = stack.value(index);
        let mut at = 0;
        for function in stack.frames.iter().rev() {
            let child = *places.entry((at, *function)).or_insert_with(|| {
                nodes.push(node(*function));
                let child = nodes.len() - 1;
                nodes[at].children.push(child);
                child
            });
            at = child;
            nodes[at].cum = nodes[at].cum.saturating_add(value);
        }
        nodes[at].flat = nodes[at].flat.saturating_add(value);
        if nodes.len() > most {
            let text = format!("the profile is too large for a tree: over {most} branches");
            return Err(Trouble::new(Kind::Failed, text).detail("--top shows it"));
        }
    }
    for at in 0..nodes.len() {
        let mut children = std::mem::take(&mut nodes[at].children);
        children.sort_by_key(|child| {
            let node = &nodes[*child];
            let size = std::cmp::Reverse(node.cum.unsigned_abs());
            (size, profile.name(node.function))
        });
        nodes[at].children = children;
    }
    Ok(nodes)
}

struct Writer<'a> {
    profile: &'a Profile,
    nodes: &'a [Node],
    total: i64,
    scale: Scale,
    least: u128,
}

impl Writer<'_> {
    fn text(&self, rows: usize) -> String {
        let mut text = String::from("       cum   cum%       flat   function\n");
        // What is still to be written, the next one last: a node and how far it is indented.
        let mut waiting = vec![(0, 0)];
        let (mut left, mut missing) = (rows, 0_usize);
        while let Some((at, depth)) = waiting.pop() {
            let node = &self.nodes[at];
            if at != 0 {
                if left == 0 {
                    missing += 1;
                    continue;
                }
                left -= 1;
                self.line(node, depth, &mut text);
            }
            let (large, small): (Vec<usize>, Vec<usize>) = node
                .children
                .iter()
                .partition(|child| self.is_large(**child));
            missing += small.len();
            // A function that does nothing but call one other needs no column of its own.
            let only = large.len() == 1 && node.flat == 0 && small.is_empty();
            let next = if at == 0 || only { depth } else { depth + 1 };
            waiting.extend(large.into_iter().rev().map(|child| (child, next)));
        }
        if missing > 0 {
            text.push_str(&format!("... {missing} more branches: --rows all\n"));
        }
        text
    }

    fn is_large(&self, at: usize) -> bool {
        u128::from(self.nodes[at].cum.unsigned_abs()) >= self.least.max(1)
    }

    fn line(&self, node: &Node, depth: usize, text: &mut String) {
        let flat = match node.flat {
            0 => ".".to_owned(),
            flat => self.scale.text(flat),
        };
        text.push_str(&format!(
            "{:>10}  {:>5} {flat:>10}   {:indent$}{}\n",
            self.scale.text(node.cum),
            percent(node.cum, self.total),
            "",
            escape(self.profile.name(node.function)),
            indent = depth.min(DEEPEST) * 2,
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::sample, *};

    fn check(stacks: &str, rows: usize, expected: &[&str]) {
        let text = tree(&sample(stacks), 0, rows).unwrap();
        let lines: Vec<&str> = text.lines().skip(3).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn branches_are_indented_and_chains_are_not() {
        check(
            "start;main;f;g 60\nstart;main;f 10\nstart;main;h 30",
            9,
            &[
                "       100  100.0          .   start",
                "       100  100.0          .   main",
                "        70   70.0         10     f",
                "        60   60.0         60       g",
                "        30   30.0         30     h",
            ],
        );
    }

    #[test]
    fn what_is_small_or_too_much_is_counted() {
        let stacks = "main;f 997\nmain;g 3";
        check(
            stacks,
            9,
            &[
                "     1,000  100.0          .   main",
                "       997   99.7        997     f",
                "... 1 more branches: --rows all",
            ],
        );
        check(
            "a 2\nb 1\nc 1",
            1,
            &[
                "         2   50.0          2   a",
                "... 2 more branches: --rows all",
            ],
        );
    }

    #[test]
    fn a_tree_that_takes_too_much_memory_is_refused() {
        let profile = sample("a;b 1\nc;d 1");
        assert_eq!(grow(&profile, 0, 5).map(|nodes| nodes.len()), Ok(5));
        let trouble = grow(&profile, 0, 4).err().unwrap();
        assert!(trouble.text.contains("over 4 branches"), "{trouble}");
    }

    #[test]
    fn a_stack_may_be_deep() {
        let deep = vec!["f"; 100_000].join(";") + " 1";
        let text = tree(&sample(&deep), 0, usize::MAX).unwrap();
        assert_eq!(text.lines().count(), 100_003);
    }
}
