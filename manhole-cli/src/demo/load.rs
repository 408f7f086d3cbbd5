//! The customers: plain threads of the process that started the service, so that the service's own
//! threads are its own work alone.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::rates::CURRENCIES;

/// Items that many ask for; they fit into a healthy cache.
const POPULAR: u32 = 800;

/// All items there are.
const ITEMS: u32 = 5_000_000;

/// A customer who is this far behind stops catching up.
const LATE: Duration = Duration::from_secs(3);

/// A service that says nothing for this long is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Customers at work; they leave when this is dropped.
pub(super) struct Load(Arc<AtomicBool>);

/// What a customer asks for, and how often.
#[derive(Clone, Copy)]
struct Customer {
    name: &'static str,
    every: Duration,
    asks: fn(u64) -> String,
}

/// Two for prices, of whom each keeps a worker waiting when the cache's lock is taken, and one for
/// thumbnails, who keeps one thread of the pool about half busy.
const CUSTOMERS: [Customer; 3] = [
    Customer {
        name: "load-price-0",
        every: Duration::from_millis(10),
        asks: price,
    },
    Customer {
        name: "load-price-1",
        every: Duration::from_millis(10),
        asks: price,
    },
    Customer {
        name: "load-photo",
        every: Duration::from_millis(100),
        asks: thumbnail,
    },
];

impl Load {
    /// Sends the customers to the service on `port` of this host.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(super) fn start(port: u16) -> io::Result<Self> {
        let load = Self(Arc::default());
        let address = address(port);
        for (number, customer) in CUSTOMERS.into_iter().enumerate() {
            let over = Arc::clone(&load.0);
            let thread = thread::Builder::new().name(customer.name.into());
            thread.spawn(move || customer.shop(address, number as u64, &over))?;
        }
        Ok(load)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Customer {
    /// Asks at a steady rate. One who had to wait catches up, so that a service that stood still for
    /// a moment has as much to do as before.
    fn shop(self, address: SocketAddr, number: u64, over: &AtomicBool) {
        let (mut connection, mut next, mut asked) = (None, Instant::now(), number);
        while !over.load(Ordering::Relaxed) {
            thread::sleep(next.saturating_duration_since(Instant::now()));
            next = (next + self.every).max(Instant::now() - LATE);
            asked += CUSTOMERS.len() as u64;
            let answered = ask(&mut connection, address, &(self.asks)(mix(asked)));
            if answered.is_err() {
                connection = None;
                thread::sleep(self.every * 20);
            }
        }
    }
}

/// A port of this host.
pub(super) fn address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// One request on a connection that is opened when there is none; the answer's length.
///
/// # Errors
/// When the connection breaks or the answer makes no sense.
pub(super) fn ask(
    connection: &mut Option<BufReader<TcpStream>>,
    address: SocketAddr,
    path: &str,
) -> io::Result<usize> {
    let connection = match connection {
        Some(open) => open,
        None => connection.insert(connect(address)?),
    };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    connection.get_mut().write_all(request.as_bytes())?;
    let length = read_head(connection)?;
    let read = io::copy(&mut connection.take(length), &mut io::sink())?;
    match read == length {
        true => Ok(length as usize),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn connect(address: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

/// Reads up to the end of the head; the length of the body.
fn read_head(answer: &mut impl BufRead) -> io::Result<u64> {
    let mut length = None;
    loop {
        let mut line = String::new();
        if answer.take(1024).read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        if line.is_empty() {
            return length.ok_or_else(|| io::ErrorKind::InvalidData.into());
        }
        let header = line.split_once(':');
        if let Some((_, value)) =
            header.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        {
            length = value.trim().parse().ok();
        }
    }
}

/// Half of the requests are for popular items, the other half for any: those leak.
fn price(random: u64) -> String {
    let items = match random % 2 {
        0 => POPULAR,
        _ => ITEMS,
    };
    let item = (random >> 8) as u32 % items;
    let quantity = (random >> 40) % 40 + 1;
    let currency = CURRENCIES[(random >> 50) as usize % CURRENCIES.len()];
    format!("/price/{item}?quantity={quantity}&currency={currency}")
}

fn thumbnail(random: u64) -> String {
    let width = [80, 96, 160, 192][(random >> 20) as usize % 4];
    format!("/thumbnail/{}?width={width}", random % 1000)
}

/// Scatters numbers over all others (the finalizer of splitmix64).
const fn mix(number: u64) -> u64 {
    let z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::{faults::Faults, service};

    #[test]
    fn an_answer_says_how_long_it_is() {
        let check = |head: &str, expected: Option<u64>| {
            assert_eq!(read_head(&mut head.as_bytes()).ok(), expected, "{head:?}");
        };
        check("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", Some(12));
        check(
            "HTTP/1.1 200 OK\r\ncontent-length:0\r\nx: y\r\n\r\n",
            Some(0),
        );
        check("HTTP/1.1 200 OK\r\n\r\n", None);
        check("HTTP/1.1 200 OK\r\ncontent-length: 12\r\n", None);
    }

    #[test]
    fn half_of_the_items_are_popular() {
        let popular = |path: &String| {
            let item = path["/price/".len()..].split('?').next().unwrap();
            item.parse::<u32>().unwrap() < POPULAR
        };
        let paths: Vec<String> = (0..1000).map(|number| price(mix(number))).collect();
        let count = paths.iter().filter(|path| popular(path)).count();
        assert!((400..600).contains(&count), "{count}");
    }

    #[test]
    fn an_open_shop_serves_customers_and_counts_them() {
        let open = service::open(Faults::default()).unwrap();
        let load = Load::start(open.address.port()).unwrap();
        let mut connection = None;
        let mut length = |path| ask(&mut connection, open.address, path).unwrap();
        assert!(length("/price/7?currency=JPY") > 100);
        assert_eq!(length("/thumbnail/1?width=96"), 13 + 96 * 64 * 3);
        assert!(length("/nowhere") > 10);
        thread::sleep(Duration::from_secs(1));
        drop(load);
        let value = |name| {
            manhole::vars::get(name)
                .unwrap()
                .to_json()
                .as_u64()
                .unwrap()
        };
        assert!(value("http.requests") > 20);
        assert!(value("cache.entries") > 10);
        open.runtime.shutdown_background();
    }
}
