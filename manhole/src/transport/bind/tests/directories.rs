//! Which directory is taken, and in what state it is left.

use super::*;
use crate::sys::testing::{become_lonely_root, in_a_child};
use nix::sys::stat::{Mode, umask};
use std::{fs::File, os::unix::fs::symlink};

/// Prepares a world, binds, and compares the path, the reasons of the places before it (those
/// that contain `tmp`, since only root tries /run) and both modes.
#[track_caller]
fn check(prepare: impl FnOnce(&World), path: &str, reason: &str) {
    let world = World::new();
    prepare(&world);
    let bound = bind(&world.options()).unwrap();
    assert_eq!(world.shown(&bound), path);
    let in_tmp = |refusal: &&String| refusal.contains("/tmp/manhole-");
    let reasons: Vec<&String> = bound.refusals().iter().filter(in_tmp).collect();
    match reason {
        "" => assert_eq!(reasons, Vec::<&String>::new()),
        reason => assert!(
            reasons.iter().any(|text| text.contains(reason)),
            "{reasons:?}"
        ),
    }
    let path = bound.path().unwrap();
    let modes = [path.parent().unwrap(), path].map(|path| world.mode(path.to_str().unwrap()));
    assert_eq!(modes, [0o700, 0o600]);
    assert!(is_live(&bound));
}

const USUAL: &str = "tmp/manhole-U/P.sock";
const RANDOM: &str = "tmp/manhole-U-?/P.sock";

#[test]
fn an_empty_world_gets_the_usual_directory() {
    check(|_| {}, USUAL, "");
}

#[test]
fn root_listens_below_run_if_it_can() {
    let world = World::new();
    world.mkdir("run", 0o755);
    let expected = if sys::euid() == 0 {
        "run/manhole/P.sock"
    } else {
        USUAL
    };
    assert_eq!(world.shown(&bind(&world.options()).unwrap()), expected);
}

#[test]
fn the_runtime_directory_of_systemd_comes_before_the_usual_ones() {
    let world = World::new();
    world.mkdir("run/checkout", 0o755);
    let options = Options {
        runtime_directory: Some(world.at("run/checkout").into()),
        ..world.options()
    };
    assert_eq!(
        world.shown(&bind(&options).unwrap()),
        "run/checkout/manhole/P.sock"
    );
}

#[test]
fn a_squatted_name_leads_to_a_random_one() {
    let link = |world: &World| symlink("/etc", world.at(&home())).unwrap();
    check(link, RANDOM, "is no directory");
    let dangling = |world: &World| symlink("/nonexistent", world.at(&home())).unwrap();
    check(dangling, RANDOM, "is no directory");
    check(
        |world| drop(File::create(world.at(&home())).unwrap()),
        RANDOM,
        "is no directory",
    );
    let fifo = |world: &World| nix::unistd::mkfifo(&world.at(&home()), Mode::S_IRWXU).unwrap();
    check(fifo, RANDOM, "is no directory");
}

#[test]
fn a_directory_of_another_user_is_left_to_it() {
    if !am_root() {
        return;
    }
    for mode in [0o777, 0o755, 0o700, 0] {
        let foreign = |world: &World| {
            world.mkdir(&home(), mode);
            world.foreign(&home());
        };
        check(foreign, RANDOM, "belongs to uid 1234");
    }
}

#[test]
fn an_own_directory_with_another_mode_is_put_right() {
    for mode in [0o777, 0o755, 0o710, 0o500, 0] {
        check(|world| world.mkdir(&home(), mode), USUAL, "");
    }
}

#[test]
fn services_of_one_user_do_not_shut_out_whom_the_other_lets_in() {
    for open_first in [false, true] {
        let world = World::new();
        let options = |open_to_others| Options {
            open_to_others,
            ..world.options()
        };
        let first = bind(&options(open_first)).unwrap();
        let second = bind(&options(!open_first)).unwrap();
        assert_eq!(world.mode(&home()), 0o711, "{open_first}");
        // As upkeep does when a socket was removed: whoever comes back leaves it as it is.
        for (bound, open) in [(first, open_first), (second, !open_first)] {
            drop(bound);
            let again = bind(&options(open)).unwrap();
            assert_eq!(world.mode(&home()), 0o711);
            let mode = world.mode(again.path().unwrap().to_str().unwrap());
            assert_eq!(mode, if open { 0o666 } else { 0o600 });
        }
    }
}

