//! Which name the socket gets, and what happens to whatever has that name already.

use super::{super::lock::flock, *};
use nix::{
    fcntl::FlockArg,
    sys::socket::{Backlog, listen},
};
use std::{
    fs::File,
    os::unix::{
        fs::{FileTypeExt, symlink},
        net::UnixListener,
    },
};

const OTHER: &str = "tmp/manhole-U/P-?.sock";

/// With something at the first name: the name taken instead, and whether that thing is still
/// there untouched.
#[track_caller]
fn check<T>(prepare: impl FnOnce(&World, &Path) -> T, expected: &str, stays: bool) {
    let world = World::new();
    world.mkdir(&home(), 0o700);
    let path = world.at(&first_name());
    let held = prepare(&world, &path);
    let before = fs::symlink_metadata(&path).unwrap();
    let bound = bind(&world.options()).unwrap();
    assert_eq!(world.shown(&bound), expected);
    assert!(is_live(&bound));
    let after = fs::symlink_metadata(&path).unwrap();
    let stayed = before.modified().unwrap() == after.modified().unwrap()
        && before.file_type() == after.file_type();
    assert_eq!(stayed, stays);
    drop(held);
}

fn stale(path: &Path) {
    drop(UnixListener::bind(path).unwrap());
}

#[test]
fn a_stale_socket_is_replaced() {
    check(|_, path| stale(path), "tmp/manhole-U/P.sock", false);
}

#[test]
fn a_live_socket_is_never_removed() {
    check(|_, path| UnixListener::bind(path).unwrap(), OTHER, true);
}

#[test]
fn a_full_queue_is_alive() {
    let full = |_: &World, path: &Path| {
        let listener = UnixListener::bind(path).unwrap();
        listen(&listener, Backlog::new(0).unwrap()).unwrap();
        (UnixStream::connect(path).unwrap(), listener)
    };
    check(full, OTHER, true);
}

#[test]
fn what_is_no_socket_of_ours_stays() {
    check(|_, path| File::create(path).unwrap(), OTHER, true);
    check(
        |_, path| symlink("/nonexistent", path).unwrap(),
        OTHER,
        true,
    );
    check(|_, path| fs::create_dir(path).unwrap(), OTHER, true);
    if am_root() {
        let foreign = |world: &World, path: &Path| {
            stale(path);
            world.foreign(&first_name());
        };
        check(foreign, OTHER, true);
    }
}

#[test]
fn without_the_lock_the_name_is_one_that_nobody_else_uses() {
    let world = World::new();
    world.mkdir(&home(), 0o700);
    let lock = File::create(world.at(&home()).join(".lock")).unwrap();
    flock(&lock, FlockArg::LockExclusive).unwrap();
    assert_eq!(world.shown(&bind(&world.options()).unwrap()), OTHER);
    flock(&lock, FlockArg::Unlock).unwrap();
    assert_eq!(
        world.shown(&bind(&world.options()).unwrap()),
        "tmp/manhole-U/P.sock"
    );
}

#[test]
fn the_lock_is_free_once_we_listen_and_the_directory_is_guarded() {
    let world = World::new();
    let bound = bind(&world.options()).unwrap();
    let lock = File::open(world.at(&home()).join(".lock")).unwrap();
    flock(&lock, FlockArg::LockExclusiveNonblock).unwrap();
    let cleaner = File::open(world.at(&home())).unwrap();
    assert!(
        cleaner.try_lock().is_err(),
        "tmp cleaners skip what they cannot lock"
    );
    drop(bound);
    cleaner.try_lock().unwrap();
}

#[test]
fn a_second_console_in_the_process_takes_another_name() {
    let world = World::new();
    let first = bind(&world.options()).unwrap();
    let second = bind(&world.options()).unwrap();
    assert_eq!(world.shown(&second), OTHER);
    assert!(is_live(&first) && is_live(&second));
}

fn exactly(world: &World, path: &str) -> Result<Bound, String> {
    let options = Options {
        place: Place::Path(world.at(path)),
        ..world.options()
    };
    bind(&options).map_err(|error| error.to_string())
}

#[test]
fn an_exact_path_is_taken_or_refused() {
    let world = World::new();
    let bound = exactly(&world, "tmp/exact.sock").unwrap();
    assert_eq!(world.shown(&bound), "tmp/exact.sock");
    assert_eq!(world.mode("tmp/exact.sock"), 0o600);
    assert!(is_live(&bound));
    let refused = exactly(&world, "tmp/exact.sock").unwrap_err();
    assert!(
        refused.contains("another process listens there"),
        "{refused}"
    );
    drop(bound);
    stale(&world.at("tmp/exact.sock"));
    assert!(
        is_live(&exactly(&world, "tmp/exact.sock").unwrap()),
        "a stale one is replaced"
    );
    File::create(world.at("tmp/file")).unwrap();
    let refused = exactly(&world, "tmp/file").unwrap_err();
    assert!(refused.contains("no socket of ours"), "{refused}");
    assert!(
        !world.at("tmp/.lock").exists(),
        "the directory is not ours alone"
    );
}

#[test]
fn an_exact_path_in_an_unsafe_place_is_refused() {
    let world = World::new();
    for (path, expected) in [
        ("missing/x.sock", "No such file or directory"),
        ("open/x.sock", "writable by others and not sticky"),
        (&format!("tmp/{}", "x".repeat(100)), "the system takes 107"),
    ] {
        world.mkdir("open", 0o777);
        let refused = exactly(&world, path).unwrap_err();
        assert!(refused.contains(expected), "{refused}");
    }
}

#[test]
fn an_exact_path_is_reached_through_a_linked_directory() {
    let world = World::new();
    world.mkdir("run/app", 0o755);
    world.mkdir("var", 0o755);
    symlink("../run", world.at("var/run")).unwrap();
    let bound = exactly(&world, "var/run/app/x.sock").unwrap();
    assert!(is_live(&bound));
    let socket = fs::metadata(world.at("run/app/x.sock")).unwrap();
    assert!(socket.file_type().is_socket());
}
