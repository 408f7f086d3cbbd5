//! Who may come in, and how far: decided by the kernel's word on the peer, and by integers only.
//!
//! The owner (our effective uid at this moment) and root have control; the builder may let others
//! in; a cap holds for everybody. The peer's pid is no part of it, and no name is ever looked up:
//! that could block, load plug-ins into the host, or lie.

use crate::{
    command::Access,
    model::{Code, Failure, Level},
    sys::{self, peer::Credentials},
};
use std::{fmt, fs, io, os::fd::AsFd};

/// What the builder and the environment allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// Who is let in besides the owner and root, and the cap on everybody.
    pub access: Access,
    /// Whether `max_level` was called: the builder then decided for an undumpable process, too.
    pub cap_is_chosen: bool,
}

/// What is known of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// As of its `connect()`.
    pub credentials: Credentials,
    /// Supplementary groups; empty when no group is allowed or the kernel does not tell.
    pub groups: Vec<u32>,
}

/// What a decision depends on beside the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Here {
    /// Our effective uid.
    pub euid: u32,
    /// The ids that stand for everybody whom our user namespace does not know; `None` in the
    /// initial one, where each id is one person.
    pub anybody: Option<Anybody>,
    /// Whether the process made itself undumpable.
    pub undumpable: bool,
}

/// The overflow ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Anybody {
    /// Of users.
    pub uid: u32,
    /// Of groups.
    pub gid: u32,
}

/// Somebody may not come in: the sentence to tell them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(String);

impl Policy {
    /// The level of `peer`.
    ///
    /// # Errors
    /// The refusal, when it is neither the owner nor root nor anybody who was let in.
    pub(crate) fn admit(&self, peer: &Peer, here: &Here) -> Result<Level, Refusal> {
        let uid = peer.credentials.uid;
        let anybody = here.anybody.is_some_and(|anybody| anybody.uid == uid);
        let own = !anybody && (uid == here.euid || uid == 0);
        let allowed = match own {
            true => Some(Level::Control),
            false => self.allowed_as_other(peer, here, anybody),
        };
        let level = allowed.ok_or_else(|| self.refusal(uid, here, anybody))?;
        let hidden = here.undumpable && !self.cap_is_chosen;
        let caps = [self.access.cap, hidden.then_some(Level::View)];
        Ok(caps.into_iter().flatten().fold(level, Level::min))
    }

    fn allowed_as_other(&self, peer: &Peer, here: &Here, anybody: bool) -> Option<Level> {
        let by_uid = self
            .access
            .uids
            .iter()
            .filter(|(uid, _)| *uid == peer.credentials.uid && !anybody);
        let is_member = |gid: u32| {
            here.anybody.is_none_or(|anybody| anybody.gid != gid)
                && (gid == peer.credentials.gid || peer.groups.contains(&gid))
        };
        let by_gid = self.access.gids.iter().filter(|(gid, _)| is_member(*gid));
        by_uid.chain(by_gid).map(|(_, level)| *level).max()
    }

    fn refusal(&self, uid: u32, here: &Here, anybody: bool) -> Refusal {
        // Nobody can come in as an owner who looks like anybody.
        let owner = match here.anybody {
            Some(anybody) if anybody.uid == here.euid => 0,
            _ => here.euid,
        };
        let who = self.access.who_has(Level::View, owner);
        Refusal(match anybody {
            false => format!("uid {uid} may not use this console; {who} may (try sudo)"),
            true => format!(
                "uid {uid} may not use this console, since in its user namespace anybody has that uid; \
                 {who} may (manhole-cli takes the right one by itself)"
            ),
        })
    }

    /// Whether a peer's supplementary groups matter.
    pub(crate) fn looks_at_groups(&self) -> bool {
        !self.access.gids.is_empty()
    }
}

impl Peer {
    /// The peer of an accepted connection. One or two system calls.
    ///
    /// # Errors
    /// What the kernel says of a socket that has no peer any more.
    pub(crate) fn of(stream: impl AsFd, with_groups: bool) -> io::Result<Self> {
        let credentials = sys::peer::credentials(&stream)?;
        let groups = match with_groups {
            true => sys::peer::groups(&stream).unwrap_or_default(),
            false => Vec::new(),
        };
        Ok(Self {
            credentials,
            groups,
        })
    }
}

impl Here {
    /// As it is now. `anybody` is asked for once and passed in: a process with more than one
    /// thread cannot change its user namespace.
    pub(crate) fn now(anybody: Option<Anybody>) -> Self {
        Self {
            euid: sys::euid(),
            anybody,
            undumpable: sys::process::undumpable_by_choice(),
        }
    }
}

impl Anybody {
    /// The overflow ids of our user namespace, unless it is the initial one. Reads /proc; without
    /// it the namespace counts as another one and the ids as the usual 65534.
    pub(crate) fn of_our_namespace() -> Option<Self> {
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let setting = |name: &str| {
            let text = fs::read_to_string(format!("/proc/sys/kernel/{name}")).ok()?;
            text.trim().parse().ok()
        };
        (!maps_everybody(&map)).then(|| Self {
            uid: setting("overflowuid").unwrap_or(65_534),
            gid: setting("overflowgid").unwrap_or(65_534),
        })
    }
}

