//! The frames of keep mode: counted replies for scripts, many on one connection.
//!
//! A reply is any number of `DATA <n>` LF with `n` raw bytes, and of `WAIT <text>`, then `OK` or
//! `ERR <code> <text>`.

#[cfg(any(test, fuzzing))]
mod decoder;
#[cfg(any(test, fuzzing))]
pub use decoder::{Decoder, Frame};

use super::{CHUNK_MAX, clip};
use crate::model::Failure;

/// A piece of the reply, in as many frames as it takes.
pub fn data(bytes: &[u8]) -> Vec<u8> {
    let frame = |chunk: &[u8]| [format!("DATA {}\n", chunk.len()).as_bytes(), chunk].concat();
    let frames: Vec<Vec<u8>> = bytes.chunks(CHUNK_MAX).map(frame).collect();
    frames.concat()
}

/// A sign of life while a command works.
pub fn wait(text: &str) -> Vec<u8> {
    format!("WAIT {}\n", one_line(text)).into_bytes()
}

/// The last line of a reply. Hints have no place here.
pub fn end(result: &Result<(), Failure>) -> Vec<u8> {
    match result {
        Ok(()) => b"OK\n".to_vec(),
        Err(failure) => format!("ERR {} {}\n", failure.code, one_line(&failure.text)).into_bytes(),
    }
}

/// `text` on one line, so that nothing an application says can look like a frame.
fn one_line(text: &str) -> String {
    let escaped = clip(text).replace('\n', "\\x0a");
    escaped.replace('\r', "\\x0d")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Code;

    /// The frames of `input`, however it is split.
    fn check(input: &[u8], expected: &[Result<Frame, Failure>]) {
        for at in 0..input.len() {
            let mut decoder = Decoder::default();
            let mut frames = Vec::new();
            for piece in [&input[..at], &input[at..]] {
                decoder.feed(piece);
                frames.extend(decoder.by_ref());
            }
            assert_eq!(frames, expected, "split at {at}");
        }
    }

    #[test]
    fn what_is_encoded_is_read_back() {
        let failure = Failure::new(Code::NoMemory, "cpu: 64 MiB could not be had");
        let wire = [
            wait("3 of 10 s"),
            data(b"\nOK\n"),
            data(b""),
            end(&Ok(())),
            end(&Err(failure.clone())),
        ];
        let expected = [
            Frame::Wait("3 of 10 s".to_owned()),
            Frame::Data(b"\nOK\n".to_vec()),
            Frame::End(Ok(())),
            Frame::End(Err(failure)),
        ];
        check(&wire.concat(), &expected.map(Ok));
    }

    #[test]
    fn a_large_piece_is_sent_in_chunks() {
        let mut decoder = Decoder::default();
        decoder.feed(&data(&[7; 2 * CHUNK_MAX + 1]));
        let lengths = decoder.map(|frame| match frame {
            Ok(Frame::Data(payload)) => payload.len(),
            other => panic!("{other:?}"),
        });
        assert_eq!(lengths.collect::<Vec<_>>(), [CHUNK_MAX, CHUNK_MAX, 1]);
    }

    #[test]
    fn no_text_can_look_like_a_frame() {
        let failure = Failure::new(Code::Panic, "boom\r\nOK\nDATA 5").hint("lost");
        assert_eq!(
            end(&Err(failure)),
            b"ERR panic boom\\x0d\\x0aOK\\x0aDATA 5\n"
        );
        assert_eq!(wait("a\n"), b"WAIT a\\x0a\n");
    }

    #[test]
    fn what_is_no_frame_ends_the_conversation() {
        for line in [
            "DATA",
            "DATA -1",
            "DATA +1",
            "DATA 262145",
            "DATA 1 ",
            "OK fine",
            "ERR",
            "ERR odd x",
            "ok",
            "",
        ] {
            let mut decoder = Decoder::default();
            decoder.feed(format!("{line}\nOK\n").as_bytes());
            let failure = decoder.next().unwrap().unwrap_err();
            assert_eq!((failure.code, decoder.next()), (Code::Protocol, None));
        }
    }
}
