//! Facts about this process that steer what the console dares: its ids, its dumpability.

use nix::{
    libc,
    unistd::{SysconfVar, getegid, geteuid, getgid, getuid, sysconf},
};

/// The effective user id of the calling thread; the host's `setuid` changes it in all threads.
pub(crate) fn euid() -> u32 {
    geteuid().as_raw()
}

#[cfg(test)]
/// The effective group id of the calling thread.
pub(crate) fn egid() -> u32 {
    getegid().as_raw()
}

/// Whether the program was started with more rights than its caller has (set-uid, set-gid, file
/// capabilities): its environment is then somebody else's and is ignored.
pub(crate) fn at_secure() -> bool {
    auxv(libc::AT_SECURE) != 0
}

/// Whether the process chose to be undumpable, to keep its memory from others of its uid.
///
/// The kernel itself takes dumpability away from whoever changes ids or gains capabilities by
/// exec: every daemon that dropped root looks like that, and it chose nothing. What tells them
/// apart is whether the ids are still those of the exec, which the auxiliary vector records.
pub(crate) fn undumpable_by_choice() -> bool {
    dumpable() != 1 && !at_secure() && !ids_changed()
}

/// PR_GET_DUMPABLE: 1 is the normal state, 0 none, 2 for root only; -1 when refused.
fn dumpable() -> i32 {
    // SAFETY: prctl(2): PR_GET_DUMPABLE takes no argument, touches no memory and returns the
    // attribute as its value. (nix's wrapper folds 1 and 2 into one.)
    unsafe { libc::prctl(libc::PR_GET_DUMPABLE, 0, 0, 0, 0) }
}

fn ids_changed() -> bool {
    let at_exec = [libc::AT_UID, libc::AT_EUID, libc::AT_GID, libc::AT_EGID].map(auxv);
    let now = [
        getuid().as_raw(),
        euid(),
        getgid().as_raw(),
        getegid().as_raw(),
    ];
    at_exec != now.map(libc::c_ulong::from)
}

fn auxv(key: libc::c_ulong) -> libc::c_ulong {
    // SAFETY: getauxval(3) reads the vector that the kernel put on the initial stack, which
    // nobody unmaps; an unknown key gives 0.
    unsafe { libc::getauxval(key) }
}

/// The size of a page in bytes.
pub(crate) fn page_size() -> u64 {
    positive(SysconfVar::PAGE_SIZE).unwrap_or(4096)
}

fn positive(name: SysconfVar) -> Option<u64> {
    let value = sysconf(name).ok().flatten()?;
    u64::try_from(value).ok().filter(|value| *value > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::in_a_child;

    #[test]
    fn constants_are_sane() {
        assert!(page_size().is_power_of_two());
        assert!(!at_secure());
    }

    #[test]
    fn only_the_process_itself_can_choose_to_be_undumpable() {
        assert!(!undumpable_by_choice());
        in_a_child(|| nix::sys::prctl::set_dumpable(false).is_ok() && undumpable_by_choice());
    }

    #[test]
    fn dropping_root_is_no_such_choice() {
        if euid() != 0 {
            return eprintln!("skipped: needs root to change the uid");
        }
        in_a_child(|| {
            nix::unistd::setuid(1234.into()).is_ok() && dumpable() != 1 && !undumpable_by_choice()
        });
    }
}
