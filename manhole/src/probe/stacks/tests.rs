//! Real stacks of this process, compared with what the C++ unwinder says about them.

use super::{
    History, Options,
    unwind::{Unwinder, Walk},
};
use crate::{
    model::stack::{Answered, Dump, End, ThreadStack},
    sys::{
        memory::read_own,
        stacks::Copied,
        testing::{self, copy_of_here, interrupt, libgccs_view},
    },
};
use nix::libc;
use std::{
    cell::RefCell,
    hint::black_box,
    io::{Read, pipe},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

/// Calls itself until `depth` is 0, then `last`. Neither inlined nor a loop.
#[inline(never)]
fn nested(depth: usize, last: &mut dyn FnMut()) {
    match depth {
        0 => last(),
        _ => nested(black_box(depth - 1), last),
    }
    black_box(&depth);
}

/// How many frames are of [`nested`]: those below a call of itself have one address in common.
fn nested_frames(thread: &ThreadStack) -> usize {
    let start = nested as *const () as u64;
    let inside = |address: u64| (start..start + 256).contains(&address);
    thread
        .frames
        .iter()
        .filter(|frame| inside(frame.address))
        .count()
}

/// A thread that went to a place, and its stack above that as the C++ unwinder sees it.
struct Victim {
    tid: u32,
    outer: Vec<u64>,
    stay: Arc<Stay>,
}

/// What a victim and its test tell each other.
#[derive(Default)]
struct Stay {
    there: AtomicBool,
    over: AtomicBool,
}

impl Stay {
    /// What comes next is the place.
    fn enter(&self) {
        self.there.store(true, Ordering::SeqCst);
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    fn spin(&self) {
        self.enter();
        while !self.is_over() {
            std::hint::spin_loop();
        }
    }

    fn sleep(&self) {
        self.enter();
        thread::sleep(Duration::from_secs(1000));
    }
}

impl Victim {
    /// A thread that goes `depth` calls deep and then to `place`, where it is now.
    fn new(depth: usize, place: impl Fn(&Stay) + Send + 'static) -> Self {
        let stay = Arc::new(Stay::default());
        let (send, receive) = mpsc::channel();
        let theirs = stay.clone();
        let body = move || {
            nested(depth, &mut || {
                let tid = nix::unistd::gettid().as_raw() as u32;
                send.send((tid, libgccs_view())).unwrap();
                place(&theirs);
            });
        };
        thread::Builder::new()
            .name("victim".to_owned())
            .spawn(body)
            .unwrap();
        let (tid, view) = receive.recv().unwrap();
        while !stay.there.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        // Two frames differ: that of the view itself, and the call in the closure above.
        let outer = view[2..].to_vec();
        Self { tid, outer, stay }
    }

    /// Waits until the thread sleeps.
    fn asleep(self) -> Self {
        loop {
            let stat =
                std::fs::read_to_string(format!("/proc/self/task/{}/stat", self.tid)).unwrap();
            match stat.contains(") S ") {
                true => return self,
                false => thread::sleep(Duration::from_millis(1)),
            }
        }
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.stay.over.store(true, Ordering::SeqCst);
    }
}

fn look(only: &[u32]) -> Dump {
    let options = Options {
        signal: libc::SIGURG,
        ask: true,
        only: Some(only.to_vec()),
        app_crates: vec!["shop".to_owned()],
    };
    super::take(&options, &History::default(), &|| true).unwrap()
}

/// The stack of a victim, which must be what the C++ unwinder said, from its place to the root.
#[track_caller]
fn check(victim: &Victim, depth: usize) -> (ThreadStack, Dump) {
    let mut dump = look(&[victim.tid]);
    let thread = dump.threads.remove(0);
    assert_eq!((thread.tid, thread.name.as_str()), (victim.tid, "victim"));
    assert_eq!(
        (thread.answer, thread.end),
        (Answered::Stack, End::Root),
        "{thread:#x?}"
    );
    assert_eq!(nested_frames(&thread), depth + 1, "{thread:#x?}");
    let ours: Vec<u64> = thread
        .frames
        .iter()
        .map(|frame| frame.address + 1)
        .collect();
    assert!(
        ours.ends_with(&victim.outer),
        "{ours:#x?}\n{:#x?}",
        victim.outer
    );
    assert!(
        thread
            .frames
            .iter()
            .all(|frame| !frame.uncertain && frame.module.is_some())
    );
    assert!(thread.stack_bytes.unwrap() > 500);
    (thread, dump)
}

#[test]
fn threads_in_known_places_are_complete() {
    for depth in [0, 5, 25, 199] {
        check(&Victim::new(depth, Stay::spin), depth);
        check(&Victim::new(depth, Stay::sleep).asleep(), depth);
    }
    let parks = |stay: &Stay| {
        stay.enter();
        thread::park();
    };
    check(&Victim::new(7, parks).asleep(), 7);
}

#[test]
fn waits_for_locks_are_complete_and_name_the_lock() {
    let lock = Arc::new(Mutex::new(false));
    let held = lock.lock().unwrap();
    let theirs = lock.clone();
    let victim = Victim::new(9, move |stay| {
        stay.enter();
        drop(theirs.lock());
    });
    let victim = victim.asleep();
    let (thread, _) = check(&victim, 9);
    let call = thread.call.unwrap();
    assert_eq!(call.number, Some(libc::SYS_futex));
    let address = Arc::as_ptr(&lock) as u64;
    assert!((address..address + 16).contains(&call.arguments[0]));
    drop(held);

    let pair = Arc::new((Mutex::new(()), Condvar::new()));
    let victim = Victim::new(9, move |stay| {
        stay.enter();
        drop(pair.1.wait(pair.0.lock().unwrap()));
    });
    let victim = victim.asleep();
    let (thread, _) = check(&victim, 9);
    assert_eq!(thread.call.unwrap().number, Some(libc::SYS_futex));
}

#[test]
fn waits_on_descriptors_tell_which() {
    let (reader, _writer) = pipe().unwrap();
    let reader = Mutex::new(reader);
    let victim = Victim::new(3, move |stay| {
        stay.enter();
        drop(reader.lock().unwrap().read(&mut [0; 8]));
    });
    let victim = victim.asleep();
    let (thread, _) = check(&victim, 3);
    let call = thread.call.unwrap();
    assert_eq!(
        (call.number, call.on.as_deref()),
        (Some(libc::SYS_read), Some("pipe"))
    );

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let victim = Victim::new(3, move |stay| {
        stay.enter();
        drop(listener.accept());
    });
    let victim = victim.asleep();
    let (thread, _) = check(&victim, 3);
    assert_eq!(thread.call.unwrap().on, Some(address));
}

/// Calls that end with EINTR: their number comes from the code before them.
#[test]
fn waits_that_end_when_asked_are_known_as_well() {
    let poll = |stay: &Stay| {
        stay.enter();
        while !stay.is_over() {
            let _ = nix::poll::poll(&mut [], 60_000_u16);
        }
    };
    let victim = Victim::new(4, poll).asleep();
    let (thread, _) = check(&victim, 4);
    let call = thread.call.unwrap();
    assert!(
        matches!(call.number, None | Some(libc::SYS_poll | libc::SYS_ppoll)),
        "{call:?}"
    );
    #[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
    assert_eq!(call.number, Some(libc::SYS_poll));
}

#[test]
fn a_thread_that_unwinds_a_panic_is_complete() {
    struct Waits<'a>(&'a dyn Fn());
    impl Drop for Waits<'_> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    let victim = Victim::new(6, |stay| {
        let _waits = Waits(&|| stay.sleep());
        // Without a message on standard error.
        std::panic::resume_unwind(Box::new(7));
    });
    check(&victim.asleep(), 6);
}

