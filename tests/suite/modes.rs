//! The text dialect's three modes.

use crate::service;
use manhole_tests::{
    conn::Conn,
    keep::Keep,
    peers::Peer,
    text::{self, Prompt},
};

#[test]
fn batch_runs_every_complete_line_and_heads_replies_when_there_are_several() {
    let mut victim = service();
    let socket = victim.socket();
    let reply = text::batch(
        &socket,
        "app echo one; app echo 'two  words'\napp echo three\n",
    );
    let expected =
        "== app echo one\none\n== app echo 'two  words'\ntwo  words\n== app echo three\nthree\n";
    assert_eq!(unquoted(&reply), unquoted(expected));
    assert_eq!(text::run(&socket, "app echo alone"), "alone\n");
}

/// The kind of quotes in a heading is not promised, only that it can be pasted.
fn unquoted(text: &str) -> String {
    text.replace('"', "'")
}

#[test]
fn a_semicolon_can_be_escaped_or_quoted() {
    let mut victim = service();
    let socket = victim.socket();
    assert_eq!(text::run(&socket, r"app echo a\;b"), "a;b\n");
    assert_eq!(text::run(&socket, "app echo 'a;b' \"c;d\""), "a;b c;d\n");
    assert_eq!(text::run(&socket, r"app echo $HOME *"), "$HOME *\n");
}

#[test]
fn an_error_does_not_stop_a_batch() {
    let mut victim = service();
    let reply = text::batch(&victim.socket(), "nope; app echo after\n");
    assert!(
        reply.contains("ERR unknown nope: ") && reply.ends_with("after\n"),
        "{reply}"
    );
}

#[test]
fn the_prompt_greets_answers_and_stays_until_quit() {
    let mut victim = service();
    let socket = victim.socket();
    for opening in ["\n", "\r\n", "mode prompt\n"] {
        let mut prompt = Prompt::by(&socket, opening);
        let lines: Vec<&str> = prompt.banner.lines().collect();
        assert_eq!(lines.len(), 2, "{:?}", prompt.banner);
        assert!(
            lines[0].starts_with("manhole ") && lines[0].contains(": victim 1.2.3 ["),
            "{}",
            lines[0]
        );
        assert!(lines[0].ends_with("level control."), "{}", lines[0]);
        assert_eq!(
            lines[1],
            "Type triage to start, help for the commands, quit to leave."
        );
        assert_eq!(prompt.prompt(), format!("victim[{}]> ", victim.pid()));
        assert_eq!(prompt.run("app echo hi"), "hi\n");
        assert_eq!(prompt.run(""), "");
        assert!(prompt.run("nope").starts_with("ERR unknown nope: "));
        assert!(prompt.run("app echo a; app echo b").contains("a\n"));
        prompt.conn().send("quit\n");
        assert_eq!(prompt.conn().read_to_end(), b"");
    }
}

#[test]
fn every_word_for_quit_ends_each_mode() {
    let mut victim = service();
    let socket = victim.socket();
    for word in ["quit", "exit", "q"] {
        let mut prompt = Prompt::open(&socket);
        prompt.conn().send(format!("{word}\n"));
        assert_eq!(prompt.conn().read_to_end(), b"", "{word}");
        let reply = text::batch(&socket, format!("{word}\napp echo no\n"));
        assert!(!reply.contains("\nno"), "nothing runs behind it: {reply}");
        let mut keep = Keep::open(&socket);
        assert_eq!(keep.run(word).end, Ok(()));
        assert_eq!(keep.0.read_to_end(), b"");
    }
}

#[test]
fn hints_for_what_to_run_next_are_for_the_prompt_only() {
    let mut victim = service();
    let socket = victim.socket();
    // Whatever is wrong or not: `triage` of a fresh process may have nothing to hint at.
    let batch = text::run(&socket, "triage");
    assert!(!batch.contains("# next:"), "{batch}");
    assert!(!Keep::open(&socket).ok("triage").contains("# next:"));
}

#[test]
fn keep_mode_counts_every_byte_and_stays() {
    let mut victim = service();
    let mut keep = Keep::open(&victim.socket());
    assert_eq!(keep.ok("app echo hi"), "hi\n");
    assert!(
        keep.run("nope")
            .end
            .unwrap_err()
            .starts_with("unknown nope: ")
    );
    assert_eq!(keep.run("app big 1000000").data.len(), 1_000_000);
    let slow = keep.run("app slow 300ms");
    assert_eq!(
        (slow.data.as_slice(), slow.end.clone()),
        (b"done\n".as_slice(), Ok(()))
    );
    assert!(!slow.waits.is_empty(), "it says that it works");
    assert_eq!(keep.ok("app echo still"), "still\n");
}

