//! Commands from their declaration to their end.

use super::*;
use crate::{
    app,
    model::{self, Code, Failure, Level},
};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(20);
const WHO: Who = Who {
    uid: 7,
    pid: 8,
    level: Level::Inspect,
};

fn find(name: &str) -> Registered {
    let mut all = all().into_iter();
    all.find(|command| command.spec().name == name).unwrap()
}

fn start(name: &str, words: &[&str]) -> Result<run::Running, Failure> {
    crate::sys::origin::claim();
    app::activate();
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let command = find(name);
    let args = model::Args::parse(command.spec(), &words).unwrap();
    let end = Instant::now() + SOON;
    loop {
        match command.start(args.clone(), WHO, end) {
            // The other tests of this process share the two places for commands.
            Err(busy) if busy.text.contains("every thread") && Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(2));
            }
            other => return other,
        }
    }
}

fn finish(running: &run::Running) -> (Vec<String>, Result<Reply, Failure>) {
    let mut lines = Vec::new();
    loop {
        match running.next(SOON).expect("no end in sight") {
            Said::Line(line) => lines.push(line),
            Said::Progress { done, total, unit } => lines.push(format!("{done}/{total} {unit}")),
            Said::End(result) => return (lines, result),
        }
    }
}

#[test]
fn a_command_speaks_while_it_runs_and_answers_at_its_end() {
    command("test speak")
        .arg(Arg::int("n", 1..=9).default("2"))
        .run(|ctx, args| {
            assert_eq!((ctx.uid(), ctx.pid(), ctx.level()), (7, 8, Level::Inspect));
            assert!(!ctx.cancelled() && ctx.remaining() <= SOON);
            let n = args.int("n").unwrap_or(0);
            for i in 0..n {
                assert!(ctx.say(format!("line {i}")));
            }
            ctx.progress(1.0, 2.0, "s");
            format!("{n} said")
        });
    let (lines, result) = finish(&start("test speak", &["3"]).ok().unwrap());
    assert_eq!(lines, ["line 0", "line 1", "line 2", "1/2 s"]);
    let answer = result.unwrap().into_answer();
    assert_eq!(
        answer.blocks,
        [model::Block::Value(model::Cell::text("3 said"))]
    );
}

#[test]
fn errors_and_panics_are_the_applications_own() {
    command("test fail").run(|_, _| Err::<(), _>("no such queue"));
    command("test panic").run(|_, _| -> () { panic!("on purpose") });
    let check = |name: &str, code: Code, text: &str| {
        let (_, result) = finish(&start(name, &[]).ok().unwrap());
        let failure = result.unwrap_err();
        assert_eq!((failure.code, failure.text.as_str()), (code, text));
    };
    check(
        "test fail",
        Code::Internal,
        "test fail: the application says: no such queue",
    );
    check(
        "test panic",
        Code::Panic,
        "test panic: the application's code panicked: on purpose",
    );
}

#[test]
fn who_goes_away_cancels_and_a_second_caller_is_told_to_wait() {
    command("test wait").run(|ctx, _| {
        while !ctx.cancelled() {
            std::thread::sleep(Duration::from_millis(1));
        }
        ctx.say("nobody hears this")
    });
    let running = start("test wait", &[]).ok().unwrap();
    assert!(running.next(Duration::from_millis(5)).is_none());
    let busy = start("test wait", &[]).err().unwrap();
    assert_eq!(busy.code, Code::Busy);
    assert!(
        busy.text.contains("has been running for 0 s"),
        "{}",
        busy.text
    );
    drop(running);
    let end = Instant::now() + SOON;
    while find("test wait").0.gate.occupied().is_some() {
        assert!(Instant::now() < end, "it was not cancelled");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn names_that_are_taken_or_not_acceptable_are_refused() {
    let check = |name: &str, kind: ErrorKind| {
        let error = command(name).try_run(|_, _| ()).unwrap_err();
        assert_eq!(error.kind(), kind, "{name}");
    };
    command("test twice").try_run(|_, _| ()).unwrap();
    check("test twice", ErrorKind::Taken);
    check("vars", ErrorKind::Taken);
    check("heap mine", ErrorKind::Taken);
    check("Test", ErrorKind::Invalid);
    command("threads").run(|_, _| ());
    let told = app::messages::recent();
    assert!(
        told.iter()
            .any(|message| message.text.contains("\"threads\": the name is taken"))
    );
}

#[test]
fn of_many_that_add_the_same_name_at_once_one_wins() {
    let added = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| command("test race").try_run(|_, _| ()).is_ok()))
            .collect();
        tries
            .into_iter()
            .filter_map(|one| one.join().ok())
            .filter(|won| *won)
            .count()
    });
    assert_eq!(added, 1);
    let named = all()
        .into_iter()
        .filter(|command| command.spec().name == "test race");
    assert_eq!(named.count(), 1);
}
