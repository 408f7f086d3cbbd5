//! gzip in pieces, so that a large profile needs no large buffer.

use miniz_oxide::deflate::core::{
    CompressorOxide, TDEFLFlush, TDEFLStatus, compress, create_comp_flags_from_zip_params,
};

/// Level 6 is what gzip itself does without being asked.
const LEVEL: i32 = 6;
/// A negative number of window bits means raw deflate, without zlib's own head.
const RAW: i32 = -15;
/// The size of a piece.
const PIECE: usize = 16 << 10;

/// Compresses what is written and hands it on in pieces.
pub(super) struct Gzip<'a> {
    deflate: Box<CompressorOxide>,
    piece: Vec<u8>,
    crc: u32,
    length: u32,
    sink: &'a mut dyn FnMut(&[u8]),
}

impl<'a> Gzip<'a> {
    /// Begins; the head goes to `sink` at once. It holds no name and no time, so that equal contents
    /// are equal files.
    pub(super) fn new(sink: &'a mut dyn FnMut(&[u8])) -> Self {
        sink(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
        let flags = create_comp_flags_from_zip_params(LEVEL, RAW, 0);
        Self {
            deflate: Box::new(CompressorOxide::new(flags)),
            piece: vec![0; PIECE],
            crc: !0,
            length: 0,
            sink,
        }
    }

    /// Takes more bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.crc = bytes.iter().fold(self.crc, |crc, byte| step(crc, *byte));
        self.length = self.length.wrapping_add(bytes.len() as u32);
        self.run(bytes, TDEFLFlush::None);
    }

    /// Ends the file.
    pub(super) fn finish(mut self) {
        self.run(&[], TDEFLFlush::Finish);
        (self.sink)(&(!self.crc).to_le_bytes());
        (self.sink)(&self.length.to_le_bytes());
    }

    fn run(&mut self, mut bytes: &[u8], flush: TDEFLFlush) {
        loop {
            let (status, taken, made) = compress(&mut self.deflate, bytes, &mut self.piece, flush);
            if let Some(piece) = self.piece.get(..made).filter(|piece| !piece.is_empty()) {
                (self.sink)(piece);
            }
            bytes = bytes.get(taken..).unwrap_or(&[]);
            let idle = taken == 0 && made == 0;
            let fed = flush == TDEFLFlush::None && bytes.is_empty() && made < PIECE;
            if status != TDEFLStatus::Okay || idle || fed {
                return;
            }
        }
    }
}

/// CRC-32 of gzip, four bits at a time.
fn step(crc: u32, byte: u8) -> u32 {
    nibble(nibble(crc ^ u32::from(byte)))
}

fn nibble(crc: u32) -> u32 {
    /// What four steps of one bit make of each nibble.
    const TABLE: [u32; 16] = [
        0x0000_0000,
        0x1db7_1064,
        0x3b6e_20c8,
        0x26d9_30ac,
        0x76dc_4190,
        0x6b6b_51f4,
        0x4db2_6158,
        0x5005_713c,
        0xedb8_8320,
        0xf00f_9344,
        0xd6d6_a3e8,
        0xcb61_b38c,
        0x9b64_c2b0,
        0x86d3_d2d4,
        0xa00a_e278,
        0xbdbd_f21c,
    ];
    (crc >> 4) ^ TABLE.get((crc & 15) as usize).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::Write,
        process::{Command, Stdio},
    };

    fn gzip(pieces: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut sink = |piece: &[u8]| out.extend_from_slice(piece);
        let mut gzip = Gzip::new(&mut sink);
        pieces.iter().for_each(|piece| gzip.write(piece));
        gzip.finish();
        out
    }

    /// What gzip itself makes of it.
    fn gunzip(bytes: &[u8]) -> Vec<u8> {
        let mut child = Command::new("gzip")
            .arg("-dc")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let bytes = bytes.to_vec();
        let feeder = std::thread::spawn(move || stdin.write_all(&bytes));
        let output = child.wait_with_output().unwrap();
        feeder.join().unwrap().unwrap();
        assert!(output.status.success(), "gzip says the file is damaged");
        output.stdout
    }

    #[test]
    fn gzip_reads_what_we_write() {
        let noise: Vec<u8> = (0_u32..300_000)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        assert_eq!(gunzip(&gzip(&[])), b"");
        assert_eq!(gunzip(&gzip(&[b"a", b"", b"bc"])), b"abc");
        assert_eq!(gunzip(&gzip(&[&noise])), noise);
        let halves = noise.split_at(77);
        assert_eq!(gunzip(&gzip(&[halves.0, halves.1])), noise);
    }

    #[test]
    fn text_becomes_smaller() {
        let text = "checkout::pricing::reprice;".repeat(10_000);
        assert!(gzip(&[text.as_bytes()]).len() < text.len() / 50);
    }
}
