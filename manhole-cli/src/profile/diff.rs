//! What changed between two profiles.

use std::collections::HashMap;

use manhole::client::{Kind, Trouble};

use super::{Profile, Stack};

/// `profile` less `base`; shares are shares of the base, as in `go tool pprof -diff_base`.
///
/// # Errors
/// `Failed` when they count different things.
pub(crate) fn since(profile: Profile, base: &Profile) -> Result<Profile, Trouble> {
    if profile.types != base.types {
        let text = "the two profiles do not count the same";
        let has = |what: &str, of: &Profile| format!("{what} has {}", of.kinds());
        return Err(Trouble::new(Kind::Failed, text)
            .detail(has("the profile", &profile))
            .detail(has("the base", base)));
    }
    let whole = (0..base.types.len()).map(|index| base.sum(index)).collect();
    let mut changed = profile;
    let known = changed.names.iter().enumerate();
    let mut places: HashMap<String, u32> =
        known.map(|(at, name)| (name.clone(), at as u32)).collect();
    let moved: Vec<u32> = base
        .names
        .iter()
        .map(|name| {
            *places.entry(name.clone()).or_insert_with(|| {
                changed.names.push(name.clone());
                (changed.names.len() - 1) as u32
            })
        })
        .collect();
    let missing = u32::MAX;
    for stack in &base.stacks {
        let frames = stack.frames.iter();
        let frames = frames.map(|at| moved.get(*at as usize).copied().unwrap_or(missing));
        let values = stack.values.iter().map(|value| value.saturating_neg());
        changed.stacks.push(Stack {
            frames: frames.collect(),
            values: values.collect(),
        });
    }
    changed.whole = Some(whole);
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{sums::sums, tests::sample},
        *,
    };

    #[test]
    fn equal_stacks_cancel_and_shares_are_of_the_base() {
        let base = sample("main;f 100\nmain;g 50\nmain;old 50");
        let changed = since(sample("new;main 7\nmain;g 80\nmain;f 100"), &base).unwrap();
        let text: Vec<String> = sums(&changed, 0)
            .iter()
            .map(|sum| format!("{} {} {}", changed.name(sum.function), sum.flat, sum.cum))
            .collect();
        assert_eq!(text, ["old -50 -50", "g 30 30", "main 7 -13", "new 0 7"]);
        assert_eq!(changed.total(0), 200);
    }

    #[test]
    fn profiles_of_different_things_are_not_compared() {
        let mut other = sample("a 1");
        other.types[0].kind = "inuse_space".to_owned();
        let trouble = since(sample("a 1"), &other).unwrap_err();
        assert_eq!(
            trouble.details,
            ["the profile has samples", "the base has inuse_space"]
        );
    }
}
