//! A service with commands, variables, a setting and a reclaimer of its own.
//!
//! The service sends letters: one thread puts them into a queue, another one sends them. Start it
//! with `cargo run -p manhole-examples --bin custom-command`, and ask it from a second terminal:
//!
//! ```text
//! manhole-cli custom-command                     the prompt; "help" lists the commands below
//! manhole-cli custom-command queue list 5        arguments are typed and have bounds
//! manhole-cli custom-command queue add ann@example.org 4KiB --urgent
//! manhole-cli custom-command queue pause 10s     nothing is sent meanwhile
//! manhole-cli custom-command queue flush 20      reports progress, can be cancelled
//! manhole-cli custom-command 'vars letters.*'    the numbers
//! manhole-cli custom-command vars set letters.pace_ms 50 for 1m
//! manhole-cli custom-command gc run              calls the reclaimer
//! ```

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use manhole::{
    Arg, Level,
    commands::{Cell, Reply, Table},
    vars::{Counter, Gauge, Histogram, Tunable, Unit, tunable},
};

// A variable is a static; it costs one or two atomic operations a use.
static SENT: Counter = Counter::new("letters.sent");
static WAITING: Gauge = Gauge::new("letters.waiting");
static WAITED: Histogram = Histogram::new("letters.waited", Unit::Nanos);

/// Milliseconds between two letters; `vars set` changes it, and it changes back by itself.
static PACE: LazyLock<Tunable<u64>> = LazyLock::new(|| tunable("letters.pace_ms", 200, 10..=5_000));

/// A letter on its way.
struct Letter {
    to: String,
    bytes: u64,
    since: Instant,
}

/// What the threads and the commands share.
#[derive(Default)]
struct Office {
    queue: VecDeque<Letter>,
    paused_until: Option<Instant>,
    /// Copies of what was sent: the memory that can be given back.
    copies: BTreeMap<u64, Vec<u8>>,
}

type Shared = Arc<Mutex<Office>>;

fn main() {
    manhole::install();
    let office = Shared::default();
    add_commands(&office);
    let reclaimed = Arc::clone(&office);
    manhole::on_reclaim("copies of letters", move || {
        let copies = std::mem::take(&mut lock(&reclaimed).copies);
        copies.values().map(|copy| copy.len() as u64).sum()
    });
    let writer = Arc::clone(&office);
    thread::spawn(move || write_letters(&writer));
    send_letters(&office);
}

fn add_commands(office: &Shared) {
    let shared = Arc::clone(office);
    manhole::command("queue list")
        .about("shows the letters that wait, the oldest first")
        .level(Level::View)
        .arg(Arg::int("n", 1..=1000).default("10").about("how many"))
        .run(move |_, args| list(&lock(&shared), args.int("n").unwrap_or(10) as usize));

    let shared = Arc::clone(office);
    manhole::command("queue add")
        .about("puts a letter into the queue")
        .arg(Arg::text("to").required().about("whom it is for"))
        .arg(
            Arg::bytes("size", 1..=1 << 20)
                .default("1KiB")
                .about("how large it is"),
        )
        .arg(Arg::flag("urgent").about("before all others"))
        .example(
            "queue add ann@example.org 4KiB --urgent",
            "it is the next one",
        )
        .run(move |_, args| {
            let letter = Letter {
                to: args.text("to").unwrap_or_default().to_owned(),
                bytes: args.bytes("size").unwrap_or(1024),
                since: Instant::now(),
            };
            add(&mut lock(&shared), letter, args.is("urgent"));
        });

    let shared = Arc::clone(office);
    manhole::command("queue pause")
        .about("sends nothing for a while")
        .arg(Arg::duration("time", Duration::ZERO..=Duration::from_secs(600)).required())
        .run(move |_, args| {
            let time = args.duration("time").unwrap_or_default();
            lock(&shared).paused_until = Some(Instant::now() + time);
            format!("nothing is sent for {time:?}; undo it with: queue pause 0")
        });

    let shared = Arc::clone(office);
    manhole::command("queue flush")
        .about("drops letters, the oldest first")
        .cost("about 20 ms a letter")
        .arg(
            Arg::int("n", 1..=1000)
                .default("10")
                .about("how many at most"),
        )
        .run(move |ctx, args| {
            let wanted = args.int("n").unwrap_or(10);
            for done in 0..wanted {
                if ctx.cancelled() {
                    return Err(format!("stopped after {done} letters"));
                }
                if take(&mut lock(&shared)).is_none() {
                    return Ok(format!("{done} letters dropped; the queue is empty"));
                }
                // As if something had to be written down for each of them.
                thread::sleep(Duration::from_millis(20));
                ctx.progress((done + 1) as f64, wanted as f64, "letters");
            }
            Ok(format!("{wanted} letters dropped"))
        });
}

/// A table for people, and with `--json` the same for programs; the verdict comes first.
fn list(office: &Office, rows: usize) -> Reply {
    let mut table = Table::new(["waits", "size", "to"]);
    for letter in office.queue.iter().take(rows) {
        table.row([
            Cell::from(letter.since.elapsed()),
            Cell::bytes(letter.bytes),
            Cell::from(letter.to.clone()),
        ]);
    }
    let count = office.queue.len();
    let reply = Reply::table(table);
    match count {
        0..100 => reply.ok(format!("{count} letters wait.")),
        _ => reply
            .warn(format!(
                "{count} letters wait: they come faster than they go."
            ))
            .next("vars set letters.pace_ms 50 for 10m"),
    }
}

fn add(office: &mut Office, letter: Letter, urgent: bool) {
    match urgent {
        true => office.queue.push_front(letter),
        false => office.queue.push_back(letter),
    }
    WAITING.set(office.queue.len() as i64);
}

fn take(office: &mut Office) -> Option<Letter> {
    let letter = office.queue.pop_front();
    WAITING.set(office.queue.len() as i64);
    letter
}

/// Five letters a second, of growing size.
fn write_letters(office: &Shared) {
    for number in 0_u64.. {
        let letter = Letter {
            to: format!("customer{}@example.org", number % 97),
            bytes: 1024 + number % 64 * 256,
            since: Instant::now(),
        };
        add(&mut lock(office), letter, false);
        thread::sleep(Duration::from_millis(190));
    }
}

fn send_letters(office: &Shared) {
    loop {
        thread::sleep(Duration::from_millis(PACE.get()));
        let mut office = lock(office);
        if office
            .paused_until
            .is_some_and(|until| Instant::now() < until)
        {
            continue;
        }
        if let Some(letter) = take(&mut office) {
            WAITED.record(letter.since.elapsed().as_nanos() as u64);
            SENT.add(1);
            office
                .copies
                .insert(SENT.get(), vec![b'x'; letter.bytes as usize]);
        }
        while office.copies.len() > 2_000 {
            office.copies.pop_first();
        }
    }
}

fn lock(office: &Shared) -> MutexGuard<'_, Office> {
    office.lock().unwrap_or_else(PoisonError::into_inner)
}
