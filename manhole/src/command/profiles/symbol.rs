//! `/debug/pprof/symbol`: names of addresses, byte for byte as Go answers.

use crate::{
    command::{Context, Query, Reply},
    model::{
        Failure,
        stack::{Dump, Frame, ThreadStack},
    },
    names::{self, Wanted},
    probe::stacks,
    render::escape,
};

/// Longest word: Go reads through a buffer of this size.
const LONGEST: usize = 4096;

/// Looks up `0x1f00+0x2e00`, from the query or from the body of a POST.
pub(super) fn serve(ctx: &Context, query: &Query, reply: &mut Reply<'_>) -> Result<(), Failure> {
    let words = match query.body() {
        Some(body) => body,
        None => query.raw().as_bytes(),
    };
    let (addresses, overlong) = parse(words);
    let names = look_up(&addresses, ctx)?;
    reply.file("text/plain; charset=utf-8", "", |out| {
        // Whoever asks wants to know only whether there are any.
        out.put("num_symbols: 1\n")?;
        for (address, name) in addresses.iter().zip(names) {
            if let Some(name) = name {
                let name = escape::one_line(&name);
                out.put(&format!("{address:#x} {name}\n"))?;
            }
        }
        match overlong {
            true => out.put("reading request: bufio: buffer full\n"),
            false => Ok(()),
        }
    })
}

/// The addresses in `bytes`, and whether it ends with a word that nobody can read.
fn parse(bytes: &[u8]) -> (Vec<u64>, bool) {
    let mut addresses = Vec::new();
    for word in bytes.split(|byte| *byte == b'+') {
        if word.len() >= LONGEST {
            return (addresses, true);
        }
        let address = str::from_utf8(word).ok().and_then(number).unwrap_or(0);
        addresses.extend((address != 0).then_some(address));
    }
    (addresses, false)
}

/// As Go reads numbers: in the base that their beginning says, with `_` between digits.
fn number(word: &str) -> Option<u64> {
    let lower = word.to_ascii_lowercase();
    let (digits, base) = match lower.get(..2) {
        Some("0x") => (lower.get(2..)?, 16),
        Some("0o") => (lower.get(2..)?, 8),
        Some("0b") => (lower.get(2..)?, 2),
        _ if lower.len() > 1 && lower.starts_with('0') => (lower.get(1..)?, 8),
        _ => (lower.as_str(), 10),
    };
    let signed = digits.starts_with(['+', '-']);
    u64::from_str_radix(digits, base).ok().filter(|_| !signed)
}

fn look_up(addresses: &[u64], ctx: &Context) -> Result<Vec<Option<String>>, Failure> {
    if addresses.is_empty() {
        return Ok(Vec::new());
    }
    let options = stacks::Options {
        signal: ctx.state.stacks.signal,
        ask: true,
        // Nobody: only what is mapped is of interest.
        only: Some(Vec::new()),
        app_crates: Vec::new(),
    };
    let keep_going = || ctx.check().is_ok();
    let mut dump = stacks::take(&options, &ctx.state.stacks.history, &keep_going)?;
    let frames = addresses.iter().map(|address| frame(*address, &dump));
    dump.threads = vec![ThreadStack {
        frames: frames.collect(),
        ..ThreadStack::default()
    }];
    names::name(&mut dump, &names::OnDisk, Wanted::Affordable, &keep_going);
    let frames = dump.threads.iter().flat_map(|thread| thread.frames.iter());
    let innermost = frames.map(|frame| frame.functions.first());
    Ok(innermost
        .map(|function| function.map(|function| function.name.clone()))
        .collect())
}

fn frame(address: u64, dump: &Dump) -> Frame {
    let mut modules = dump.modules.iter();
    let module = modules.position(|module| (module.start..module.end).contains(&address));
    Frame {
        address,
        module: module.and_then(|at| u32::try_from(at).ok()),
        ..Frame::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_go_reads_them() {
        let check = |text: &str, expected: &[u64]| {
            assert_eq!(parse(text.as_bytes()), (expected.to_vec(), false), "{text}");
        };
        check("", &[]);
        check("0x10+0X1F+31", &[16, 31, 31]);
        check("0b11+0o17+017+0", &[3, 15, 15]);
        check("0x10++x+-5+0x+0x10000000000000000", &[16]);
        let long = format!("0x1+{}+0x2", "1".repeat(LONGEST));
        assert_eq!(parse(long.as_bytes()), (vec![1], true));
    }
}
