//! What came to a profile in a time: the later look less the earlier one.

use crate::model::{
    profile::{Label, Profile, Sample},
    stack::{Frame, Module},
};
use std::collections::BTreeMap;

/// `after` less `before`: what is in both is gone, what is only in `before` counts negative, as Go's
/// delta profiles have it.
pub(crate) fn difference(before: &Profile, mut after: Profile) -> Profile {
    let frames = moved(before, &mut after);
    let mut sums: BTreeMap<(Vec<u32>, Vec<Label>), Vec<i64>> = BTreeMap::new();
    for Sample {
        frames,
        values,
        labels,
    } in std::mem::take(&mut after.samples)
    {
        add(&mut sums, (frames, labels), values.into_iter());
    }
    for sample in &before.samples {
        let places = sample.frames.iter();
        let places = places.filter_map(|at| frames.get(*at as usize).copied());
        let key = (places.collect(), sample.labels.clone());
        add(&mut sums, key, sample.values.iter().map(|value| -value));
    }
    let changed = sums
        .into_iter()
        .filter(|(_, values)| values.iter().any(|value| *value != 0));
    after.samples = changed
        .map(|((frames, labels), values)| Sample {
            frames,
            values,
            labels,
        })
        .collect();
    after.duration_ns = after.time_unix_ns.saturating_sub(before.time_unix_ns);
    after
}

type Sums = BTreeMap<(Vec<u32>, Vec<Label>), Vec<i64>>;

fn add(sums: &mut Sums, key: (Vec<u32>, Vec<Label>), values: impl Iterator<Item = i64>) {
    let sum = sums.entry(key).or_default();
    for (at, value) in values.enumerate() {
        match sum.get_mut(at) {
            Some(sum) => *sum = sum.saturating_add(value),
            None => sum.push(value),
        }
    }
}

/// Where the frames of `before` are in `after`, which gets those that it lacks.
fn moved(before: &Profile, after: &mut Profile) -> Vec<u32> {
    let mut known: BTreeMap<(u64, Option<u32>), u32> = BTreeMap::new();
    for (at, frame) in after.frames.iter().enumerate() {
        known.insert((frame.address, frame.module), at as u32);
    }
    let mut places = Vec::new();
    for frame in &before.frames {
        let theirs = frame.module.and_then(|at| before.modules.get(at as usize));
        let module = theirs.map(|module| place_of(module, &mut after.modules));
        let place = *known.entry((frame.address, module)).or_insert_with(|| {
            after.frames.push(Frame {
                module,
                ..frame.clone()
            });
            after.frames.len() as u32 - 1
        });
        places.push(place);
    }
    places
}

fn place_of(module: &Module, modules: &mut Vec<Module>) -> u32 {
    let known = modules.iter().position(|known| known == module);
    let at = known.unwrap_or_else(|| {
        modules.push(module.clone());
        modules.len() - 1
    });
    at as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(time: u64, paths: &[&str], stacks: &[(&[(u64, u32)], i64)]) -> Profile {
        let mut profile = Profile {
            time_unix_ns: time,
            modules: paths
                .iter()
                .map(|path| Module {
                    path: (*path).to_owned(),
                    ..Module::default()
                })
                .collect(),
            ..Profile::default()
        };
        for (frames, value) in stacks {
            let first = profile.frames.len() as u32;
            profile
                .frames
                .extend(frames.iter().map(|(address, module)| Frame {
                    address: *address,
                    module: Some(*module),
                    ..Frame::default()
                }));
            profile.samples.push(Sample {
                frames: (first..profile.frames.len() as u32).collect(),
                values: vec![*value],
                labels: Vec::new(),
            });
        }
        profile
    }

    #[test]
    fn what_did_not_change_is_gone() {
        let before = profile(5, &["/a", "/b"], &[(&[(1, 0), (2, 1)], 3), (&[(9, 1)], 1)]);
        let after = profile(9, &["/b", "/a"], &[(&[(1, 1), (2, 0)], 3), (&[(7, 0)], 2)]);
        let found = difference(&before, after);
        let stacks = found.samples.iter().map(|sample| {
            let frame = &found.frames[sample.frames[0] as usize];
            let module = &found.modules[frame.module.unwrap() as usize];
            (frame.address, module.path.as_str(), sample.values[0])
        });
        assert_eq!(stacks.collect::<Vec<_>>(), [(7, "/b", 2), (9, "/b", -1)]);
        assert_eq!(found.duration_ns, 4);
    }
}
