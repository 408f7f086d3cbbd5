//! Collapsed stacks: one line a stack, root first, `;` between frames, then a space and the value.
//! What flame graph programs read.

use crate::model::{
    profile::{Profile, Sample},
    stack::Frame,
};
use std::collections::BTreeMap;

/// Writes the values at `index` of all samples, a line to each call of `line`, without its end.
/// Equal stacks are added up; stacks without a value are left out.
///
/// # Errors
/// The first one that `line` returns.
pub fn render<E>(
    profile: &Profile,
    index: usize,
    line: &mut dyn FnMut(&str) -> Result<(), E>,
) -> Result<(), E> {
    let mut sums: BTreeMap<&[u32], i64> = BTreeMap::new();
    for sample in &profile.samples {
        *sums.entry(&sample.frames).or_default() += value(sample, index);
    }
    let mut text = String::new();
    for (frames, sum) in sums.into_iter().filter(|(_, sum)| *sum != 0) {
        text.clear();
        for frame in frames.iter().rev() {
            if let Some(frame) = profile.frames.get(*frame as usize) {
                push(&mut text, profile, frame);
            }
        }
        if text.is_empty() {
            text.push_str("[no stack]");
        }
        text.push_str(&format!(" {sum}"));
        line(&text)?;
    }
    Ok(())
}

fn value(sample: &Sample, index: usize) -> i64 {
    sample.values.get(index).copied().unwrap_or(0)
}

/// A frame with all that was inlined in it, outermost first.
fn push(text: &mut String, profile: &Profile, frame: &Frame) {
    for function in frame.functions.iter().rev() {
        separate(text);
        text.extend(function.name.chars().map(plain));
    }
    if frame.functions.is_empty() {
        separate(text);
        text.push_str(&unnamed(profile, frame));
    }
}

/// What stands for a frame without a name: its module, as viewers want to group it.
fn unnamed(profile: &Profile, frame: &Frame) -> String {
    let module = frame.module.and_then(|at| profile.modules.get(at as usize));
    match module {
        Some(module) => {
            let file = module.path.rsplit('/').next().unwrap_or("");
            let file: String = file.chars().map(plain).collect();
            format!("[{}]", file.trim_matches(['[', ']'])) // the kernel writes [vdso]
        }
        None => "[unknown]".to_owned(),
    }
}

fn separate(text: &mut String) {
    if !text.is_empty() {
        text.push(';');
    }
}

/// What the format uses itself becomes something else.
fn plain(c: char) -> char {
    match c {
        ';' => ':',
        c if c.is_control() => ' ',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::stack::{Function, Module};

    fn frame(names: &[&str]) -> Frame {
        let functions = names.iter().map(|name| Function {
            name: (*name).to_owned(),
            ..Function::default()
        });
        Frame {
            functions: functions.collect(),
            ..Frame::default()
        }
    }

    #[test]
    fn roots_come_first_and_equal_stacks_are_added_up() {
        let sample = |frames: &[u32], value| Sample {
            frames: frames.to_vec(),
            values: vec![1, value],
            labels: Vec::new(),
        };
        let libc = Frame {
            module: Some(0),
            ..Frame::default()
        };
        let profile = Profile {
            modules: vec![Module {
                path: "/lib/libc.so.6".to_owned(),
                ..Module::default()
            }],
            frames: vec![
                frame(&["inlined", "<[u8; 4] as T>::f\n"]),
                frame(&["main"]),
                libc,
                Frame::default(),
            ],
            samples: vec![
                sample(&[0, 1], 20),
                sample(&[2, 1], 5),
                sample(&[0, 1], 22),
                sample(&[3], 0),
                sample(&[], 3),
            ],
            ..Profile::default()
        };
        let mut lines = Vec::new();
        let done: Result<(), ()> = render(&profile, 1, &mut |line| {
            lines.push(line.to_owned());
            Ok(())
        });
        assert_eq!(done, Ok(()));
        let expected = [
            "[no stack] 3",
            "main;<[u8: 4] as T>::f ;inlined 42",
            "main;[libc.so.6] 5",
        ];
        assert_eq!(lines, expected);
        assert_eq!(render(&profile, 1, &mut |_| Err("full")), Err("full"));
    }
}
