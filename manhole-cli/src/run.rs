//! Running one command on an open console and printing its answer.

use std::{
    io::{self, ErrorKind, Write},
    ops::ControlFlow,
    time::Duration,
};

use manhole::client::{CallError, Code, End, Failure, Kind, LONGEST, Patience, Piece, Trouble};

use crate::{
    display::{self, Screen},
    interrupt,
    progress::Progress,
    refusal, stacks,
    target::Opened,
    terminal::Terminal,
};

/// How to run commands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// What the answer goes to.
    pub(crate) out: Terminal,
    /// What complaints and progress go to.
    pub(crate) err: Terminal,
    /// Give up after this time.
    pub(crate) timeout: Option<Duration>,
    /// Print what the console sends, and nothing that was made of it.
    pub(crate) raw: bool,
}

/// Runs one command and writes its answer to `out`. A failure of the command has been told when
/// this returns `Ok(Some(kind))`; only trouble with the connection is an error.
///
/// # Errors
/// When the connection is of no use any more.
pub(crate) fn run(
    opened: &mut Opened,
    words: &[String],
    manner: &Manner,
    out: &mut dyn Write,
) -> Result<Option<Kind>, Trouble> {
    let _cancels = interrupt::cancels();
    if manner.out.interactive && wants_profile(words) {
        let text = "a profile is no sight for a terminal: send it to a file with  > FILE.pb.gz";
        let usage = Failure::new(Code::Usage, text);
        return Ok(Some(complain(opened, words, &usage, manner)));
    }
    if stacks::is_meant(words)
        && !manner.raw
        && let Some(outcome) = by_data(opened, words, manner, out)?
    {
        return Ok(outcome);
    }
    let graded = words.first().is_some_and(|word| word == "triage");
    let mut screen = Screen::new(out, manner.out).graded(graded);
    let (result, written) = call(opened, words, manner, &mut screen);
    let finished = match &result {
        Ok(end) => screen.end(end),
        Err(_) => screen.abort(),
    };
    match (written.and(finished), result) {
        (Err(error), _) => closed(&error),
        (Ok(()), Ok(_)) => Ok(None),
        (Ok(()), Err(CallError::Failed(failure))) => {
            Ok(Some(complain(opened, words, &failure, manner)))
        }
        (Ok(()), Err(lost)) => Err(refusal::explain_door(opened, lost)),
    }
}

/// Whether what is asked for is bytes, and perhaps long in coming.
fn wants_profile(words: &[String]) -> bool {
    let mut pairs = words.windows(2);
    words.iter().any(|word| word == "--format=pprof")
        || pairs.any(|pair| pair == ["--format", "pprof"])
}

/// Asks for data and makes the text here; `None` when the console's own text is to be had instead.
fn by_data(
    opened: &mut Opened,
    words: &[String],
    manner: &Manner,
    out: &mut dyn Write,
) -> Result<Option<Option<Kind>>, Trouble> {
    let mut progress = Progress::new(manner.err.interactive);
    let mut output = Vec::new();
    let words = stacks::question(words);
    let result = opened
        .client
        .call(&words, patience(manner), &mut |piece| match piece {
            Piece::Progress { done, total, unit } => {
                progress.report(done, total, unit);
                ControlFlow::Continue(())
            }
            Piece::Data { bytes, .. } if output.len() + bytes.len() > stacks::CAP => {
                output.clear();
                ControlFlow::Break(())
            }
            Piece::Data { bytes, .. } => {
                output.extend_from_slice(bytes);
                ControlFlow::Continue(())
            }
        });
    progress.clear();
    match result {
        Ok(_) => {}
        Err(CallError::Failed(failure)) if interrupt::requested() => {
            return Ok(Some(Some(complain(opened, &words, &failure, manner))));
        }
        Err(CallError::Failed(failure)) => match failure.code {
            Code::Truncated | Code::Cancelled => return Ok(None),
            _ => return Ok(Some(Some(complain(opened, &words, &failure, manner)))),
        },
        Err(lost) => return Err(refusal::explain_door(opened, lost)),
    }
    let Some(mut found) = stacks::Found::parse(&output) else {
        return Ok(None);
    };
    drop(output);
    stacks::improve(&mut found, opened, &mut progress);
    progress.clear();
    if interrupt::requested() {
        let command = words.first().map_or("", String::as_str);
        let failure = Failure::new(Code::Cancelled, format!("{command}: cancelled"));
        return Ok(Some(Some(complain(opened, &words, &failure, manner))));
    }
    let mut screen = Screen::new(out, manner.out);
    match stacks::print(found, &mut screen) {
        Ok(()) => Ok(Some(None)),
        Err(error) => closed(&error).map(Some),
    }
}

