//! Profiles as the texts that net/http/pprof has for `debug=1`, and that `go tool pprof` reads as well.

use super::{escape, out::Out};
use crate::{
    model::{
        Failure, order,
        profile::{Profile, Sample},
        stack::Frame,
    },
    names,
};
use std::{cmp::Reverse, collections::BTreeMap};

/// The media type to serve it as.
pub const MEDIA_TYPE: &str = "text/plain; charset=utf-8";

/// Waits: time and number of each stack behind `head`, which says what they are; longest first.
///
/// # Errors
/// As `out`.
pub fn contentions(profile: &Profile, head: &str, out: &mut dyn Out) -> Result<(), Failure> {
    out.put(head)?;
    for (frames, values) in sums(profile, 1) {
        let (count, delay) = (value(&values, 0), value(&values, 1));
        stack(profile, frames, &format!("{delay} {count} @"), out)?;
    }
    Ok(())
}

/// Counts: how many there are of each stack by the value at `index`, most first.
///
/// # Errors
/// As `out`.
pub fn counts(
    profile: &Profile,
    name: &str,
    index: usize,
    out: &mut dyn Out,
) -> Result<(), Failure> {
    let sums = sums(profile, index);
    let total: i64 = sums.iter().map(|(_, values)| value(values, index)).sum();
    out.put(&format!("{name} profile: total {total}\n"))?;
    for (frames, values) in sums {
        let count = value(&values, index);
        stack(profile, frames, &format!("{count} @"), out)?;
    }
    Ok(())
}

/// The heap: objects and bytes that are live and, in brackets, that were ever allocated, of each stack;
/// most live bytes first. What reads this scales by the period behind `heap/`, half of it: 2 says that the
/// values are scaled already.
///
/// # Errors
/// As `out`.
pub fn heap(profile: &Profile, out: &mut dyn Out) -> Result<(), Failure> {
    let sums = sums(profile, 3);
    let head = |values: &[i64]| {
        let [live, live_bytes, all, all_bytes] = [2, 3, 0, 1].map(|at| value(values, at));
        format!("{live}: {live_bytes} [{all}: {all_bytes}] @")
    };
    let total = |at: usize| sums.iter().map(|(_, values)| value(values, at)).sum();
    let totals: [i64; 4] = [0, 1, 2, 3].map(total);
    out.put(&format!("heap profile: {} heap/2\n", head(&totals)))?;
    for (frames, values) in &sums {
        stack(profile, frames, &head(values), out)?;
    }
    let comments = profile.comments.iter();
    comments.into_iter().try_for_each(|text| {
        let text = escape::one_line(text);
        out.put(&format!("# {text}\n"))
    })
}

