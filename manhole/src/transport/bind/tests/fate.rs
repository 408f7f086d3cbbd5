//! What becomes of a socket: handed in, moved away, listened on under another uid, removed.

use super::*;
use crate::sys::{peer, testing::in_a_child};
use std::{
    net::TcpListener,
    os::{
        fd::OwnedFd,
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram, UnixListener},
    },
};

fn adopt(fd: impl Into<OwnedFd>) -> Result<Bound, crate::Error> {
    let options = Options {
        place: Place::Listener(crate::sys::own::Own::new(fd.into())),
        ..Options::default()
    };
    bind(&options)
}

#[test]
fn a_handed_in_listener_must_be_a_unix_stream_socket() {
    let world = World::new();
    let path = world.at("tmp/handed.sock");
    let bound = adopt(UnixListener::bind(&path).unwrap()).unwrap();
    assert_eq!(
        (bound.path(), bound.place()),
        (Some(path.as_path()), path.to_str().unwrap())
    );
    assert!(UnixStream::connect(&path).is_ok());
    assert_eq!(bound.check(), Check::Fine);
    drop(bound);
    assert!(path.exists(), "whoever bound it removes it");

    let name = format!("manhole test {}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let bound = adopt(UnixListener::bind_addr(&address).unwrap()).unwrap();
    assert_eq!((bound.path(), bound.place()), (None, &*format!("@{name}")));

    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let datagram = UnixDatagram::bind(world.at("tmp/datagram")).unwrap();
    let connected = UnixStream::pair().unwrap().0;
    for wrong in [OwnedFd::from(tcp), datagram.into(), connected.into()] {
        assert_eq!(adopt(wrong).unwrap_err().kind(), ErrorKind::Bind);
    }
}

fn moved(bound: &Bound) -> String {
    match bound.check() {
        Check::Moved(reason) => reason,
        Check::Fine => panic!("nothing was noticed"),
    }
}

#[test]
fn a_path_that_leads_elsewhere_is_noticed_and_bound_anew() {
    let world = World::new();
    let bound = bind(&world.options()).unwrap();
    assert_eq!(bound.check(), Check::Fine);
    fs::remove_file(bound.path().unwrap()).unwrap();
    assert!(moved(&bound).ends_with("is gone (No such file or directory)"));

    let again = bind(&world.options()).unwrap();
    assert_eq!(world.shown(&again), "tmp/manhole-U/P.sock");
    fs::remove_file(again.path().unwrap()).unwrap();
    let _other = UnixListener::bind(again.path().unwrap()).unwrap();
    assert!(moved(&again).ends_with("was replaced"));

    let again = bind(&world.options()).unwrap();
    assert_eq!(world.shown(&again), "tmp/manhole-U/P-?.sock");
    fs::rename(world.at(&home()), world.at("tmp/away")).unwrap();
    assert!(moved(&again).contains("is gone"));
    assert_eq!(
        world.shown(&bind(&world.options()).unwrap()),
        "tmp/manhole-U/P.sock"
    );
}

#[test]
fn after_a_change_of_uid_clients_see_the_new_one() {
    if !am_root() {
        return;
    }
    let world = World::new();
    let options = world.options();
    in_a_child(|| {
        let Ok(bound) = bind(&options) else {
            return false;
        };
        let Ok(path) = bound.path().ok_or(()).map(Path::to_owned) else {
            return false;
        };
        world.chmod("tmp", 0o1777);
        let seen = |path: &Path| {
            let stream = UnixStream::connect(path).ok()?;
            Some(peer::credentials(&stream).ok()?.uid)
        };
        let before = seen(&path);
        // The old directory is root's; nobody else gets in, so look with root's eyes.
        let _ = nix::unistd::seteuid(1234.into());
        let noticed =
            bound.check() == Check::Moved("the effective uid is 1234 now, it was 0".into());
        bound.relisten();
        let settled = bound.check() != Check::Fine;
        let new_home = bind(&options).is_ok_and(|new| {
            new.path()
                .is_some_and(|path| path.starts_with(world.at("tmp/manhole-1234")))
        });
        let _ = nix::unistd::seteuid(0.into());
        before == Some(0) && noticed && settled && new_home && seen(&path) == Some(1234)
    });
}

#[test]
fn only_what_is_ours_is_removed_and_only_by_us() {
    let world = World::new();
    let bound = bind(&world.options()).unwrap();
    let path = bound.path().unwrap().to_owned();
    let mark = bound.mark().unwrap().clone();
    in_a_child(|| !mark.remove());
    assert!(path.exists(), "a forked child leaves it");
    fs::rename(&path, world.at("kept")).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    assert!(!mark.remove(), "another socket took the name");
    fs::rename(world.at("kept"), &path).unwrap();
    drop(bound);
    assert!(!path.exists());
    assert!(!mark.remove());
}

#[test]
fn a_random_directory_goes_with_its_socket() {
    let world = World::new();
    fs::write(world.at(&home()), "squatted").unwrap();
    let bound = bind(&world.options()).unwrap();
    let directory = bound.path().unwrap().parent().unwrap().to_owned();
    assert!(directory.join(".lock").exists());
    drop(bound);
    assert!(!directory.exists());
    let usual = World::new();
    let bound = bind(&usual.options()).unwrap();
    drop(bound);
    assert!(usual.at(&home()).exists(), "the next process uses it");
}
