//! What each function took: in itself (flat), and with what it calls (cum).

use super::Profile;

/// The figures of one function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    /// Index of its name.
    pub(super) function: u32,
    /// In itself.
    pub(super) flat: i64,
    /// With what it calls; recursion is counted once.
    pub(super) cum: i64,
}

/// The functions of a profile, the largest first; those without any figure are left out.
pub(super) fn sums(profile: &Profile, index: usize) -> Vec<Sum> {
    let mut sums: Vec<Sum> = (0..profile.names.len())
        .map(|function| Sum {
            function: function as u32,
            flat: 0,
            cum: 0,
        })
        .collect();
    // The last stack that each function was seen in, counted from 1.
    let mut seen = vec![0_usize; sums.len()];
    for (number, stack) in profile.stacks.iter().enumerate() {
        let value = stack.value(index);
        for (depth, function) in stack.frames.iter().enumerate() {
            let at = *function as usize;
            let (Some(sum), Some(seen)) = (sums.get_mut(at), seen.get_mut(at)) else {
                continue;
            };
            if depth == 0 {
                sum.flat = sum.flat.saturating_add(value);
            }
            if std::mem::replace(seen, number + 1) != number + 1 {
                sum.cum = sum.cum.saturating_add(value);
            }
        }
    }
    sums.retain(|sum| sum.flat != 0 || sum.cum != 0);
    let size = |value: i64| std::cmp::Reverse(value.unsigned_abs());
    sums.sort_by_key(|sum| (size(sum.flat), size(sum.cum), profile.name(sum.function)));
    sums
}

#[cfg(test)]
mod tests {
    use super::{super::tests::sample, *};

    #[test]
    fn recursion_counts_once_and_leaves_count_flat() {
        let profile = sample("main;f;f 3\nmain;f;g 4\nmain 1\nmain;zero 0");
        let text: Vec<String> = sums(&profile, 0)
            .iter()
            .map(|sum| format!("{} {} {}", profile.name(sum.function), sum.flat, sum.cum))
            .collect();
        assert_eq!(text, ["g 4 4", "f 3 7", "main 1 8"]);
    }

    #[test]
    fn sums_do_not_overflow() {
        let most = i64::MAX;
        let profile = sample(&format!("a {most}\na {most}\nb -{most}\nb -{most}"));
        let figures: Vec<i64> = sums(&profile, 0).iter().map(|sum| sum.flat).collect();
        assert_eq!(figures, [i64::MIN, most]);
        assert_eq!(profile.total(0), most);
    }
}