/// The handler of the host sleeps; below it is what the signal interrupted.
#[test]
fn a_thread_in_a_handler_of_the_host_is_complete() {
    static STAY: Stay = Stay {
        there: AtomicBool::new(false),
        over: AtomicBool::new(false),
    };
    extern "C" fn handler(_: libc::c_int) {
        STAY.sleep();
    }
    let victim = Victim::new(8, Stay::spin);
    interrupt(victim.tid, libc::SIGVTALRM, handler);
    while !STAY.there.load(Ordering::SeqCst) {
        thread::yield_now();
    }
    let (thread, _) = check(&victim.asleep(), 8);
    let start = handler as *const () as u64;
    let inside = |address: u64| (start..start + 256).contains(&address);
    assert!(thread.frames.iter().any(|frame| inside(frame.address)));
}

#[test]
fn deep_stacks_are_cut_and_say_so() {
    let victim = Victim::new(400, Stay::spin);
    let dump = look(&[victim.tid]);
    let thread = &dump.threads[0];
    assert_eq!((thread.frames.len(), thread.end), (256, End::Cut));
    let victim = Victim::new(3, |stay| {
        let mut large = [7_u8; 100_000];
        black_box(&mut large);
        stay.spin();
        black_box(&mut large);
    });
    let dump = look(&[victim.tid]);
    let thread = &dump.threads[0];
    assert_eq!(thread.end, End::Cut, "{thread:#x?}");
    assert!(thread.stack_bytes.unwrap() > 100_000);
}

