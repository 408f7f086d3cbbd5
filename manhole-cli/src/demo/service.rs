//! The service `checkout-demo`: a process of its own, ended with the one that started it.

use std::{
    convert::Infallible,
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use manhole::{
    Console, Level, Status,
    client::reason,
    commands::{Cell, Table},
    vars::{self, Tunable},
};
use nix::{
    sys::{
        prctl,
        signal::{SigSet, Signal},
    },
    unistd::getppid,
};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    sync::Semaphore,
};

use super::{
    cache::Cache,
    faults::{self, Faults},
    handler, rates,
    rates::Rates,
    report,
    report::Report,
    resize::Pool,
};

/// What the service calls itself.
pub(super) const NAME: &str = "checkout-demo";

/// Workers of the runtime: more than two, so that two that wait leave others.
const WORKERS: usize = 4;

/// Connections that are served at a time.
const CONNECTIONS: usize = 64;

/// The parts of the service.
pub(super) struct Shop {
    pub(super) cache: Arc<Cache>,
    pub(super) rates: Rates,
    pub(super) pool: Pool,
    pub(super) report: Report,
    pub(super) faults: Arc<Faults>,
    /// Quantities that are priced at a time.
    pub(super) batch: Tunable<usize>,
}

/// The service's whole life. Its first line is for the process that started it: `{"port":..,
/// "socket":".."}`, or `{"failed":"why"}`.
pub(super) fn main(parent: i32) -> ExitCode {
    // Before there is any other thread: those inherit it, and only this one waits for the end.
    let end = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP];
    let end = end.into_iter().collect::<SigSet>();
    let _ = end.thread_block();
    if prctl::set_pdeathsig(Signal::SIGTERM).is_err() || getppid().as_raw() != parent {
        return ExitCode::FAILURE;
    }
    let _ = prctl::set_name(c"checkout-demo");
    let console = console();
    let opened = path(&console).and_then(|socket| {
        let open = open(Faults::all_on()).map_err(|error| reason(&error))?;
        Ok((open, socket))
    });
    let message = match &opened {
        Ok((open, socket)) => json!({"port": open.address.port(), "socket": socket}),
        Err(why) => json!({ "failed": why }),
    };
    let told = writeln!(io::stdout(), "{message}");
    let code = match opened {
        Ok((open, _)) if told.is_ok() => {
            let _ = end.wait();
            // Requests that are under way now need no answer.
            open.runtime.shutdown_background();
            ExitCode::SUCCESS
        }
        _ => ExitCode::FAILURE,
    };
    console.shutdown();
    code
}

fn console() -> Console {
    manhole::builder()
        .name(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .start_timeout(Duration::from_secs(2))
        // The one who started us says where the console is.
        .log_to(|_| {})
        .install()
}

/// The path of the console's socket.
fn path(console: &Console) -> Result<String, String> {
    let why = match (console.status(), console.path()) {
        (Status::Listening, Some(path)) => return Ok(path.to_string_lossy().into_owned()),
        (Status::Failed(why) | Status::Disabled(why), _) => why,
        (status, _) => format!("it is {status:?}"),
    };
    Err(format!("it has no console: {why}"))
}

/// An open shop.
pub(super) struct Open {
    pub(super) runtime: Runtime,
    pub(super) address: SocketAddr,
}

/// Opens the shop on a port of the loopback interface.
///
/// # Errors
/// When there is no port, no thread or no descriptor to be had.
pub(super) fn open(faults: Faults) -> io::Result<Open> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()?;
    let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let listener = listener.map_err(|error| {
        let why = reason(&error);
        io::Error::new(
            error.kind(),
            format!("failed to listen on 127.0.0.1: {why}"),
        )
    })?;
    let address = listener.local_addr()?;
    let faults = Arc::new(faults);
    let shop = Arc::new(Shop {
        cache: Arc::new(Cache::new(Arc::clone(&faults))),
        rates: Rates::new(),
        pool: Pool::start()?,
        report: Report::new(report::DISK),
        faults,
        batch: vars::tunable("pricing.batch", 32, 1..=256),
    });
    register(&shop, address);
    report::start(&shop)?;
    runtime.spawn(rates::keep_fresh(Arc::downgrade(&shop)));
    runtime.spawn(accept(listener, shop));
    Ok(Open { runtime, address })
}

/// What the console shows and does beyond its own.
fn register(shop: &Arc<Shop>, address: SocketAddr) {
    faults::register(&shop.faults);
    vars::publish("config", move || {
        json!({
            "listen": address.to_string(),
            "workers": WORKERS,
            "database": "postgres://checkout:hunter2@db.internal/prices",
            "rates": {"url": "https://bank.example/rates", "api_key": "demo-4f1d77"},
        })
    });
    let cache = Arc::clone(&shop.cache);
    manhole::on_reclaim("price cache", move || cache.clear().1 as u64);
    let cache = Arc::clone(&shop.cache);
    manhole::command("cache drop")
        .about("forgets every price sheet; the next requests work them out again")
        .cost("a moment of processor time for each request that follows")
        .level(Level::Control)
        .run(move |_, _| {
            let (sheets, bytes) = cache.clear();
            let mut table = Table::new(["sheets", "freed"]);
            table.row([Cell::from(sheets), Cell::bytes(bytes as u64)]);
            table
        });
}

async fn accept(listener: TcpListener, shop: Arc<Shop>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let shop = Arc::clone(&shop);
                tokio::spawn(async move {
                    converse(stream, &shop).await;
                    drop(place);
                });
            }
            // No descriptor is free: one of the connections will end.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn converse(stream: TcpStream, shop: &Shop) {
    let _ = stream.set_nodelay(true);
    let serve =
        service_fn(
            |request| async move { Ok::<_, Infallible>(handler::serve(shop, request).await) },
        );
    // A client that breaks off is its own affair.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), serve)
        .await;
}