/// Equal stacks added up, the greatest by the value at `index` first.
fn sums(profile: &Profile, index: usize) -> Vec<(&[u32], Vec<i64>)> {
    let mut sums: BTreeMap<&[u32], Vec<i64>> = BTreeMap::new();
    for Sample { frames, values, .. } in &profile.samples {
        let sum = sums.entry(frames).or_insert_with(|| vec![0; values.len()]);
        for (sum, value) in sum.iter_mut().zip(values) {
            *sum = sum.saturating_add(*value);
        }
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    order::sort_by_key(&mut sums, |(_, values)| Reverse(value(values, index)));
    sums
}

fn value(values: &[i64], index: usize) -> i64 {
    values.get(index).copied().unwrap_or(0)
}

/// `42 @ 0x1f00 0x2e01`: the leaf, then where each call returns to; then the functions, one a line.
fn stack(profile: &Profile, frames: &[u32], head: &str, out: &mut dyn Out) -> Result<(), Failure> {
    let frames = frames.iter();
    let frames: Vec<&Frame> = frames
        .filter_map(|at| profile.frames.get(*at as usize))
        .collect();
    let mut text = head.to_owned();
    for (at, frame) in frames.iter().enumerate() {
        let address = frame.address.wrapping_add(u64::from(at > 0));
        text.push_str(&format!(" {address:#x}"));
    }
    text.push('\n');
    for frame in frames {
        push(&mut text, frame);
    }
    text.push('\n');
    out.put(&text)
}

fn push(text: &mut String, frame: &Frame) {
    for function in frame.functions.iter() {
        let file = function.file.as_deref().unwrap_or_default();
        let place = match file.is_empty() {
            true => String::new(),
            false => names::place(file, function.line.filter(|line| *line > 0)),
        };
        let (name, place) = (escape::one_line(&function.name), escape::one_line(&place));
        text.push_str(&format!("#\t{:#x}\t{name}\t{place}\n", frame.address));
    }
    if frame.functions.is_empty() {
        text.push_str(&format!("#\t{:#x}\n", frame.address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::stack::Function;

    fn profile() -> Profile {
        let frame = |address: u64, name: &str, file: Option<&str>| Frame {
            address,
            functions: [Function {
                name: name.to_owned(),
                file: file.map(str::to_owned),
                line: file.map(|_| 6),
                ..Function::default()
            }]
            .into(),
            ..Frame::default()
        };
        let sample = |frames: &[u32], values: &[i64]| Sample {
            frames: frames.to_vec(),
            values: values.to_vec(),
            labels: Vec::new(),
        };
        Profile {
            frames: vec![
                frame(0x7f00, "syscall", None),
                frame(0x5501, "shop::get\n", Some("src/cache.rs")),
                Frame {
                    address: 0x10,
                    ..Frame::default()
                },
            ],
            samples: vec![
                sample(&[2], &[1, 5]),
                sample(&[0, 1], &[2, 30]),
                sample(&[0, 1], &[1, 10]),
            ],
            ..Profile::default()
        }
    }

    #[test]
    fn waits_are_told_as_go_tells_them() {
        let mut text = String::new();
        contentions(&profile(), "--- mutex:\n", &mut text).unwrap();
        assert_eq!(
            text,
            "--- mutex:\n\
             40 3 @ 0x7f00 0x5502\n\
             #\t0x7f00\tsyscall\t\n\
             #\t0x5501\tshop::get\\x0a\tsrc/cache.rs:6\n\
             \n\
             5 1 @ 0x10\n\
             #\t0x10\n\
             \n"
        );
    }

    #[test]
    fn counts_have_their_total() {
        let mut text = String::new();
        counts(&profile(), "wall", 0, &mut text).unwrap();
        assert!(
            text.starts_with("wall profile: total 4\n3 @ 0x7f00 0x5502\n"),
            "{text}"
        );
        text.clear();
        counts(&Profile::default(), "files", 0, &mut text).unwrap();
        assert_eq!(text, "files profile: total 0\n");
    }

    #[test]
    fn the_heap_is_told_as_go_tells_it() {
        let mut heap = profile();
        heap.samples = vec![
            Sample {
                frames: vec![2],
                values: vec![9, 900, 0, 0],
                labels: Vec::new(),
            },
            Sample {
                frames: vec![0, 1],
                values: vec![5, 500, 3, 300],
                labels: Vec::new(),
            },
        ];
        heap.comments = vec!["1 sample per 512 KiB, already scaled".to_owned()];
        let mut text = String::new();
        super::heap(&heap, &mut text).unwrap();
        assert_eq!(
            text,
            "heap profile: 3: 300 [14: 1400] @ heap/2\n\
             3: 300 [5: 500] @ 0x7f00 0x5502\n\
             #\t0x7f00\tsyscall\t\n\
             #\t0x5501\tshop::get\\x0a\tsrc/cache.rs:6\n\
             \n\
             0: 0 [9: 900] @ 0x10\n\
             #\t0x10\n\
             \n\
             # 1 sample per 512 KiB, already scaled\n"
        );
    }
}
