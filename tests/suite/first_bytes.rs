//! The first byte decides the dialect; every one has an outcome.

use crate::service;
use manhole_tests::{conn::Conn, text};

#[test]
fn every_first_byte_has_the_outcome_of_the_table() {
    let mut victim = service();
    let socket = victim.socket();
    for byte in 0..=255_u8 {
        let mut conn = Conn::open(&socket);
        conn.send([byte]);
        match byte {
            // Text: nothing is run before a line has come; then it is.
            b'a'..=b'z' | b'#' | b';' | b'?' | b'"' | b'\t' | b' ' | b'\r' => {
                conn.send("\n");
                conn.half_close();
                let reply = String::from_utf8(conn.read_to_end()).expect("text");
                match byte {
                    b'#' | b';' | b'\t' | b' ' => assert_eq!(reply, "", "{byte:#04x}"),
                    b'\r' => assert!(reply.ends_with("]> "), "{reply:?}"),
                    b'?' => assert!(reply.contains("triage"), "{reply:?}"),
                    b'q' => assert_eq!(reply, "", "quit"),
                    b'"' => drop(text::expect_error(&reply, "syntax")),
                    _ => drop(text::expect_error(&reply, "unknown")),
                }
            }
            b'\n' => {
                conn.half_close();
                assert!(conn.text_to_end().ends_with("]> "), "the prompt");
            }
            b'{' => {
                conn.send("\n");
                let reply = conn.line();
                assert!(reply.contains("\"code\":\"protocol\""), "{reply}");
            }
            // Perhaps HTTP: the next byte tells.
            b'A'..=b'Z' => {
                conn.send("\n");
                text::expect_error(&conn.text_to_end(), "protocol");
            }
            _ => drop(text::expect_error(&conn.text_to_end(), "protocol")),
        }
    }
}

#[test]
fn the_server_never_speaks_first() {
    let mut victim = service();
    let mut conn = victim.connect();
    // Another client's whole conversation takes longer than any greeting would.
    text::run(&victim.socket(), "version");
    assert_eq!(conn.read_some(std::time::Duration::from_millis(50)), None);
    conn.half_close();
    assert_eq!(conn.read_to_end(), b"");
}
