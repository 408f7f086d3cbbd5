//! Sorting without a copy of std's sort for every type that is sorted.
//!
//! Each use of `slice::sort_by` adds about 10 KB of code to every service that embeds us. Our lists
//! are short, so one sort of positions behind a function pointer serves them all.

use std::cmp::Ordering;

/// Sorts by `compare`; equal items keep their order.
pub(crate) fn sort_by<T>(list: &mut [T], mut compare: impl FnMut(&T, &T) -> Ordering) {
    let mut targets = targets(list.len(), &mut |a, b| match (list.get(a), list.get(b)) {
        (Some(a), Some(b)) => compare(a, b),
        _ => Ordering::Equal,
    });
    // Each swap brings one item to its place, so there are fewer swaps than items.
    for at in 0..list.len() {
        while let Some(&target) = targets.get(at).filter(|target| **target != at) {
            list.swap(at, target);
            targets.swap(at, target);
        }
    }
}

/// Sorts by what `key` says of each item; equal items keep their order.
pub(crate) fn sort_by_key<T, K: Ord>(list: &mut [T], mut key: impl FnMut(&T) -> K) {
    sort_by(list, |a, b| key(a).cmp(&key(b)));
}

/// For each of `count` positions: where its item belongs.
fn targets(count: usize, compare: &mut dyn FnMut(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|a, b| compare(*a, *b));
    let mut targets = vec![0; count];
    for (target, from) in order.into_iter().enumerate() {
        if let Some(slot) = targets.get_mut(from) {
            *slot = target;
        }
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cmp::Reverse;

    #[test]
    fn the_order_is_that_of_a_stable_sort() {
        // A fixed sequence that looks random, with many equal keys.
        let mut seed = 7_u64;
        let mut next = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % 50
        };
        for count in [0, 1, 2, 3, 10, 100, 1000] {
            let list: Vec<(u64, usize)> = (0..count).map(|at| (next(), at)).collect();
            let (mut ours, mut stds) = (list.clone(), list);
            sort_by_key(&mut ours, |item| Reverse(item.0));
            stds.sort_by_key(|item| Reverse(item.0));
            assert_eq!(ours, stds);
            sort_by(&mut ours, |a, b| a.0.cmp(&b.0));
            stds.sort_by_key(|item| item.0);
            assert_eq!(ours, stds);
        }
    }
}
