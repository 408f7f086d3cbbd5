//! The functions that took most, as a table.

use manhole::client::units;

use super::{
    Profile,
    amount::{Scale, percent},
    head,
    sums::sums,
};
use crate::plain::escape;

/// The table, at most `rows` lines of it.
pub(crate) fn top(profile: &Profile, index: usize, rows: usize) -> String {
    let total = profile.total(index);
    let scale = Scale::of(profile.unit(index), total, profile.whole.is_some());
    let sums = sums(profile, index);
    let mut text = head(profile, index);
    text.push_str("      flat  flat%   sum%        cum   cum%   function\n");
    let mut above = 0_i64;
    for sum in sums.iter().take(rows) {
        above = above.saturating_add(sum.flat);
        text.push_str(&format!(
            "{:>10}  {:>5}  {:>5} {:>10}  {:>5}   {}\n",
            scale.text(sum.flat),
            percent(sum.flat, total),
            percent(above, total),
            scale.text(sum.cum),
            percent(sum.cum, total),
            escape(profile.name(sum.function))
        ));
    }
    match sums.len().saturating_sub(rows) {
        0 => {}
        more => text.push_str(&format!("... {more} more: --rows all\n")),
    }
    text.push_str(&match profile.whole {
        Some(_) => format!("# shares are of the base: {}\n", scale.size(total)),
        None => format!(
            "# {} in {}\n",
            scale.size(total),
            match profile.stacks.len() {
                1 => "1 stack".to_owned(),
                many => format!("{} stacks", units::count(many as u64)),
            }
        ),
    });
    text
}

#[cfg(test)]
mod tests {
    use super::{
        super::{since, tests::sample},
        *,
    };

    #[test]
    fn the_largest_come_first_and_the_rest_is_counted() {
        let profile = sample("main;f 30\nmain;g 1200\nmain;e\x1b[1m 1");
        assert_eq!(
            top(&profile, 0, 2),
            "# samples in count\n\n\
             \x20     flat  flat%   sum%        cum   cum%   function\n\
             \x20    1,200   97.5   97.5      1,200   97.5   g\n\
             \x20       30    2.4   99.9         30    2.4   f\n\
             ... 2 more: --rows all\n\
             # 1,231 in 3 stacks\n"
        );
        assert!(top(&profile, 0, 9).contains(" e\\x1b[1m\n"));
    }

    #[test]
    fn changes_have_signs_and_shares_of_the_base() {
        let changed = since(sample("main;f 30"), &sample("main;g 20")).unwrap();
        let text = top(&changed, 0, 9);
        let lines: Vec<&str> = text.lines().skip(3).collect();
        assert_eq!(
            lines,
            [
                "       +30  150.0  150.0        +30  150.0   f",
                "       -20  -100.0   50.0        -20  -100.0   g",
                "         0    0.0   50.0        +10   50.0   main",
                "# shares are of the base: 20",
            ]
        );
    }
}
