//! User namespaces: the uid that stands for everybody is nobody.

use crate::setup;
use manhole_tests::{
    text,
    users::{ALICE, BOB, become_user, level_of, root, run_as},
    victim::Setup,
};

/// A victim of Alice's in a user namespace of its own.
fn in_user_namespace(options: &[&str]) -> Setup {
    let setup = setup().as_user(ALICE).by(["unshare"]);
    setup.by(options)
}

#[test]
fn the_overflow_uid_is_never_let_in_whatever_the_builder_says() {
    if !root() {
        return;
    }
    // Nothing is mapped: the server itself and every peer look like 65534.
    let mut victim = in_user_namespace(&["--user"])
        .install_with("allow_uid=65534:control allow_gid=65534:control");
    let socket = victim.socket();
    for uid in [BOB, 0, ALICE] {
        let outcome = run_as(uid, &[], &socket, "version");
        let error = text::expect_error(outcome.text(), "denied");
        assert!(error.contains("uid 65534"), "{error}");
    }
    assert_eq!(victim.status(), "Listening");
}

#[test]
fn in_a_rootless_container_its_owner_comes_in_and_others_do_not() {
    if !root() {
        return;
    }
    let mut victim =
        in_user_namespace(&["--map-root-user"]).install_with("allow_uid=65534:control");
    let socket = victim.socket();
    assert_eq!(
        level_of(ALICE, &[], &socket),
        "control",
        "she is uid 0 in there"
    );
    for uid in [BOB, 0] {
        let outcome = run_as(uid, &[], &socket, "version");
        text::expect_error(outcome.text(), "denied");
    }
}

#[test]
fn the_owner_within_its_namespace_comes_in() {
    if !root() {
        return;
    }
    let mut victim = in_user_namespace(&["--map-current-user"]).install();
    let socket = victim.socket();
    assert_eq!(level_of(ALICE, &[], &socket), "control");
    let words = become_user(ALICE, &[]).join(" ");
    assert!(
        words.contains("setpriv"),
        "the same user, from the outer namespace: {words}"
    );
}
