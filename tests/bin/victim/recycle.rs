//! Closing every descriptor of the process, as daemons of old do, and opening files of its own under
//! the same numbers; and whether anybody has touched those since.

use super::Answer;
use nix::{
    errno::Errno,
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        eventfd::{EfdFlags, EventFd},
        socket::{MsgFlags, recv},
        stat::fstat,
    },
    unistd::close,
};
use std::{
    fs::{self, File},
    io::{Seek, Write},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
        unix::net::{UnixListener, UnixStream},
    },
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

/// Numbers below this are taken again; more than a console has.
const TAKEN: RawFd = 48;
/// What the files hold.
const CONTENT: &[u8] = b"the host's own";

static HELD: Mutex<Vec<Held>> = Mutex::new(Vec::new());

pub(crate) fn perform(name: &str, words: &[&str]) -> Option<Answer> {
    match (name, words) {
        ("recycle", [kind, dir]) => Some(recycle(kind, dir)),
        ("recycled", []) => Some(recycled()),
        _ => None,
    }
}

/// A descriptor of the service's own, with what shows whether somebody else used it.
struct Held {
    number: RawFd,
    inode: u64,
    thing: Thing,
}

enum Thing {
    File(File, PathBuf),
    /// Unrung.
    Event(EventFd),
    /// Watches an event that has happened, once.
    Epoll(Epoll, EventFd),
    /// Two ends, to neither of which anything was sent.
    Stream(UnixStream, UnixStream),
    /// Somebody waits to be accepted, who has gone by now.
    Listener(UnixListener),
}

/// Closes all but the standard ones, and takes every number up to [`TAKEN`] again with things of
/// `kind`: `files`, `events`, `epolls`, `streams`, `listeners`.
fn recycle(kind: &str, dir: &str) -> Answer {
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    for fd in 3..1024 {
        let _ = close(fd); // most are not open
    }
    loop {
        let path = PathBuf::from(dir).join(held.len().to_string());
        let thing = open(kind, path).map_err(|error| error.to_string())?;
        let number = thing.fd().as_raw_fd();
        let inode = fstat(thing.fd()).map_err(|errno| errno.to_string())?.st_ino;
        held.push(Held {
            number,
            inode,
            thing,
        });
        if number >= TAKEN {
            return Ok(held.len().to_string());
        }
    }
}

fn open(kind: &str, path: PathBuf) -> std::io::Result<Thing> {
    Ok(match kind {
        "files" => {
            let mut file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(&path)?;
            file.write_all(CONTENT)?;
            Thing::File(file, path)
        }
        "events" => Thing::Event(event(0)?),
        "epolls" => {
            let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
            let happened = event(1)?;
            let once = EpollFlags::EPOLLIN | EpollFlags::EPOLLONESHOT;
            epoll.add(&happened, EpollEvent::new(once, 7))?;
            Thing::Epoll(epoll, happened)
        }
        "streams" => {
            let (ours, other) = UnixStream::pair()?;
            Thing::Stream(ours, other)
        }
        "listeners" => {
            let listener = UnixListener::bind(&path)?;
            drop(UnixStream::connect(&path)?);
            Thing::Listener(listener)
        }
        _ => return Err(std::io::Error::other("no such kind")),
    })
}

fn event(count: u32) -> nix::Result<EventFd> {
    EventFd::from_value_and_flags(count, EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)
}

/// `untouched`, or the numbers of those that somebody used or closed.
fn recycled() -> Answer {
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    let touched: Vec<String> = held
        .iter_mut()
        .filter_map(|held| held.touched().map(|how| format!("{}: {how}", held.number)))
        .collect();
    match touched.is_empty() {
        true => Ok("untouched".to_owned()),
        false => Ok(touched.join(", ")),
    }
}

impl Thing {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Thing::File(file, _) => file.as_fd(),
            Thing::Event(event) => event.as_fd(),
            Thing::Epoll(epoll, _) => epoll.0.as_fd(),
            Thing::Stream(ours, _) => ours.as_fd(),
            Thing::Listener(listener) => listener.as_fd(),
        }
    }
}

impl Held {
    /// What was done to it, if anything.
    fn touched(&mut self) -> Option<String> {
        match fstat(self.thing.fd()) {
            Ok(stat) if stat.st_ino == self.inode => {}
            Ok(_) => return Some("replaced".to_owned()),
            Err(errno) => return Some(errno.to_string()),
        }
        match &mut self.thing {
            Thing::File(file, path) => {
                let at = file.stream_position().ok();
                let content = fs::read(path).ok();
                let whole = content.as_deref() == Some(CONTENT) && at == Some(CONTENT.len() as u64);
                (!whole).then(|| format!("at {at:?}, {content:?}"))
            }
            Thing::Event(event) => event.read().ok().map(|count| format!("rung {count} times")),
            Thing::Epoll(epoll, happened) => {
                let mut events = [EpollEvent::empty()];
                match epoll.wait(&mut events, EpollTimeout::ZERO) {
                    Ok(1) if events[0].data() == 7 && happened.read() == Ok(1) => None,
                    other => Some(format!("{other:?} events")),
                }
            }
            Thing::Stream(ours, other) => [ours, other]
                .into_iter()
                .find_map(|end| used(end.as_raw_fd())),
            Thing::Listener(listener) => {
                let waits = listener
                    .set_nonblocking(true)
                    .and_then(|()| listener.accept());
                waits.err().map(|error| format!("its caller: {error}"))
            }
        }
    }
}

/// Whether something arrived, or the end.
fn used(socket: RawFd) -> Option<String> {
    match recv(socket, &mut [0; 64], MsgFlags::MSG_DONTWAIT) {
        Err(Errno::EAGAIN) => None,
        other => Some(format!("{other:?}")),
    }
}