#[test]
fn a_dump_tells_who_did_not_answer() {
    let blocks = Victim::new(2, |stay| {
        crate::sys::signals::block_all();
        stay.sleep();
    });
    let blocks = blocks.asleep();
    let dump = look(&[blocks.tid]);
    let thread = &dump.threads[0];
    assert_eq!((thread.answer, thread.state), (Answered::Blocks, 'S'));
    assert!(thread.frames.is_empty() && (thread.call.is_some() || thread.waits_in.is_some()));
    assert_eq!(dump.app_crates, ["shop"]);

    let options = Options {
        only: Some(vec![blocks.tid]),
        ..Options::default()
    };
    let dump = super::take(&options, &History::default(), &|| true).unwrap();
    assert_eq!(dump.threads[0].answer, Answered::NotAsked);
    assert!(dump.modules.is_empty());
    assert!(super::take(&options, &History::default(), &|| false).is_err());
}

#[test]
fn a_thread_that_waits_is_unchanged_and_one_that_runs_is_not() {
    let (waits, runs) = (
        Victim::new(2, Stay::sleep).asleep(),
        Victim::new(2, Stay::spin),
    );
    let history = History::default();
    let options = Options {
        signal: libc::SIGURG,
        ask: true,
        only: Some(vec![waits.tid, runs.tid]),
        ..Options::default()
    };
    let mut first = None;
    for round in 0..3 {
        let dump = super::take(&options, &history, &|| true).unwrap();
        let of = |tid: u32| {
            dump.threads
                .iter()
                .find(|thread| thread.tid == tid)
                .unwrap()
        };
        let since = *first.get_or_insert(dump.taken_unix_ns);
        let expected = (round > 0).then_some(since);
        assert_eq!(of(waits.tid).unchanged_since_unix_ns, expected, "{round}");
        assert_eq!(of(runs.tid).unchanged_since_unix_ns, None);
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn modules_are_those_of_the_frames() {
    let (registers, stack) = copy_of_here(64 << 10);
    let copied = Copied {
        registers,
        stack: &stack,
        cut: false,
        depth: None,
        label: 0,
    };
    let mut unwinder = Unwinder::new(&read_own, &|| true).unwrap();
    let walk = unwinder.walk(&copied, 1000);
    assert_eq!(walk.end, End::Root);
    let modules = unwinder.into_modules();
    for frame in &walk.frames {
        let module = &modules[frame.module.unwrap() as usize];
        assert!((module.start..module.end).contains(&frame.address));
    }
}

thread_local! {
    static SEEN: RefCell<Option<Walk>> = const { RefCell::new(None) };
}

/// Leaves the walk from here.
extern "C" fn see() {
    let (registers, stack) = copy_of_here(64 << 10);
    let copied = Copied {
        registers,
        stack: &stack,
        cut: false,
        depth: None,
        label: 0,
    };
    let mut unwinder = Unwinder::new(&read_own, &|| true).unwrap();
    SEEN.set(Some(unwinder.walk(&copied, 1000)));
}

/// The walk out of a detour, which must find its way back and mark where it was uncertain.
fn check_detour(bare: usize, detour: &(dyn Fn(extern "C" fn()) + Sync)) -> Walk {
    let walked = thread::scope(|scope| {
        let body = || {
            let mut outer = Vec::new();
            nested(6, &mut || {
                outer = libgccs_view();
                detour(see);
            });
            (SEEN.take().unwrap(), outer)
        };
        scope.spawn(body).join().unwrap()
    });
    let (walk, outer) = walked;
    let ours: Vec<u64> = walk.frames.iter().map(|frame| frame.address + 1).collect();
    assert_eq!(walk.end, End::Root, "{walk:#x?}");
    assert!(ours.ends_with(&outer[2..]), "{ours:#x?}\n{outer:#x?}");
    let uncertain = walk.frames.iter().filter(|frame| frame.uncertain);
    assert_eq!(uncertain.count(), bare, "{walk:#x?}");
    walk
}

#[test]
fn code_without_rows_is_passed_and_marked() {
    check_detour(1, &testing::through_bare_code);
    check_detour(2, &testing::through_barer_code);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn code_made_at_run_time_is_passed_with_or_without_frame_pointers() {
    // sub rsp, 72; call rdi; add rsp, 72; ret
    let plain = [0x48, 0x83, 0xec, 72, 0xff, 0xd7, 0x48, 0x83, 0xc4, 72, 0xc3];
    // push rbp; mov rbp, rsp; call rdi; pop rbp; ret
    let framed = [0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3];
    for code in [&plain[..], &framed] {
        let walk = check_detour(1, &|see| testing::through_new_code(code, see));
        assert!(walk.frames.iter().any(|frame| frame.module.is_none()));
    }
}

#[test]
#[cfg(all(target_env = "gnu", not(target_feature = "crt-static")))]
fn what_was_loaded_since_is_found() {
    let mut unwinder = Unwinder::new(&read_own, &|| true).unwrap();
    let function = testing::load(c"libBrokenLocale.so.1", c"__ctype_get_mb_cur_max");
    let Some(address) = function else {
        return eprintln!("skipped: no library to load");
    };
    assert!(!unwinder.has_rules(address));
    unwinder.learn(address);
    assert!(unwinder.has_rules(address));
    let path = unwinder.path(address).unwrap();
    assert!(path.contains("libBrokenLocale"), "{path}");
}

/// Threads begin, panic and end while stacks are taken, again and again.
#[test]
fn threads_come_and_go() {
    const ROUNDS: usize = 40;
    let stop = AtomicBool::new(false);
    let mut seen = 0;
    let mut complete = 0;
    thread::scope(|scope| {
        scope.spawn(|| {
            for depth in (0..60).cycle().take_while(|_| !stop.load(Ordering::SeqCst)) {
                let body = move || {
                    nested(depth, &mut || match depth % 3 {
                        0 => thread::sleep(Duration::from_micros(500)),
                        1 => std::panic::resume_unwind(Box::new(depth)),
                        _ => drop(black_box(vec![depth; 1000])),
                    });
                };
                let passing = thread::Builder::new().name("passing".to_owned());
                let _ = passing.spawn(body);
            }
        });
        let options = Options {
            signal: libc::SIGURG,
            ask: true,
            ..Options::default()
        };
        let history = History::default();
        for _ in 0..ROUNDS {
            let dump = super::take(&options, &history, &|| true).unwrap();
            assert!(dump.threads.is_sorted_by_key(|thread| thread.tid));
            let answered = |thread: &&ThreadStack| thread.answer == Answered::Stack;
            for thread in dump.threads.iter().filter(answered) {
                assert!(!thread.frames.is_empty() && thread.stack_bytes != Some(0));
                let fits = |module: u32| (module as usize) < dump.modules.len();
                assert!(
                    thread
                        .frames
                        .iter()
                        .all(|frame| frame.module.is_none_or(fits))
                );
                seen += 1;
                complete += usize::from(thread.end == End::Root);
            }
        }
        stop.store(true, Ordering::SeqCst);
    });
    println!("{complete} of {seen} stacks are complete");
    assert!(
        seen >= ROUNDS && complete * 100 >= seen * 95,
        "{complete} of {seen}"
    );
}