fn patience(manner: &Manner) -> Patience<'static> {
    Patience {
        total: manner.timeout.unwrap_or(LONGEST),
        stop: &interrupt::requested,
    }
}

fn call(
    opened: &mut Opened,
    words: &[String],
    manner: &Manner,
    screen: &mut Screen<'_>,
) -> (Result<End, CallError>, io::Result<()>) {
    let mut progress = Progress::new(manner.err.interactive);
    let mut written = Ok(());
    let result = opened.client.call(words, patience(manner), &mut |piece| {
        match piece {
            Piece::Progress { done, total, unit } => progress.report(done, total, unit),
            Piece::Data {
                media,
                bytes,
                stream,
                ..
            } => {
                progress.clear();
                written = screen.data(media, bytes, stream);
            }
        }
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    (result, written)
}

/// A reader that has seen enough, as `head`, is no trouble.
fn closed(error: &io::Error) -> Result<Option<Kind>, Trouble> {
    match error.kind() {
        ErrorKind::BrokenPipe => Ok(None),
        _ => Err(Trouble::io(
            Kind::Failed,
            "failed to write the answer",
            error,
        )),
    }
}

/// Tells why a command failed.
fn complain(opened: &mut Opened, words: &[String], failure: &Failure, manner: &Manner) -> Kind {
    let kind = Kind::of_code(failure.code);
    let text = match failure.code {
        Code::Denied => {
            let trouble = refusal::explain(opened, words, failure);
            crate::report::describe(&trouble, &manner.err)
        }
        Code::Cancelled if interrupt::requested() => "# cancelled".to_owned(),
        _ => display::failure(failure, &manner.err),
    };
    eprintln!("{text}");
    kind
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fake, target};

    const PLAIN: Manner = Manner {
        out: Terminal::plain(),
        err: Terminal::plain(),
        timeout: Some(Duration::from_secs(5)),
        raw: false,
    };

    fn reply(words: &[String]) -> fake::Reply {
        match words.join(" ").as_str() {
            "version --json" => Ok(fake::VERSION),
            "hello" => Ok("hello\n"),
            "gc run" => Err(Failure::new(Code::Denied, "gc run: needs level control")),
            "slow" => Err(Failure::new(Code::Timeout, "slow: not ready")),
            _ => Err(Failure::new(Code::Unknown, "no such command")),
        }
    }

    /// The exit kind and the output of one command.
    fn check(command: &str, expected: Option<Kind>, output: &str) {
        let fake = fake::Fake::start(&command.replace(' ', "-"), reply);
        let mut opened = target::open_one(&fake.target()).unwrap();
        let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
        let mut out = Vec::new();
        assert_eq!(
            run(&mut opened, &words, &PLAIN, &mut out),
            Ok(expected),
            "{command}"
        );
        assert_eq!(String::from_utf8(out).unwrap(), output, "{command}");
        assert!(opened.client.is_usable());
    }

    #[test]
    fn every_end_has_its_exit_code() {
        check("hello", None, "hello\n");
        check("nope", Some(Kind::Failed), "");
        check("gc run", Some(Kind::Refused), "");
        check("slow", Some(Kind::TimedOut), "");
    }

    #[test]
    fn a_profile_is_not_asked_for_when_a_terminal_would_get_it() {
        let fake = fake::Fake::start("profile", reply);
        let mut opened = target::open_one(&fake.target()).unwrap();
        let on_terminal = Manner {
            out: Terminal {
                interactive: true,
                ..Terminal::plain()
            },
            ..PLAIN
        };
        for line in ["hello --format pprof", "hello --format=pprof 5"] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let ended = run(&mut opened, &words, &on_terminal, &mut io::sink());
            assert_eq!(ended, Ok(Some(Kind::Usage)), "{line}");
            // The stand-in knows no such command: into a pipe it is asked for.
            let ended = run(&mut opened, &words, &PLAIN, &mut io::sink());
            assert_eq!(ended, Ok(Some(Kind::Failed)), "{line}");
        }
    }

    #[test]
    fn a_reader_that_has_gone_ends_it_quietly() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let fake = fake::Fake::start("gone", reply);
        let mut opened = target::open_one(&fake.target()).unwrap();
        assert_eq!(
            run(&mut opened, &["hello".to_owned()], &PLAIN, &mut Gone),
            Ok(None)
        );
    }
}
