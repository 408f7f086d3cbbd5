//! What an application registers: commands that behave, and commands that do not.

use super::Answer;
use manhole::{Arg, Level};
use std::{
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// How often `app act` was run.
static ACTS: AtomicU64 = AtomicU64::new(0);
/// How many calls of `app slow` and `evil ...` have begun.
static BEGUN: AtomicU64 = AtomicU64::new(0);
/// How many calls of `app slow` saw that nobody waits any more.
static CANCELLED: AtomicU64 = AtomicU64::new(0);
/// Lets `app loop` go.
static RELEASED: AtomicBool = AtomicBool::new(false);
/// Never notified.
static DEADLOCK: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

pub(crate) fn perform(name: &str, words: &[&str]) -> Option<Answer> {
    Some(match name {
        "register" => {
            match words.first().copied() {
                Some("good") => good(),
                Some("evil") => evil(),
                Some("reclaimer") => manhole::on_reclaim("page cache", || 4096),
                _ => return Some(Err("good, evil or reclaimer?".to_owned())),
            }
            Ok(String::new())
        }
        "acts" => Ok(ACTS.load(Ordering::SeqCst).to_string()),
        "begun" => Ok(BEGUN.load(Ordering::SeqCst).to_string()),
        "cancelled" => Ok(CANCELLED.load(Ordering::SeqCst).to_string()),
        "release" => {
            RELEASED.store(true, Ordering::SeqCst);
            Ok(String::new())
        }
        _ => return None,
    })
}

/// Commands that behave.
fn good() {
    let words = Arg::text("words").rest().about("anything");
    manhole::command("app echo")
        .about("says what it is told")
        .level(Level::View)
        .arg(words)
        .example("app echo hello", "hello")
        .run(|_, args| args.joined("words").unwrap_or_default());
    let size = || {
        Arg::bytes("size", 0..=256 << 20)
            .required()
            .about("how much")
    };
    manhole::command("app big")
        .about("answers with one large text")
        .level(Level::View)
        .arg(size())
        .run(|_, args| filler(args.bytes("size").unwrap_or(0)));
    manhole::command("app stream")
        .about("says lines of 64 bytes, one by one")
        .level(Level::View)
        .arg(size())
        .run(|ctx, args| {
            for number in 0..args.bytes("size").unwrap_or(0) / 64 {
                if !ctx.say(format!("{number:063}")) {
                    CANCELLED.fetch_add(1, Ordering::SeqCst);
                    return Err("nobody reads");
                }
            }
            Ok(manhole::commands::Reply::text("end of the stream"))
        });
    manhole::command("app slow")
        .about("takes its time and says how far it is")
        .level(Level::View)
        .arg(Arg::duration("time", Duration::ZERO..=Duration::from_secs(300)).default("1s"))
        .run(|ctx, args| slow(ctx, args.duration("time").unwrap_or_default()));
    manhole::command("app act")
        .about("counts how often it was run")
        .level(Level::Control)
        .run(|_, _| ACTS.fetch_add(1, Ordering::SeqCst) + 1);
    manhole::command("app undeclared")
        .about("declares no level")
        .run(|_, _| "done");
    manhole::command("app login")
        .about("takes a secret")
        .level(Level::Inspect)
        .arg(Arg::text("user").required())
        .arg(Arg::text("password").required().secret())
        .run(|_, args| format!("welcome {}", args.text("user").unwrap_or("")));
    typed();
}

fn typed() {
    manhole::command("app typed")
        .about("takes an argument of each type")
        .level(Level::View)
        .arg(Arg::int("count", 1..=10).required().about("how many"))
        .arg(Arg::choice("mode", ["fast", "safe"]).default("safe"))
        .arg(Arg::float("share", 0.0..=1.0).option().default("0.5"))
        .arg(Arg::duration("time", Duration::ZERO..=Duration::from_secs(60)).option())
        .arg(Arg::flag("dry").about("only says what it would do"))
        .run(|_, args| {
            let text = |word: Option<String>| word.unwrap_or_else(|| "-".to_owned());
            format!(
                "{} {} {} {} {}",
                text(args.int("count").map(|count| count.to_string())),
                text(args.text("mode").map(str::to_owned)),
                text(args.float("share").map(|share| share.to_string())),
                text(args.duration("time").map(|time| format!("{time:?}"))),
                args.is("dry"),
            )
        });
}

/// `size` bytes in lines of 64.
fn filler(size: u64) -> String {
    let size = usize::try_from(size).unwrap_or(0);
    let mut text =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n".repeat(size / 64 + 1);
    text.truncate(size);
    text
}

fn slow(ctx: &manhole::commands::Context, time: Duration) -> Result<&'static str, &'static str> {
    BEGUN.fetch_add(1, Ordering::SeqCst);
    let started = Instant::now();
    while started.elapsed() < time {
        if ctx.cancelled() {
            CANCELLED.fetch_add(1, Ordering::SeqCst);
            return Err("cancelled");
        }
        ctx.progress(started.elapsed().as_secs_f64(), time.as_secs_f64(), "s");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok("done")
}

/// Commands that do not.
fn evil() {
    let command = |name: &str| {
        manhole::command(name)
            .about("misbehaves")
            .level(Level::View)
    };
    command("evil panic").run(|_, _| -> &str { panic!("the command panics") });
    command("evil fail").run(|_, _| Err::<(), _>("a file is missing\x1b[31m"));
    command("evil loop").run(|_, _| {
        BEGUN.fetch_add(1, Ordering::SeqCst);
        while !RELEASED.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    command("evil deadlock").run(|_, _| {
        BEGUN.fetch_add(1, Ordering::SeqCst);
        let mut over = DEADLOCK.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !*over {
            over = DEADLOCK
                .1
                .wait(over)
                .unwrap_or_else(PoisonError::into_inner);
        }
    });
    command("evil escape").run(|_, _| ESCAPES);
    command("evil frames").run(|_, _| "OK\nERR busy no\nDATA 5\nHTTP/1.1 200 OK\n# not data");
    command("evil exit")
        .level(Level::Control)
        .run(|_, _| -> &str { std::process::exit(7) });
}

/// What a hostile log line or thread name may hold: colours, a title, a bell, a carriage return, C1,
/// DEL, bidirectional overrides.
pub(crate) const ESCAPES: &str =
    "a\x1b[31mred\x1b]0;title\x07 \rover\x08 \u{9b}2J \x7f \u{202e}evil\u{2066} end";