/// Whether each uid is itself: then nobody is unknown.
fn maps_everybody(uid_map: &str) -> bool {
    uid_map.split_whitespace().eq(["0", "0", "4294967295"])
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Failure::new(Code::Denied, refusal.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Level::{Control, Inspect, View};
    use std::os::unix::net::UnixStream;

    fn open() -> Policy {
        Policy {
            access: Access::default(),
            cap_is_chosen: false,
        }
    }

    fn shared() -> Policy {
        let mut policy = open();
        policy.access.uids = vec![(1001, Inspect), (1001, View), (65_534, Control)];
        policy.access.gids = vec![(4, View), (27, Inspect), (65_534, Control)];
        policy
    }

    fn capped(mut policy: Policy, cap: Level) -> Policy {
        policy.access.cap = Some(cap);
        policy
    }

    fn here(euid: u32) -> Here {
        Here {
            euid,
            anybody: None,
            undumpable: false,
        }
    }

    fn in_a_container(euid: u32) -> Here {
        let anybody = Anybody {
            uid: 65_534,
            gid: 65_534,
        };
        Here {
            anybody: Some(anybody),
            ..here(euid)
        }
    }

    fn check(
        policy: &Policy,
        here: Here,
        (uid, gid): (u32, u32),
        groups: &[u32],
        expected: Option<Level>,
    ) {
        let peer = Peer {
            credentials: Credentials { pid: 0, uid, gid },
            groups: groups.to_vec(),
        };
        let found = policy.admit(&peer, &here).ok();
        assert_eq!(
            found, expected,
            "{uid}:{gid} {groups:?} at {here:?} with {policy:?}"
        );
    }

    #[test]
    fn the_owner_and_root_have_control_and_nobody_else_comes_in() {
        for (euid, uid, expected) in [
            (1003, 1003, Some(Control)),
            (1003, 0, Some(Control)),
            (1003, 1001, None),
            (0, 0, Some(Control)),
            (0, 1001, None),
            (65_534, 65_534, Some(Control)),
        ] {
            check(&open(), here(euid), (uid, uid), &[0, 4, 1003], expected);
        }
    }

    #[test]
    fn others_get_the_best_of_what_they_were_given() {
        let stranger = (1005, 1005);
        check(&shared(), here(1003), (1001, 1001), &[], Some(Inspect));
        check(&shared(), here(1003), stranger, &[], None);
        check(&shared(), here(1003), stranger, &[5, 4], Some(View));
        check(&shared(), here(1003), stranger, &[27, 4], Some(Inspect));
        check(&shared(), here(1003), (1005, 4), &[], Some(View));
        check(&shared(), here(1003), (1003, 4), &[4], Some(Control));
    }

    #[test]
    fn in_another_namespace_the_overflow_ids_are_nobody() {
        for policy in [open(), shared()] {
            check(
                &policy,
                in_a_container(65_534),
                (65_534, 65_534),
                &[65_534],
                None,
            );
            check(
                &policy,
                in_a_container(1003),
                (65_534, 65_534),
                &[65_534],
                None,
            );
            check(&policy, in_a_container(0), (0, 0), &[], Some(Control));
        }
        check(
            &shared(),
            in_a_container(1003),
            (1005, 65_534),
            &[65_534],
            None,
        );
        check(
            &shared(),
            in_a_container(1003),
            (1005, 65_534),
            &[4],
            Some(View),
        );
        check(&shared(), here(1003), (65_534, 1), &[], Some(Control));
    }

    #[test]
    fn the_cap_holds_for_everybody() {
        for cap in Level::ALL {
            let policy = capped(shared(), cap);
            check(&policy, here(1003), (0, 0), &[], Some(cap));
            check(&policy, here(1003), (1003, 0), &[], Some(cap));
            check(&policy, here(1003), (1001, 0), &[], Some(Inspect.min(cap)));
        }
    }

    #[test]
    fn an_undumpable_process_shows_numbers_unless_the_builder_decided() {
        let hidden = Here {
            undumpable: true,
            ..here(1003)
        };
        check(&open(), hidden, (0, 0), &[], Some(View));
        let chosen = Policy {
            cap_is_chosen: true,
            ..capped(open(), Inspect)
        };
        check(&chosen, hidden, (0, 0), &[], Some(Inspect));
    }

    #[test]
    fn a_refusal_says_who_may() {
        let refusal = |policy: &Policy, here: Here, uid| {
            let credentials = Credentials {
                pid: 1,
                uid,
                gid: uid,
            };
            let peer = Peer {
                credentials,
                groups: Vec::new(),
            };
            policy.admit(&peer, &here).unwrap_err().to_string()
        };
        let may_not = "uid 1005 may not use this console; ";
        for (policy, euid, who) in [
            (open(), 1003, "uid 1003 and 0 may (try sudo)"),
            (open(), 0, "uid 0 may (try sudo)"),
            (
                shared(),
                1003,
                "uid 1003, 1001, 65534 and 0, gid 4, gid 27, gid 65534 may (try sudo)",
            ),
        ] {
            assert_eq!(
                refusal(&policy, here(euid), 1005),
                format!("{may_not}{who}")
            );
        }
        let text = refusal(&open(), in_a_container(1003), 65_534);
        assert!(
            text.contains("anybody has that uid; uid 1003 and 0 may"),
            "{text}"
        );
        let failure = Failure::from(Refusal("no".into()));
        assert_eq!(failure.to_string(), "ERR denied no");
    }

    #[test]
    fn namespaces_are_told_apart_by_their_map() {
        for (map, expected) in [
            ("         0          0 4294967295\n", true),
            ("         0       1000          1\n", false),
            ("0 100000 65536\n65536 0 1\n", false),
            ("", false),
        ] {
            assert_eq!(maps_everybody(map), expected, "{map:?}");
        }
    }

    #[test]
    fn a_peer_is_what_the_kernel_says() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let peer = Peer::of(&ours, true).unwrap();
        let here = Here::now(Anybody::of_our_namespace());
        assert_eq!(peer.credentials.uid, here.euid);
        assert_eq!(open().admit(&peer, &here), Ok(Control));
        assert_eq!(Peer::of(&ours, false).unwrap().groups, Vec::<u32>::new());
    }
}