#[test]
fn a_parent_where_others_can_swap_names_is_not_used() {
    let world = World::new();
    world.chmod("tmp", 0o777);
    world.mkdir("dev/shm", 0o1777);
    let bound = bind(&world.options()).unwrap();
    assert_eq!(world.shown(&bound), "dev/shm/manhole-U/P.sock");
    let reasons = bound.refusals().join("\n");
    assert!(
        reasons.contains("tmp is writable by others and not sticky"),
        "{reasons}"
    );
    if am_root() {
        world.chmod("tmp", 0o755);
        world.foreign("tmp");
        let reasons = bind(&world.options()).unwrap().refusals().join("\n");
        assert!(reasons.contains("tmp belongs to uid 1234"), "{reasons}");
    }
}

#[test]
fn in_a_rootless_sandbox_tmp_is_taken_for_roots() {
    if !am_root() {
        return;
    }
    let world = World::new();
    world.mkdir("srv", 0o755);
    let given = world.given("srv/manhole");
    in_a_child(|| {
        let _ = nix::unistd::setuid(1234.into());
        if !become_lonely_root() {
            return true;
        }
        let usual = world.at("tmp/manhole-0");
        let found = bind(&given);
        found.is_ok_and(|bound| {
            let reasons = bound.refusals().join("; ");
            reasons.contains("srv belongs to uid 65534")
                && bound.path().is_some_and(|path| path.starts_with(usual))
                && is_live(&bound)
        })
    });
}

#[test]
fn no_umask_opens_or_closes_the_socket() {
    for (open, modes) in [(false, [0o700, 0o600]), (true, [0o711, 0o666])] {
        for mask in [0, 0o022, 0o077, 0o777] {
            let world = World::new();
            let options = Options {
                open_to_others: open,
                ..world.options()
            };
            // Not root, whom no mode stops: the child has its own umask and its own uid.
            in_a_child(|| {
                let _ = nix::unistd::setgid(1234.into());
                let _ = nix::unistd::setuid(1234.into());
                umask(Mode::from_bits_truncate(mask));
                let Ok(bound) = bind(&options) else {
                    return false;
                };
                let again = bind(&options).is_ok();
                umask(Mode::from_bits_truncate(0o022));
                let home = format!("tmp/manhole-{}", sys::euid());
                let name = format!("{home}/{}.sock", std::process::id());
                again && [home, name].map(|path| world.mode(&path)) == modes && is_live(&bound)
            });
        }
    }
}

#[test]
fn a_given_directory_is_used_as_it_is_or_not_at_all() {
    let world = World::new();
    world.mkdir("srv/own", 0o750);
    let bound = bind(&world.given("srv/own")).unwrap();
    assert_eq!(world.shown(&bound), "srv/own/P.sock");
    assert_eq!(world.mode("srv/own"), 0o750);
    let bound = bind(&world.given("srv/new")).unwrap();
    assert_eq!(world.shown(&bound), "srv/new/P.sock");
    assert_eq!(world.mode("srv/new"), 0o700);
    for mode in [0o770, 0o1777] {
        world.mkdir("srv/open", mode);
        let bound = bind(&world.given("srv/open")).unwrap();
        assert_eq!(world.shown(&bound), USUAL);
        assert!(bound.refusals()[0].contains("writable by its group or others"));
        assert_eq!(world.mode("srv/open"), mode);
    }
}

#[test]
fn a_path_that_is_too_long_or_relative_leads_on() {
    let world = World::new();
    world.mkdir("srv", 0o755);
    let long = format!("srv/{}", "x".repeat(90));
    let bound = bind(&world.given(&long)).unwrap();
    assert_eq!(world.shown(&bound), USUAL);
    assert!(bound.refusals()[0].contains("the system takes 107"));
    assert!(!world.at(&long).exists(), "nothing is made in vain");
    let relative = Options {
        place: Place::Search {
            dir: Some("relative".into()),
        },
        ..world.options()
    };
    let bound = bind(&relative).unwrap();
    assert!(bound.refusals()[0].contains("not an absolute path"));
}

#[test]
fn when_nothing_will_do_each_place_and_reason_is_named() {
    let world = World::new();
    fs::remove_dir(world.at("tmp")).unwrap();
    let error = bind(&world.options()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Bind);
    let text = error.to_string();
    assert!(text.starts_with("failed to bind a socket: "), "{text}");
    for place in ["/tmp/manhole-", "/dev/shm/manhole-"] {
        assert!(text.contains(place), "{text}");
    }
    assert!(
        text.contains("/tmp cannot be used: No such file or directory"),
        "{text}"
    );
}
