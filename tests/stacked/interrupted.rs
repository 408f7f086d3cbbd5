//! Calls that wait, each again and again on a thread of its own, and which of them come back early.
//!
//! A signal interrupts some calls in spite of SA_RESTART, and most not. What std wraps must notice
//! nothing of ours.

use super::{Answer, known, waits};
use nix::{
    poll::{PollTimeout, poll},
    sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollTimeout},
};
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    process::Command,
    sync::{
        Condvar, LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// How long each call waits when nothing interrupts it.
pub(crate) const WAIT: Duration = Duration::from_millis(50);

/// A call by name: `None` for one that came back when it should.
type Wait = fn() -> io::Result<()>;

const CALLS: [(&str, Wait); 20] = [
    ("std_sleep", std_sleep),
    ("std_park", std_park),
    ("std_mutex", std_mutex),
    ("std_condvar", std_condvar),
    ("std_mpsc", std_mpsc),
    ("std_accept", std_accept),
    ("std_tcp_read", std_tcp_read),
    ("std_pipe_read", std_pipe_read),
    ("std_child", std_child),
    ("read", read),
    ("poll", || raw(poll(&mut [], millis()).map(drop))),
    ("epoll_wait", epoll_wait),
    ("udp_timeout", udp_timeout),
    ("nanosleep", || waits::nanosleep(WAIT)),
    ("clock_nanosleep", || waits::clock_nanosleep(WAIT)),
    ("select", || waits::select(WAIT)),
    ("futex_timed", || waits::futex_timed(WAIT)),
    ("futex", || waits::futex_untimed(&WORD)),
    ("sem_timedwait", || waits::sem_timedwait(WAIT)),
    ("sigtimedwait", || waits::sigtimedwait(WAIT)),
];

static STOP: AtomicBool = AtomicBool::new(false);
/// For each call: how often it returned, how often it was interrupted.
static COUNTS: [(AtomicU64, AtomicU64); CALLS.len()] =
    [const { (AtomicU64::new(0), AtomicU64::new(0)) }; CALLS.len()];

static HELD: Mutex<()> = Mutex::new(());
static WORD: AtomicU32 = AtomicU32::new(0);
static PORT: LazyLock<TcpListener> =
    LazyLock::new(|| TcpListener::bind("127.0.0.1:0").expect("a port"));
static SENDER: LazyLock<TcpListener> =
    LazyLock::new(|| TcpListener::bind("127.0.0.1:0").expect("a port"));

pub(crate) fn perform(name: &str, _words: &[&str]) -> Option<Answer> {
    Some(match name {
        "calls" => calls(),
        "calls_made" => Ok(made()),
        "calls_end" => {
            STOP.store(true, Ordering::SeqCst);
            Ok(made())
        }
        _ => return None,
    })
}

/// Starts all of them: threads `c-poll` and so on.
pub(crate) fn calls() -> Answer {
    known::start("ticker".to_owned(), || {
        while !STOP.load(Ordering::SeqCst) {
            tick();
        }
    })?;
    for (place, (name, wait)) in CALLS.into_iter().enumerate() {
        let short: String = name.chars().take(13).collect();
        known::start(format!("c-{short}"), move || repeat(place, wait))?;
    }
    Ok(CALLS.len().to_string())
}

/// `poll:17:3`: it returned 17 times, 3 of them early.
pub(crate) fn made() -> String {
    let counts = CALLS.iter().zip(&COUNTS);
    let rows = counts.map(|((name, _), (returned, early))| {
        let at = |count: &AtomicU64| count.load(Ordering::SeqCst);
        format!("{name}:{}:{}", at(returned), at(early))
    });
    rows.collect::<Vec<String>>().join(" ")
}

fn repeat(place: usize, wait: Wait) {
    let (returned, early) = &COUNTS[place];
    while !STOP.load(Ordering::SeqCst) {
        let result = wait();
        returned.fetch_add(1, Ordering::SeqCst);
        if result.is_err_and(|error| error.kind() == ErrorKind::Interrupted) {
            early.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Ends once what waits for something that another thread does, and begins it anew.
fn tick() {
    let held = HELD.lock();
    thread::sleep(WAIT);
    drop(held);
    waits::wake(&WORD);
    for port in [&PORT, &SENDER] {
        let address = port.local_addr().expect("its address");
        drop(TcpStream::connect(address)); // one more visitor; the next tick brings another
    }
    thread::sleep(Duration::from_millis(2));
}

fn millis() -> PollTimeout {
    PollTimeout::from(WAIT.as_millis() as u16)
}

fn raw(result: nix::Result<()>) -> io::Result<()> {
    result.map_err(io::Error::from)
}

/// What std waits out must not end before its time.
fn in_full(start: Instant) -> io::Result<()> {
    match start.elapsed() >= WAIT {
        true => Ok(()),
        false => Err(ErrorKind::Interrupted.into()),
    }
}

fn std_sleep() -> io::Result<()> {
    let start = Instant::now();
    thread::sleep(WAIT);
    in_full(start)
}

fn std_park() -> io::Result<()> {
    let start = Instant::now();
    thread::park_timeout(WAIT);
    in_full(start)
}

fn std_mutex() -> io::Result<()> {
    drop(HELD.lock());
    thread::sleep(Duration::from_millis(4)); // lets the ticker have it
    Ok(())
}

fn std_condvar() -> io::Result<()> {
    let (lock, condvar) = (Mutex::new(()), Condvar::new());
    let held = lock.lock().unwrap_or_else(PoisonError::into_inner);
    let start = Instant::now();
    let waited = condvar.wait_timeout(held, WAIT);
    drop(waited);
    in_full(start)
}

fn std_mpsc() -> io::Result<()> {
    let (_sender, receiver) = mpsc::channel::<()>();
    let start = Instant::now();
    let _ = receiver.recv_timeout(WAIT); // nothing is ever sent
    in_full(start)
}

fn std_accept() -> io::Result<()> {
    PORT.accept().map(drop)
}

fn std_tcp_read() -> io::Result<()> {
    let (stream, _) = SENDER.accept()?;
    let mut byte = [0];
    (&stream).read(&mut byte).map(drop)
}

/// Reads what a child writes when it has slept: both ends are std's.
fn std_pipe_read() -> io::Result<()> {
    let (mut reader, mut writer) = io::pipe()?;
    let late = thread::spawn(move || {
        thread::sleep(WAIT);
        writer.write_all(b"x")
    });
    let read = reader.read(&mut [0]).map(drop);
    let _ = late.join(); // it cannot panic
    read
}

fn std_child() -> io::Result<()> {
    let mut child = Command::new("sleep").arg("0.05").spawn()?;
    child.wait().map(drop)
}

fn read() -> io::Result<()> {
    let (reader, mut writer) = io::pipe()?;
    let late = thread::spawn(move || {
        thread::sleep(WAIT);
        writer.write_all(b"x")
    });
    let read = raw(nix::unistd::read(&reader, &mut [0]).map(drop));
    let _ = late.join(); // it cannot panic
    read
}

fn epoll_wait() -> io::Result<()> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let timeout = EpollTimeout::from(WAIT.as_millis() as u16);
    raw(epoll.wait(&mut [EpollEvent::empty()], timeout).map(drop))
}

fn udp_timeout() -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(WAIT))?;
    socket.recv(&mut [0]).map(drop)
}
