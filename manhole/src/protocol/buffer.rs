//! Bytes that arrived and are not understood yet: lines and counted runs leave it at the front.

/// A line at the front of a [`Buffer`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// A complete line without its LF or CR LF.
    Whole(&'a [u8]),
    /// The first bytes, as many as were allowed, of a line that is longer. The rest is dropped as
    /// it arrives.
    Overlong(&'a [u8]),
}

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    /// How many bytes at the front have left.
    taken: usize,
    /// How many of the others are known to hold no LF: a line that trickles in is searched once.
    searched: usize,
    /// The end of an overlong line is still to come.
    dropping: bool,
}

impl Buffer {
    /// Adds what arrived.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        if self.dropping && !bytes.contains(&b'\n') {
            return;
        }
        self.bytes.extend_from_slice(bytes);
        if self.dropping {
            self.drop_line(0);
        }
    }

    /// Takes a line of at most `max` bytes, its LF included.
    pub(super) fn take_line(&mut self, max: usize) -> Option<Line<'_>> {
        let pending = self.bytes.get(self.taken..).unwrap_or_default();
        let allowed = pending.get(..max).unwrap_or(pending);
        let unsearched = allowed.get(self.searched..).unwrap_or_default();
        let from = self.taken;
        if let Some(lf) = find_lf(unsearched) {
            let lf = from + self.searched + lf;
            self.taken = lf + 1;
            self.searched = 0;
            let line = self.bytes.get(from..lf).unwrap_or_default();
            return Some(Line::Whole(line.strip_suffix(b"\r").unwrap_or(line)));
        }
        if pending.len() < max {
            self.searched = pending.len();
            return None;
        }
        self.drop_line(from + max);
        Some(Line::Overlong(self.bytes.get(from..from + max)?))
    }

    /// Forgets everything up to the first LF at or after `at`, now or when it arrives.
    fn drop_line(&mut self, at: usize) {
        let lf = find_lf(self.bytes.get(at..).unwrap_or_default());
        self.dropping = lf.is_none();
        self.taken = lf.map_or(self.bytes.len(), |lf| at + lf + 1);
        self.searched = 0;
    }

    /// Takes exactly `count` bytes, once they are there.
    pub(super) fn take(&mut self, count: usize) -> Option<&[u8]> {
        let run = self.bytes.get(self.taken..)?.get(..count)?;
        self.taken += count;
        self.searched = 0;
        Some(run)
    }

    /// The complete lines that are there, each with its LF, without taking them.
    pub(super) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let pending = self.bytes.get(self.taken..).unwrap_or_default();
        let lines = pending.split_inclusive(|byte| *byte == b'\n');
        lines.filter(|line| line.ends_with(b"\n"))
    }

    /// Whether something began that has not ended.
    pub(super) fn has_partial(&self) -> bool {
        self.dropping || self.taken < self.bytes.len()
    }
}

fn find_lf(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of `input` with at most 8 bytes each, `+` before those that are longer.
    fn check(input: &[u8], expected: &[&str]) {
        for size in 1..=input.len() {
            let mut buffer = Buffer::default();
            let mut lines = Vec::new();
            for piece in input.chunks(size) {
                buffer.feed(piece);
                while let Some(line) = buffer.take_line(8) {
                    lines.push(match line {
                        Line::Whole(line) => String::from_utf8_lossy(line).into_owned(),
                        Line::Overlong(line) => format!("+{}", String::from_utf8_lossy(line)),
                    });
                }
                assert!(buffer.bytes.len() <= 8 + size);
            }
            assert_eq!(lines, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn lines_end_with_lf_or_cr_lf() {
        check(b"a\nbc\r\n\n\r\nd\re\npart", &["a", "bc", "", "", "d\re"]);
    }

    #[test]
    fn the_longest_line_counts_its_lf_and_one_more_byte_is_dropped_up_to_lf() {
        check(b"1234567\n12345678\nok\n", &["1234567", "+12345678", "ok"]);
        check(b"123456\r\n1234567\r\n\n", &["123456", "+1234567\r", ""]);
        check(b"123456789 and so on\nok\n", &["+12345678", "ok"]);
    }

    #[test]
    fn the_end_of_an_overlong_line_is_not_stored() {
        let mut buffer = Buffer::default();
        buffer.feed(b"123456789");
        assert_eq!(buffer.take_line(8), Some(Line::Overlong(b"12345678")));
        for _ in 0..1000 {
            buffer.feed(&[b'x'; 1000]);
            assert_eq!(buffer.take_line(8), None);
        }
        assert!(buffer.bytes.is_empty() && buffer.has_partial());
        buffer.feed(b"\n");
        assert!(!buffer.has_partial());
    }

    #[test]
    fn counted_runs_come_whole_and_lines_follow_them() {
        let mut buffer = Buffer::default();
        buffer.feed(b"ab\nc");
        assert_eq!(buffer.take(5), None);
        buffer.feed(b"de\n");
        assert_eq!(buffer.take(5), Some(&b"ab\ncd"[..]));
        assert_eq!(buffer.take_line(8), Some(Line::Whole(b"e")));
        assert_eq!(buffer.take(0), Some(&b""[..]));
        assert!(!buffer.has_partial());
    }

    #[test]
    fn a_run_taken_from_a_partial_line_leaves_the_rest_of_it() {
        let mut buffer = Buffer::default();
        buffer.feed(b"abc");
        assert_eq!(buffer.take_line(8), None);
        assert_eq!(buffer.take(2), Some(&b"ab"[..]));
        buffer.feed(b"\nd");
        assert_eq!(buffer.take_line(8), Some(Line::Whole(b"c")));
    }
}
