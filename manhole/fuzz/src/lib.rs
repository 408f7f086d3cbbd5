//! What the fuzz targets share: inputs cut into pieces, and a second opinion on request lines.
//!
//! Run one with `RUSTC_BOOTSTRAP=1 cargo +stable fuzz run TARGET` in `manhole/`; seeds are in
//! `corpus/TARGET`.

/// An input and the pieces it arrives in.
///
/// The first byte says how many sizes follow it (0 to 7); they are used in turn, and 0 stands for
/// everything that is left.
pub fn split(data: &[u8]) -> Option<(&[u8], Vec<&[u8]>)> {
    let (count, rest) = data.split_first()?;
    let (sizes, input) = rest.split_at_checked(usize::from(count % 8))?;
    let mut sizes = sizes.iter().cycle();
    let mut pieces = Vec::new();
    let mut left = input;
    while !left.is_empty() {
        let size = match sizes.next() {
            None | Some(0) => left.len(),
            Some(size) => usize::from(*size).min(left.len()),
        };
        let (piece, rest) = left.split_at(size);
        pieces.push(piece);
        left = rest;
    }
    Some((input, pieces))
}

/// Whether `data` begins with an HTTP/1.x request line of at most 8 KiB, said in another way than the
/// sniffer does.
pub fn begins_with_request_line(data: &[u8]) -> bool {
    let line = data.split_inclusive(|byte| *byte == b'\n').next();
    let line = line.filter(|line| line.len() <= 8192).unwrap_or_default();
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [method, target, version] = words[..] else {
        return false;
    };
    let white = |byte: &u8| matches!(byte, b'\t' | 0x0b | 0x0c | b'\r');
    (3..=8).contains(&method.len())
        && method.iter().all(u8::is_ascii_uppercase)
        && !target.is_empty()
        && !target.iter().any(white)
        && matches!(version, b"HTTP/1.0\r\n" | b"HTTP/1.1\r\n")
}
