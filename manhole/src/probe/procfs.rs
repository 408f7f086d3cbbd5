//! Reading small files of /proc and /sys, and picking fields out of them.
//!
//! Every read is bounded, and an absent or unreadable file is `None`. A read costs 3 to 10 us: open,
//! read, close.

use crate::sys::own::Own;
use std::{fs::File, io::Read, path::Path, str::FromStr};

/// Room for the usual file: otherwise std would feel its way with reads of 32 bytes.
const USUAL: usize = 4096;
/// The most that [`bytes`] and [`text`] read; whatever may be larger is read line by line.
const LIMIT: u64 = 1 << 20;

/// Opens a file that is read line by line.
pub(crate) fn open(path: impl AsRef<Path>) -> Option<Own<File>> {
    File::open(path).ok().map(Own::new)
}

/// The bytes of a file, at most 1 MiB of them.
pub(crate) fn bytes(path: impl AsRef<Path>) -> Option<Vec<u8>> {
    let mut content = Vec::with_capacity(USUAL);
    open(path)?.take(LIMIT).read_to_end(&mut content).ok()?;
    Some(content)
}

/// The text of a file; see [`lossless`] for what is no UTF-8.
pub(crate) fn text(path: impl AsRef<Path>) -> Option<String> {
    bytes(path).map(|content| lossless(&content))
}

/// The text of a file without white space around it; `None` when nothing is left.
pub(crate) fn line(path: impl AsRef<Path>) -> Option<String> {
    let content = text(path)?;
    let content = content.trim();
    (!content.is_empty()).then(|| content.to_owned())
}

/// The number that is a file's whole content.
pub(crate) fn number<T: FromStr>(path: impl AsRef<Path>) -> Option<T> {
    text(path)?.trim().parse().ok()
}

/// Bytes as text: what is no UTF-8 becomes `\xHH`, so that two different names stay different.
pub(crate) fn lossless(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// What stands behind `name` and a separator (colon, blank or tab) at the start of a line, trimmed.
///
/// Serves `/proc/self/status` ("VmRSS:  12 kB"), `/proc/self/sched` ("se.exec_start   : 1.5") and
/// the flat files of cgroups ("oom_kill 0").
pub(crate) fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let rest = line.strip_prefix(name)?;
        let value = rest.trim_start_matches([' ', '\t', ':']);
        (value.len() < rest.len()).then(|| value.trim_end())
    })
}

/// The number behind `name`; a unit after it is ignored.
pub(crate) fn field_number<T: FromStr>(text: &str, name: &str) -> Option<T> {
    field(text, name)?.split_whitespace().next()?.parse().ok()
}

/// The bytes behind `name`, where the kernel writes kibibytes ("VmRSS:  12 kB").
pub(crate) fn field_kib(text: &str, name: &str) -> Option<u64> {
    field_number::<u64>(text, name)?.checked_mul(1024)
}

/// Adds to a list that may become large: `false`, and nothing is added, when memory cannot be had.
///
/// A plain `push` ends the process in that case, and it is not ours.
#[must_use]
pub(crate) fn push<T>(list: &mut Vec<T>, item: T) -> bool {
    if list.try_reserve(1).is_err() {
        return false;
    }
    list.push(item);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_whatever_separates_them() {
        let check = |text: &str, name: &str, expected: Option<&str>| {
            assert_eq!(field(text, name), expected, "{name} in {text:?}");
        };
        let status = "Name:\tx y\nVmRSS:\t    1604 kB\nVmRSSx:\t7 kB\nEmpty:\t\n";
        check(status, "Name", Some("x y"));
        check(status, "VmRSS", Some("1604 kB"));
        check(status, "Empty", Some(""));
        check(status, "Vm", None);
        check("low 0\noom 1\noom_kill 2\n", "oom", Some("1"));
        check(
            "se.exec_start      :   1424108.188677\n",
            "se.exec_start",
            Some("1424108.188677"),
        );
        assert_eq!(field_kib(status, "VmRSS"), Some(1604 * 1024));
        assert_eq!(field_number::<u64>(status, "Name"), None);
    }

    #[test]
    fn names_that_are_no_utf8_stay_different() {
        assert_eq!(lossless(b"a\xffb"), "a\\xffb");
        assert_ne!(lossless(b"\xff"), lossless(b"\xfe"));
        assert_eq!(lossless("grün".as_bytes()), "grün");
    }

    #[test]
    fn absent_files_are_none() {
        assert_eq!(text("/proc/self/no such file"), None);
        assert_eq!(number::<u64>("/proc/self/comm"), None);
    }
}
