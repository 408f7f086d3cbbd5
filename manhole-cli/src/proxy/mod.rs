//! `proxy`: loopback HTTP to a console's socket, for tools that know no Unix sockets, as
//! `go tool pprof`.
//!
//! A port on 127.0.0.1 is open to every user of the host and to every page in a browser. What keeps
//! them out is in `rules` (the token, `Host`, what browsers say about the sender) and `owner` (whose
//! the connection is); `relay` serves a connection.

mod answer;
mod owner;
mod relay;
mod rules;

use std::{
    fs::File,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddrV4},
    os::unix::net::UnixStream,
    sync::Arc,
    time::Duration,
};

use manhole::client::{Kind, Pinned, Trouble};
use tokio::{net::TcpListener, sync::Semaphore, time::sleep};

use crate::{
    args, interrupt,
    report::Outcome,
    target::{self, Opened, Way},
};
use rules::Rules;

/// Connections at a time: what a console takes of one user.
const MOST: usize = 8;
/// Connections at a time that are told that there is no room; more are closed without a word.
const STANDING: usize = 32;
/// How often we look whether the target lives.
const LOOK: Duration = Duration::from_millis(300);

/// What all connections share.
struct Shared {
    /// Where we listen.
    address: SocketAddrV4,
    rules: Rules,
    target: Arc<Target>,
}

/// The process that is served, and no other.
struct Target {
    way: Way,
    pid: i32,
    /// `None` when it lies outside of our pid namespace.
    pinned: Option<Pinned>,
}

impl Target {
    fn of(opened: &Opened) -> Result<Self, Trouble> {
        let pid = opened.client.pid();
        let gone = || Trouble::new(Kind::NoTarget, format!("process {pid} has gone"));
        let pinned = match pid {
            0 => None,
            pid => Some(Pinned::new(pid).map_err(|_| gone())?),
        };
        // It is the one that was pinned if the connection still stands.
        match opened.client.is_usable() {
            true => Ok(Self {
                way: opened.way.clone(),
                pid,
                pinned,
            }),
            false => Err(gone()),
        }
    }

    fn lives(&self) -> bool {
        match &self.pinned {
            Some(pinned) => pinned.status().is_ok_and(|status| status.has_memory),
            None => self.way.reach().is_ok(),
        }
    }

    fn reach(&self) -> Result<UnixStream, Trouble> {
        let connected = self.way.reach()?;
        let same = connected.pid == self.pid && (self.pinned.is_none() || self.lives());
        match same {
            true => Ok(connected.stream),
            false => Err(Trouble::new(
                Kind::NoTarget,
                format!("process {} has gone", self.pid),
            )),
        }
    }
}

/// Runs `proxy`.
pub(crate) fn proxy(proxy: &args::Proxy) -> Outcome {
    let opened = target::open_one(&proxy.target)?;
    let (target, label) = (Target::of(&opened)?, opened.label());
    drop(opened);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Trouble::io(Kind::Failed, "failed to start", &error))?;
    let served = runtime.block_on(run(proxy.listen, target, &label));
    // What still runs on its threads is of no use to anybody.
    runtime.shutdown_background();
    served
}

/// The address for `--listen`: this host's loopback, nothing else.
///
/// # Errors
/// For anything else.
pub(crate) fn listen(text: &str) -> Result<SocketAddrV4, String> {
    let address: Option<SocketAddrV4> = text.parse().ok();
    let local = address.filter(|address| *address.ip() == Ipv4Addr::LOCALHOST);
    local.ok_or_else(|| format!("{text:?} is not 127.0.0.1:PORT; nothing else is listened on"))
}

async fn run(listen: SocketAddrV4, target: Target, label: &str) -> Outcome {
    let failed = |error: &io::Error| {
        Trouble::io(Kind::Failed, format!("failed to listen on {listen}"), error)
    };
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| failed(&error))?;
    let address = listener.local_addr().map_err(|error| failed(&error))?;
    let address = relay::v4(address).unwrap_or(listen);
    let token = token().map_err(|error| failed(&error))?;
    announce(address, &token, label)?;
    let shared = Arc::new(Shared {
        address,
        rules: Rules {
            authority: address.to_string(),
            token,
        },
        target: Arc::new(target),
    });
    let _cancels = interrupt::cancels();
    tokio::select! {
        () = accept(listener, &shared) => {}
        () = gone(&shared.target) => eprintln!("# {label} has ended"),
        () = told_to_end() => {}
    }
    Ok(None)
}

/// The base of all addresses is the first line of the output; what follows it for people does not hold
/// the token, since it may end up in a log.
fn announce(address: SocketAddrV4, token: &str, label: &str) -> Result<(), Trouble> {
    let mut out = io::stdout();
    let told = writeln!(out, "http://{address}/{token}").and_then(|()| out.flush());
    told.map_err(|error| Trouble::io(Kind::Failed, "failed to print the address", &error))?;
    eprintln!(
        "# {label} for you alone, until it ends or Ctrl-C; append a path: go tool pprof BASE/debug/pprof/heap"
    );
    Ok(())
}

/// 128 bits that nobody guesses.
fn token() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

async fn accept(listener: TcpListener, shared: &Arc<Shared>) {
    let seats = Arc::new(Semaphore::new(MOST));
    let standing = Arc::new(Semaphore::new(STANDING));
    loop {
        let Ok((client, peer)) = listener.accept().await else {
            // Out of descriptors: they come back as connections end.
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let shared = Arc::clone(shared);
        if let Ok(seat) = Arc::clone(&seats).try_acquire_owned() {
            tokio::spawn(async move {
                relay::serve(client, peer, &shared).await;
                drop(seat);
            });
        } else if let Ok(place) = Arc::clone(&standing).try_acquire_owned() {
            tokio::spawn(async move {
                relay::turn_away(client, MOST).await;
                drop(place);
            });
        }
    }
}

async fn gone(target: &Arc<Target>) {
    loop {
        sleep(LOOK).await;
        let target = Arc::clone(target);
        let lives = tokio::task::spawn_blocking(move || target.lives()).await;
        if !lives.unwrap_or(false) {
            return;
        }
    }
}

async fn told_to_end() {
    while !interrupt::requested() {
        sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_listened_on() {
        assert!(listen("127.0.0.1:0").is_ok());
        for text in [
            "0.0.0.0:80",
            "127.0.0.2:80",
            "[::1]:80",
            "localhost:80",
            ":80",
            "127.0.0.1",
        ] {
            assert!(
                listen(text).unwrap_err().contains("127.0.0.1:PORT"),
                "{text}"
            );
        }
    }

    #[test]
    fn tokens_have_128_bits_and_differ() {
        let (one, two) = (token().unwrap(), token().unwrap());
        assert_eq!(one.len(), 32);
        assert!(one.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(one, two);
    }
}
