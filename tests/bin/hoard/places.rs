//! Places that allocate: each holds what it was told to, until it is told to let go.

use super::{Answer, number};
use std::{collections::BTreeMap, hint::black_box, thread, time::Duration};

type Objects = Vec<Vec<u8>>;
type Place = fn(usize) -> Vec<u8>;

/// What is held, by the place that it is from.
#[derive(Default)]
pub(crate) struct Kept {
    by_place: BTreeMap<String, Objects>,
}

impl Kept {
    pub(crate) fn perform(&mut self, name: &str, words: &[&str]) -> Option<Answer> {
        Some(match name {
            "keep" => self.keep(words),
            "pass" => pass(words),
            "drop" => {
                let gone = self
                    .by_place
                    .remove(words.first().copied().unwrap_or_default());
                Ok(gone.map_or(0, |objects| objects.len()).to_string())
            }
            "grow" => grow(words),
            _ => return None,
        })
    }

    /// `keep PLACE COUNT`: so many objects of a place more.
    fn keep(&mut self, words: &[&str]) -> Answer {
        let (name, place) = place(words)?;
        let count: usize = number(words, 1)?;
        let kept = self.by_place.entry(name.to_owned()).or_default();
        kept.reserve(count);
        for _ in 0..count {
            kept.push(place(kept.len()));
        }
        Ok(kept.len().to_string())
    }
}

/// `pass PLACE COUNT`: so many objects that are gone again.
fn pass(words: &[&str]) -> Answer {
    let (_, place) = place(words)?;
    let count: usize = number(words, 1)?;
    for at in 0..count {
        drop(black_box(place(at)));
    }
    Ok(String::new())
}

/// `grow KIB`: a cache that gets so many KiB more every 10 ms, in a thread of its own, for ever; beside it
/// one that allocates as much and frees it.
fn grow(words: &[&str]) -> Answer {
    let kib: usize = number(words, 0)?;
    let body = move || {
        let mut cache = Objects::new();
        loop {
            (0..kib).for_each(|_| remember(&mut cache));
            (0..kib).for_each(|at| drop(black_box(small(at))));
            thread::sleep(Duration::from_millis(10));
        }
    };
    let named = thread::Builder::new().name("grower".to_owned());
    named.spawn(body).map_err(|error| error.to_string())?;
    Ok(String::new())
}

#[inline(never)]
fn remember(cache: &mut Objects) {
    cache.push(vec![7; 1024]);
}

fn place<'w>(words: &[&'w str]) -> Result<(&'w str, Place), String> {
    let name = words.first().copied().unwrap_or_default();
    let place: Place = match name {
        "tiny" => tiny,
        "small" => small,
        "page" => page,
        "large" => large,
        "huge" => huge,
        _ => return Err(format!("no place {name}")),
    };
    Ok((name, place))
}

// Not of zeros, which are asked for in another way and so are a stack of their own.
#[inline(never)]
fn tiny(at: usize) -> Vec<u8> {
    vec![at as u8 | 1; 16]
}

#[inline(never)]
fn small(at: usize) -> Vec<u8> {
    vec![at as u8 | 1; 200]
}

#[inline(never)]
fn page(at: usize) -> Vec<u8> {
    vec![at as u8 | 1; 4096]
}

#[inline(never)]
fn large(at: usize) -> Vec<u8> {
    vec![at as u8 | 1; 100_000]
}

#[inline(never)]
fn huge(at: usize) -> Vec<u8> {
    vec![at as u8 | 1; 1 << 20]
}
