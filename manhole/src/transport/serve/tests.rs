//! The loop with a conversation that says one line and waits.

use super::*;
use crate::{
    command::Access,
    sys::{
        self,
        testing::{Scratch, in_a_child},
    },
    transport::bind::{self, Place},
};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::{
    fs::{self, File, Permissions},
    io::{Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream as Client},
    path::{Path, PathBuf},
    pin::pin,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
};

#[derive(Default)]
struct Fake {
    paths: Mutex<Vec<PathBuf>>,
    messages: Mutex<Vec<String>>,
    refusals: AtomicU32,
    ticks: AtomicU32,
    closing: AtomicBool,
}

impl Hooks for Fake {
    async fn converse(self: Arc<Self>, stream: Stream, caller: Caller, connection: Connection) {
        let line = format!("{} {}\n", caller.level, caller.connection);
        let _ = stream.try_write(line.as_bytes());
        let mut evicted = pin!(connection.evicted());
        let told = poll_fn(|cx| {
            if evicted.as_mut().poll(cx).is_ready() {
                return Poll::Ready(true);
            }
            // Ready is a hint; only a read tells.
            while stream.poll_readable(cx).is_ready() {
                match stream.try_read(&mut [0]) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    _ => return Poll::Ready(false),
                }
            }
            Poll::Pending
        });
        if told.await {
            let _ = stream.try_write(b"evicted\n");
        }
    }

    fn refused(&self, _: &Caller, _: &Failure) {
        self.refusals.fetch_add(1, Ordering::Relaxed);
    }

    async fn refuse(self: Arc<Self>, stream: Stream, failure: Failure) {
        let _ = stream.try_write(format!("{failure}\n").as_bytes());
    }

    fn listens(&self, bound: &Bound) {
        let path = bound.path().unwrap().to_owned();
        self.paths.lock().unwrap().push(path);
    }

    fn message(&self, text: String, _: bool) {
        self.messages.lock().unwrap().push(text);
    }

    fn tick(&self) {
        self.ticks.fetch_add(1, Ordering::Relaxed);
    }

    fn closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }
}

/// The loop on a thread of its own.
struct Running {
    fake: Arc<Fake>,
    thread: Option<JoinHandle<io::Result<()>>>,
    _scratch: Scratch,
}

impl Running {
    fn start(access: Access) -> Self {
        let scratch = Scratch::new();
        let fake = Arc::new(Fake::default());
        let setup = setup(&scratch, &fake, access);
        let thread = thread::spawn(move || block_on(run(setup)));
        let running = Self {
            fake,
            thread: Some(thread),
            _scratch: scratch,
        };
        running.until("listens", |fake| !fake.paths.lock().unwrap().is_empty());
        running
    }

