//! Lines, words, heads and bodies at their bounds and beyond; memory stays flat.

use crate::service;
use manhole_tests::{conn::Conn, http, keep::Keep, machine::Machine, procfs, text};

/// The longest line, its end included.
const LINE: usize = 16 << 10;

/// `app echo` and filler, `length` bytes with the line end.
fn line(length: usize) -> String {
    let head = "app echo ";
    format!("{head}{}\n", "x".repeat(length - head.len() - 1))
}

#[test]
fn a_line_of_16_kib_is_run_and_one_byte_more_refused() {
    let mut victim = service();
    let socket = victim.socket();
    let longest = text::batch(&socket, line(LINE));
    assert_eq!(longest.len(), LINE - "app echo ".len());
    text::expect_error(&text::batch(&socket, line(LINE + 1)), "line-too-long");
    // The next line is read as if nothing had been.
    let mut keep = Keep::open(&socket);
    keep.0.send(line(LINE + 1));
    assert!(keep.reply().end.unwrap_err().starts_with("line-too-long "));
    assert_eq!(keep.ok("app echo on"), "on\n");
}

#[test]
fn a_line_without_end_takes_no_memory() {
    const MIB: usize = 64;
    let mut victim = service();
    let pid = victim.pid();
    let mut conn = victim.connect();
    let piece = vec![b'x'; 1 << 20];
    conn.send("app echo ");
    conn.send(&piece);
    conn.settle();
    let before = procfs::rss_kib(pid);
    for _ in 0..MIB {
        conn.send(&piece);
    }
    conn.settle();
    let after = procfs::rss_kib(pid);
    assert!(
        after < before + 4096,
        "RSS went from {before} to {after} KiB"
    );
    conn.send("\n");
    text::expect_error(&conn.text_to_end(), "line-too-long");
}

#[test]
fn ten_thousand_pipelined_commands_are_answered_in_order() {
    const COUNT: usize = 10_000;
    let mut victim = service();
    let socket = victim.socket();
    let input: String = (0..COUNT)
        .map(|number| format!("help version # {number}\nvers {number}\n"))
        .collect();
    let mut conn = Conn::open(&socket);
    let writer = conn.stream().try_clone().expect("a descriptor");
    let sender = std::thread::spawn(move || {
        use std::io::Write;
        (&writer)
            .write_all(input.as_bytes())
            .expect("the server reads on");
        writer
            .shutdown(std::net::Shutdown::Write)
            .expect("our side ends");
    });
    let reply = conn.text_to_end();
    sender.join().expect("all was sent");
    assert_eq!(reply.matches("ERR unknown vers: ").count(), COUNT);
    assert_eq!(reply.matches("level    view").count(), COUNT);
}

#[test]
fn pipelined_replies_keep_their_order_in_keep_mode() {
    const COUNT: usize = 2_000;
    let mut victim = service();
    let mut keep = Keep::open(&victim.socket());
    let mut writer = Conn::from(keep.0.stream().try_clone().expect("a descriptor"));
    let sender = std::thread::spawn(move || {
        for number in 0..COUNT {
            writer.send(format!("app echo {number}\n"));
        }
    });
    for number in 0..COUNT {
        assert_eq!(keep.reply().data, format!("{number}\n").into_bytes());
    }
    sender.join().expect("all was sent");
}

#[test]
fn sixty_four_words_are_a_command_and_one_more_is_not() {
    let mut victim = service();
    let socket = victim.socket();
    let words = |count: usize| format!("app echo{}\n", " w".repeat(count - 2));
    assert_eq!(
        text::batch(&socket, words(64))
            .trim_end()
            .split(' ')
            .count(),
        62
    );
    text::expect_error(&text::batch(&socket, words(65)), "syntax");
}

#[test]
fn control_bytes_and_broken_utf_8_are_syntax_errors_with_their_column() {
    let mut victim = service();
    let socket = victim.socket();
    for (input, column) in [
        (&b"app \x1b[2J\n"[..], 5),
        (b"app\0\n", 4),
        (b"app echo \xff\n", 10),
        (b"app \xc2\x9b\n", 5),
        (b"app\x7f\n", 4),
    ] {
        let reply = text::batch(&socket, input);
        let error = text::expect_error(&reply, "syntax");
        assert!(
            error.contains(&format!("column {column}")),
            "{input:?}: {error}"
        );
    }
}

#[test]
fn an_http_head_has_16_kib_and_64_headers_at_most() {
    let mut victim = service();
    let socket = victim.socket();
    let status = |request: String| http::parse(&http::raw(&socket, request.as_bytes())).status;
    let headers = |count: usize| {
        let more: String = (1..count)
            .map(|number| format!("X-{number}: y\r\n"))
            .collect();
        format!("GET /cmd/version HTTP/1.1\r\nHost: x\r\n{more}\r\n")
    };
    assert_eq!(status(headers(64)), 200);
    assert_eq!(status(headers(65)), 431);
    let sized = |size: usize| {
        let head = "GET /cmd/version HTTP/1.1\r\nHost: x\r\nX: ";
        format!("{head}{}\r\n\r\n", "y".repeat(size - head.len() - 4))
    };
    assert_eq!(status(sized(LINE)), 200);
    assert_eq!(status(sized(LINE + 1)), 431);
    assert_eq!(status(sized(10 * LINE)), 431);
}

#[test]
fn an_http_body_has_64_kib_at_most_and_a_length() {
    let mut victim = service();
    let socket = victim.socket();
    let post = |headers: &[(&str, &str)], body: &[u8]| {
        http::request(&socket, "POST", "/cmd/version", headers, body).status
    };
    assert_eq!(post(&[], &vec![b'x'; 64 << 10]), 200);
    assert_eq!(post(&[], &vec![b'x'; (64 << 10) + 1]), 413);
    assert_eq!(post(&[("Transfer-Encoding", "chunked")], b""), 501);
    // A length is believed only as far as it is needed: this one must not be waited for.
    assert_eq!(post(&[("Content-Length", "99999999999")], b""), 413);
}

#[test]
fn a_request_line_has_8_kib_at_most() {
    let mut victim = service();
    let socket = victim.socket();
    let request = |size: usize| {
        let path = "x".repeat(size - "GET / HTTP/1.1\r\n".len());
        http::raw(
            &socket,
            format!("GET /{path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes(),
        )
    };
    assert_eq!(http::parse(&request(8 << 10)).status, 404);
    assert_eq!(http::parse(&request((8 << 10) + 1)).status, 400);
}

#[test]
fn a_machine_line_has_its_bound_as_well() {
    let mut victim = service();
    let mut machine = Machine::open(&victim.socket());
    let long = "x".repeat(80 << 10);
    machine.conn.send(format!(
        "{{\"id\":1,\"command\":[\"app\",\"echo\",\"{long}\"]}}\n"
    ));
    let line = machine.conn.line();
    assert!(
        line.contains("line-too-long") || line.contains("\"protocol\""),
        "{line}"
    );
    let reply = machine.run(&["app", "echo", "on"]);
    assert_eq!(reply.data, b"on\n");
}

#[test]
fn a_duration_over_300_s_is_a_usage_error() {
    let mut victim = service();
    let reply = text::run(&victim.socket(), "app slow 301s");
    let error = text::expect_error(&reply, "usage");
    assert!(
        error.contains("app slow: TIME is 301 s, at most 300 s"),
        "{error}"
    );
}