#[test]
fn keep_mode_never_says_more_behind_an_error() {
    let mut victim = service();
    let mut keep = Keep::open(&victim.socket());
    // In batch mode a usage line follows this error.
    keep.0.send("app typed\napp echo next\n");
    let error = keep.reply().end.unwrap_err();
    assert!(error.starts_with("usage app typed: "), "{error}");
    assert_eq!(keep.reply().data, b"next\n");
}

#[test]
fn several_commands_on_a_line_of_keep_mode_get_a_reply_each() {
    let mut victim = service();
    let mut keep = Keep::open(&victim.socket());
    keep.0.send("app echo a; nope; app echo b\n");
    assert_eq!(keep.reply().data, b"a\n");
    assert!(keep.reply().end.is_err());
    assert_eq!(keep.reply().data, b"b\n");
}

#[test]
fn a_script_can_read_keep_mode() {
    let mut victim = service();
    let socket = victim.socket();
    // The loop that the documents give to scripts, in the shell's own words.
    let script = r#"
        exec 3<>"$1.in" 4<>"$1.out"
        nc.openbsd -U "$0" <"$1.in" >"$1.out" & nc=$!
        ask() {
            printf '%s\n' "$*" >&3
            while read -r kind rest <&4; do
                case $kind in
                    DATA) dd bs=1 count="$rest" status=none <&4 ;;
                    WAIT) ;;
                    OK) return 0 ;;
                    ERR) echo "failed: $rest"; return 1 ;;
                esac
            done
        }
        printf 'mode keep\n' >&3
        ask app echo one
        ask nope
        n=$(ask app echo 17); echo "n is $n"
        kill $nc
    "#;
    let fifo = victim.dir().join("pipe");
    for end in ["in", "out"] {
        let path = fifo.with_extension(end);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a pipe with a name");
    }
    let outcome = Peer::new(["bash", "-c", script])
        .arg(&socket)
        .arg(&fifo)
        .run("");
    let lines: Vec<&str> = outcome.text().lines().collect();
    assert_eq!(lines.len(), 3, "{outcome:?}");
    assert_eq!((lines[0], lines[2]), ("one", "n is 17"));
    assert!(
        lines[1].starts_with("failed: unknown nope: "),
        "{outcome:?}"
    );
}

#[test]
fn the_first_line_alone_decides_the_mode() {
    let mut victim = service();
    let socket = victim.socket();
    let reply = text::batch(&socket, "app echo one\nmode keep\n");
    assert!(
        reply.contains("one\n") && reply.contains("ERR unknown"),
        "{reply}"
    );
    // An empty line later is just empty, and a comment before is no command.
    assert!(text::batch(&socket, "app echo one\n\n\n").ends_with("one\n"));
    assert_eq!(text::batch(&socket, "# why\napp echo one\n"), "one\n");
    let mut conn = Conn::open(&socket);
    conn.send("\n");
    conn.half_close();
    assert!(
        conn.text_to_end().ends_with("]> "),
        "the end of input ends the prompt"
    );
}

#[test]
fn errors_name_what_is_wrong_and_show_the_usage_line() {
    let mut victim = service();
    let socket = victim.socket();
    let usage = |line: &str, about: &str| {
        let reply = text::run(&socket, line);
        let error = text::expect_error(&reply, "usage");
        assert!(error.contains(about), "{line}: {error}");
        assert!(
            reply.contains("# usage: app typed COUNT"),
            "{line}: {reply}"
        );
    };
    usage("app typed", "COUNT is missing");
    usage("app typed 11", "at most 10");
    usage("app typed x", "x");
    usage("app typed 1 slow", "fast");
    usage("app typed 1 fast more", "one argument too many");
    usage("app typed 1 --nope", "--nope");
    usage("app typed 1 --share 2", "share");
    usage("app typed 1 --share", "--share needs a value");
    usage("app typed 1 --dry=yes", "--dry takes no value");
    let good = "app typed 3 fast --share=0.25 --time 5s --dry";
    assert_eq!(text::run(&socket, good), "3 fast 0.25 5s true\n");
    assert_eq!(text::run(&socket, "app typed 3"), "3 safe 0.5 - false\n");
}
