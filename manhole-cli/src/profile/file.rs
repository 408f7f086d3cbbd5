//! A profile's file: gzipped or not, profile.proto or collapsed stacks.

use std::{
    fs::File,
    io::{self, Cursor, Read},
    path::Path,
};

use flate2::read::MultiGzDecoder;
use manhole::client::{Kind, Trouble};

use super::{Profile, collapsed, decode};
use crate::plain::escape;

/// The largest file, inflated.
const CAP: usize = 256 << 20;
/// Beyond the first MiB a file may grow this many times when it is inflated.
const RATIO: usize = 200;
/// What may grow more.
const FREE: usize = 1 << 20;

/// Reads the profile in a file, or on standard input if it is "-".
///
/// # Errors
/// `Failed` when it cannot be read or is no profile.
pub(crate) fn read(path: &Path) -> Result<Profile, Trouble> {
    let name = match path == Path::new("-") {
        true => "the input".to_owned(),
        false => path.display().to_string(),
    };
    let failed =
        |error: &io::Error| Trouble::io(Kind::Failed, format!("failed to read {name}"), error);
    let mut bytes = Vec::new();
    let most = CAP as u64 + 1;
    let read = match path == Path::new("-") {
        true => io::stdin().take(most).read_to_end(&mut bytes),
        false => File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)),
    };
    read.map_err(|error| failed(&error))?;
    from_bytes(bytes, &name)
}

/// Reads the profile in `bytes`, which are called `name`.
///
/// # Errors
/// `Failed` when they are none.
pub(crate) fn from_bytes(bytes: Vec<u8>, name: &str) -> Result<Profile, Trouble> {
    let profile = inflate(bytes).and_then(|bytes| match text(&bytes) {
        Some(text) => collapsed::parse(text),
        None => decode::decode(&bytes),
    });
    profile.map_err(|what| Trouble::new(Kind::Failed, format!("{} {what}", escape(name))))
}

fn inflate(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    let over = || format!("is too large: over {} MiB", CAP >> 20);
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return match bytes.len() > CAP {
            true => Err(over()),
            false => Ok(bytes),
        };
    }
    let most = FREE.saturating_add(bytes.len().saturating_mul(RATIO));
    let most = most.min(CAP);
    let mut inflated = Vec::new();
    MultiGzDecoder::new(Cursor::new(bytes))
        .take(most as u64 + 1)
        .read_to_end(&mut inflated)
        .map_err(|error| format!("is a damaged gzip file: {error}"))?;
    match inflated.len() {
        length if length <= most => Ok(inflated),
        _ if most == CAP => Err(over()),
        _ => Err(format!(
            "is no profile: it grows over {RATIO} times when it is inflated"
        )),
    }
}

/// `bytes` as text, if that is what they are: a profile has an empty string in it, whose length is a
/// zero.
fn text(bytes: &[u8]) -> Option<&str> {
    if bytes.first()?.is_ascii_control() || bytes.contains(&0) {
        return None;
    }
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn refused(bytes: Vec<u8>, expected: &str) {
        let trouble = from_bytes(bytes, "x\x1b").unwrap_err();
        assert_eq!(trouble.kind, Kind::Failed);
        assert!(trouble.text.starts_with("x\\x1b is "), "{trouble}");
        assert!(trouble.text.contains(expected), "{trouble}");
    }

    #[test]
    fn collapsed_stacks_are_read_gzipped_and_plain() {
        let plain = from_bytes(b"main;f 3\n".to_vec(), "x").unwrap();
        assert_eq!(plain.names, ["f", "main"]);
        assert_eq!(from_bytes(gzip(b"main;f 3\n"), "x"), Ok(plain));
    }

    #[test]
    fn what_is_no_profile_is_said_to_be_none() {
        refused(Vec::new(), "says nothing about what was counted");
        refused(b"<html>not found</html>".to_vec(), "line 1 ");
        refused(vec![0; 100], "is no profile");
        refused(vec![0x0a, 200], "damaged");
        refused(vec![0x1f, 0x8b, 8, 0], "damaged gzip");
        let mut broken = gzip("main;f 3\n".repeat(100).as_bytes());
        broken.truncate(broken.len() - 4);
        refused(broken, "damaged gzip");
    }

    #[test]
    fn a_small_file_does_not_become_a_large_one() {
        refused(gzip(&vec![b'a'; 4 << 20]), "grows over 200 times");
        assert!(inflate(gzip(&vec![b'a'; 1 << 20])).is_ok());
    }
}
