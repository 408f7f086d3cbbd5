//! Every client people use, with replies that are fast, slow, wrong and huge: whole, and with an end.

use crate::service;
use manhole_tests::{
    conn::Conn,
    peers::{self, Outcome, Peer},
    text, victim, wait,
};

/// Whether a reply is whole.
type Whole = fn(&[u8]) -> bool;

/// What is asked, and what the whole reply must be.
const ASKED: [(&str, &str, Whole); 4] = [
    ("fast", "version\n", |reply| {
        reply.starts_with(b"service") && reply.ends_with(b"\n")
    }),
    // Longer than the half second after which socat without -t gives up.
    ("slow", "app slow 1500ms\n", |reply| {
        reply.ends_with(b"done\n")
    }),
    ("error", "stakcs\n", |reply| {
        reply.starts_with(b"ERR unknown stakcs: ") && reply.ends_with(b"\n")
    }),
    ("two", "version; app echo hi\n", |reply| {
        reply.ends_with(b"== app echo hi\nhi\n")
    }),
];

/// 50 MiB of the application's own, in whole lines of 64 bytes.
const HUGE: usize = 50 << 20;

fn check(client: &str, case: &str, outcome: &Outcome, whole: Whole) {
    assert!(
        whole(&outcome.stdout),
        "{client}, {case}: {:?} {:?}",
        String::from_utf8_lossy(&outcome.stdout[..outcome.stdout.len().min(200)]),
        outcome.stderr
    );
    assert_eq!(
        outcome.code(),
        Some(0),
        "{client}, {case}: {}",
        outcome.stderr
    );
}

#[test]
fn every_client_gets_whole_replies_and_an_end() {
    let mut victim = service();
    let socket = victim.socket();
    for (client, peer) in peers::netcats(&socket) {
        for (case, input, whole) in ASKED {
            check(client, case, &peer.run(input), whole);
        }
    }
}

#[test]
fn clients_whose_input_stays_open_get_their_end_too() {
    let mut victim = service();
    let socket = victim.socket();
    // ncat and socat -t60 wait for their own input, whatever the server does.
    for (client, peer) in [
        ("nc -U", Peer::new(["nc.openbsd", "-U"]).arg(&socket)),
        (
            "nc -N -U",
            Peer::new(["nc.openbsd", "-N", "-U"]).arg(&socket),
        ),
        (
            "socat",
            Peer::new(["socat", "-"]).arg(format!("UNIX-CONNECT:{}", socket.display())),
        ),
    ] {
        let (case, input, whole) = ASKED[0];
        check(client, case, &peer.run_open(input), whole);
    }
}

#[test]
fn every_client_gets_50_mib() {
    let mut victim = service();
    let socket = victim.socket();
    for (client, peer) in peers::netcats(&socket) {
        let outcome = peer.run(format!("app big {HUGE}\n"));
        assert_eq!(outcome.stdout.len(), HUGE, "{client}: {}", outcome.stderr);
        assert!(
            outcome.stdout.ends_with(b"\n") && outcome.stdout.starts_with(b"0123456789abcdef"),
            "{client}"
        );
        assert_eq!(outcome.code(), Some(0), "{client}");
    }
}

#[test]
fn curl_gets_whole_replies_and_the_right_status() {
    let mut victim = service();
    let socket = victim.socket();
    let check = |path: &str, code: Option<i32>, whole: Whole| {
        let outcome = peers::curl(&socket, path).arg("--fail-with-body").run("");
        assert!(
            whole(&outcome.stdout),
            "{path}: {:?}",
            String::from_utf8_lossy(&outcome.stdout)
        );
        assert_eq!(outcome.code(), code, "{path}: {}", outcome.stderr);
    };
    check("/cmd/version", Some(0), |body| body.starts_with(b"service"));
    check("/cmd/app/slow?time=1500ms", Some(0), |body| {
        body.ends_with(b"done\n")
    });
    check("/nope", Some(22), |body| body.starts_with(b"ERR unknown"));
    check(&format!("/cmd/app/big?size={HUGE}"), Some(0), |body| {
        body.len() == HUGE
    });
}

#[test]
fn curls_own_reading_of_a_url_is_understood() {
    let mut victim = service();
    let socket = victim.socket();
    // `curl http:/debug/pprof/` asks the host "debug" for /pprof/.
    let outcome = Peer::new(["curl", "--silent", "--show-error", "--unix-socket"])
        .arg(&socket)
        .arg("http:/debug/pprof/")
        .run("");
    assert!(outcome.text().contains("/debug/pprof/"), "{outcome:?}");
}

#[test]
fn a_client_that_half_closes_at_once_is_not_taken_for_gone() {
    let mut victim = service();
    let mut conn = victim.connect();
    conn.send("app slow 1s\n");
    conn.half_close();
    assert_eq!(conn.text_to_end(), "done\n");
    assert_eq!(victim.tell("cancelled"), "0");
}

#[test]
fn a_client_that_goes_away_cancels_its_command() {
    let mut victim = service();
    let mut conn = victim.connect();
    conn.send("app slow 300s\n");
    wait::until_true("the command runs", || victim.tell("begun") == "1");
    drop(conn);
    wait::until_true("the command is told", || victim.tell("cancelled") == "1");
}

#[test]
fn unread_input_does_not_cost_the_reply() {
    let mut victim = service();
    let socket = victim.socket();
    // The error ends the connection although more was sent: the reply must arrive all the same.
    let mut conn = Conn::open(&socket);
    let mut input = b"GARBAGE\n".to_vec();
    input.extend(std::iter::repeat_n(b'x', 100_000));
    conn.send(&input);
    let reply = conn.text_to_end();
    text::expect_error(&reply, "protocol");
    for (client, peer) in peers::netcats(&socket) {
        let outcome = peer.run(&input);
        assert!(
            outcome.stdout.starts_with(b"ERR protocol "),
            "{client}: {outcome:?}"
        );
    }
}

#[test]
fn a_client_that_never_says_anything_costs_nobody_else() {
    let mut victim = service();
    let socket = victim.socket();
    let silent: Vec<Conn> = (0..4).map(|_| Conn::open(&socket)).collect();
    assert!(text::run(&socket, "version").starts_with("service"));
    drop(silent);
    assert!(victim::accepts(&socket));
}