    #[track_caller]
    fn until(&self, what: &str, done: impl Fn(&Fake) -> bool) {
        let patience = std::time::Instant::now() + Duration::from_secs(20);
        while !done(&self.fake) {
            assert!(std::time::Instant::now() < patience, "never: {what}");
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn path(&self) -> PathBuf {
        self.fake.paths.lock().unwrap().last().unwrap().clone()
    }

    fn connect(&self) -> (Client, String) {
        let mut client = Client::connect(self.path()).unwrap();
        let line = line(&mut client);
        (client, line)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.fake.closing.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap().unwrap();
    }
}

fn setup(scratch: &Scratch, fake: &Arc<Fake>, access: Access) -> Setup<Fake> {
    let tmp = scratch.path().join("tmp");
    fs::create_dir(&tmp).unwrap();
    fs::set_permissions(&tmp, Permissions::from_mode(0o1777)).unwrap();
    let options = Options {
        place: Place::Search { dir: None },
        open_to_others: true,
        root: scratch.path().to_owned(),
        ..Options::default()
    };
    Setup {
        bound: bind::bind(&options).unwrap(),
        options,
        policy: Policy {
            access,
            cap_is_chosen: false,
        },
        hooks: fake.clone(),
        tick: Duration::from_millis(10),
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    rt::block_on(future).unwrap()
}

/// Up to the newline, or what came before the end.
fn line(client: &mut Client) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while client.read(&mut byte).is_ok_and(|count| count == 1) && byte != *b"\n" {
        bytes.extend(byte);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn who_is_let_in_is_served_with_its_level_and_number() {
    let running = Running::start(Access::default());
    assert_eq!(running.connect().1, "control 1");
    assert_eq!(running.connect().1, "control 2");
    let capped = Access {
        cap: Some(Level::View),
        ..Access::default()
    };
    assert_eq!(Running::start(capped).connect().1, "view 1");
}

#[test]
fn who_is_not_is_told_so() {
    if sys::euid() != 0 {
        return eprintln!("skipped: needs root to connect as another user");
    }
    let access = Access {
        uids: vec![(1234, Level::Inspect)],
        gids: vec![(4321, Level::View)],
        ..Access::default()
    };
    let running = Running::start(access);
    let path = running.path();
    let as_user = |uid: u32, groups: &[u32], expected: &str| {
        in_a_child(|| {
            let groups: Vec<_> = groups.iter().map(|gid| (*gid).into()).collect();
            let _ = nix::unistd::setgroups(&groups);
            let _ = nix::unistd::setgid(uid.into());
            let _ = nix::unistd::setuid(uid.into());
            let said = Client::connect(&path).map(|mut client| line(&mut client));
            said.is_ok_and(|said| said == expected)
        });
    };
    as_user(1234, &[], "inspect 1");
    as_user(1235, &[7, 4321], "view 2");
    let refusal =
        "ERR denied uid 1235 may not use this console; uid 0 and 1234, gid 4321 may (try sudo)";
    as_user(1235, &[7], refusal);
    assert_eq!(running.fake.refusals.load(Ordering::Relaxed), 1);
}

#[test]
fn one_more_than_there_are_places_ends_the_longest_idle_one() {
    let running = Running::start(Access::default());
    let places = if sys::euid() == 0 { 9 } else { 8 };
    let mut clients: Vec<Client> = (0..places).map(|_| running.connect().0).collect();
    let (_, welcome) = running.connect();
    assert_eq!(welcome, format!("control {}", places + 1));
    assert_eq!(line(&mut clients[0]), "evicted");
    assert_eq!(line(&mut clients[0]), "", "and closed");
    clients[1].write_all(b"x").unwrap();
    assert_eq!(line(&mut clients[1]), "", "the others are as they were");
}

#[test]
fn a_socket_that_was_removed_is_back_by_the_next_tick() {
    let running = Running::start(Access::default());
    let (_client, _) = running.connect();
    let path = running.path();
    fs::remove_file(&path).unwrap();
    running.until("bound anew", |fake| fake.paths.lock().unwrap().len() == 2);
    assert_eq!(running.path(), path);
    running.until("watched anew", |_| Client::connect(&path).is_ok());
    assert_eq!(running.connect().1.split(' ').next(), Some("control"));
    assert_eq!(running.fake.messages.lock().unwrap().len(), 1);
}

#[test]
fn stopping_removes_the_socket() {
    let running = Running::start(Access::default());
    let path = running.path();
    assert!(path.exists());
    running.until("ticks", |fake| fake.ticks.load(Ordering::Relaxed) > 1);
    drop(running);
    assert!(!path.exists());
}

/// In a child, for the limit holds for the process.
#[test]
fn at_the_descriptor_limit_it_waits_without_spinning() {
    let scratch = Scratch::new();
    let fake = Arc::new(Fake::default());
    in_a_child(|| {
        let setup = setup(&scratch, &fake, Access::default());
        let path = setup.bound.path().map(Path::to_owned).unwrap_or_default();
        let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
            return false;
        };
        let mut client = None;
        let said = block_on(async {
            let (over, mut end) = tokio::sync::oneshot::channel();
            rt::spawn(async move {
                let _ = over.send(run(setup).await.is_ok());
            });
            sleep(Duration::from_millis(1)).await;
            client = Client::connect(&path).ok();
            let _ = setrlimit(Resource::RLIMIT_NOFILE, 256.min(hard), hard);
            let mut spare: Vec<File> = Vec::new();
            while let Ok(file) = File::open("/dev/null") {
                spare.push(file);
            }
            let before = cpu_ms();
            sleep(Duration::from_millis(400)).await;
            let calm = cpu_ms() - before < 100;
            let complained = fake
                .messages
                .lock()
                .is_ok_and(|messages| !messages.is_empty());
            drop(spare);
            sleep(Duration::from_millis(1500)).await;
            fake.closing.store(true, Ordering::Relaxed);
            let patience = Duration::from_secs(10);
            let ended = rt::timeout(patience, &mut end).await == Ok(Ok(true));
            calm && complained && ended
        });
        said && client.is_some_and(|mut client| line(&mut client) == "control 1")
    });
}

fn cpu_ms() -> i64 {
    use nix::sys::{
        resource::{UsageWho, getrusage},
        time::TimeValLike,
    };
    let usage = getrusage(UsageWho::RUSAGE_SELF);
    usage.map_or(i64::MAX, |usage| {
        (usage.user_time() + usage.system_time()).num_milliseconds()
    })
}
