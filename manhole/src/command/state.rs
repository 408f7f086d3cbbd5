//! Everything about this console that commands and conversations share.

use super::{AuditLog, KernelCalls, Listener, Workers};
use crate::{
    app::routes::Routes,
    model::{Caller, Level},
    render::Provenance,
    sys::unix_now_ns,
};
use std::{
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Instant,
};

/// Who may do what here, as the builder and the environment say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Access {
    /// Users besides the owner and root.
    pub uids: Vec<(u32, Level)>,
    /// Groups.
    pub gids: Vec<(u32, Level)>,
    /// What everybody is capped at.
    pub cap: Option<Level>,
    /// Why the cap is lower than the builder's, if it is.
    pub cap_reason: Option<&'static str>,
    /// Whether the builder's `max_level` was called: it then decided for an undumpable process, too.
    pub chosen: bool,
}

impl Access {
    /// Who has at least `level`, in the words of a refusal: `uid 1003 and 0`.
    pub(crate) fn who_has(&self, level: Level, owner: u32) -> String {
        if self.cap.is_some_and(|cap| cap < level) {
            return "nobody".to_owned();
        }
        let mut uids = vec![owner];
        uids.extend(
            self.uids
                .iter()
                .filter(|(_, has)| *has >= level)
                .map(|(uid, _)| *uid),
        );
        uids.push(0);
        let mut seen = Vec::new();
        uids.retain(|uid| {
            !seen.contains(uid) && {
                seen.push(*uid);
                true
            }
        });
        let mut words: Vec<String> = uids.iter().map(u32::to_string).collect();
        let last = words.pop().unwrap_or_default();
        let mut text = match words.is_empty() {
            true => format!("uid {last}"),
            false => format!("uid {} and {last}", words.join(", ")),
        };
        for (gid, _) in self.gids.iter().filter(|(_, has)| *has >= level) {
            text.push_str(&format!(", gid {gid}"));
        }
        text
    }
}

/// How the island came out: facts for `info`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Island {
    /// Why the descriptor table is shared with the host, if it is.
    pub shared_table: Option<String>,
    /// The better places that were not taken, as `path: reason`.
    pub passed_over: Vec<String>,
    /// What is missing, one sentence each.
    pub missing: Vec<String>,
}

/// The console.
pub(crate) struct State {
    /// The service's name.
    pub name: String,
    /// The service's version, as the builder was told.
    pub version: Option<String>,
    /// Host name.
    pub host: String,
    /// Process id, as the process sees it.
    pub pid: u32,
    /// When the console was installed.
    pub installed: Instant,
    /// The same on the wall clock, in nanoseconds since the epoch.
    pub installed_unix_ns: u64,
    /// Who may do what.
    pub access: Access,
    /// The last commands.
    pub audit: AuditLog,
    /// The threads that commands run on.
    pub workers: Workers,
    /// The commands among them that the kernel may not answer.
    pub kernel: KernelCalls,
    /// The application's own HTTP paths.
    pub routes: Routes,
    /// 24 hours of vital signs.
    pub vitals: crate::probe::vitals::Vitals,
    /// Earlier looks at the heap, for comparison.
    pub heap: crate::probe::heap::baselines::Baselines,
    /// Earlier looks at the descriptors, for comparison.
    pub fds: super::fds::Past,
    /// How threads are asked for their stacks.
    pub stacks: super::stacks::Setting,
    /// Effective uid as of the last look.
    pub euid: AtomicU32,
    /// Connections let in so far.
    pub connections: AtomicU64,
    /// Commands answered so far.
    pub commands: AtomicU64,
    /// Set by `shutdown`: whoever accepts or serves ends soon.
    pub closing: AtomicBool,
    island: Mutex<Island>,
    path: Mutex<Option<PathBuf>>,
}

impl State {
    /// A console that does not listen yet.
    pub(crate) fn new(
        name: String,
        version: Option<String>,
        access: Access,
        listener: Box<dyn Listener>,
    ) -> Self {
        let host = nix::unistd::gethostname()
            .ok()
            .and_then(|name| name.into_string().ok());
        // Kept from now on: later the kernel may not give it.
        let _ = crate::probe::identity::command_line();
        Self {
            name,
            version,
            host: host.unwrap_or_else(|| "-".to_owned()),
            pid: std::process::id(),
            installed: Instant::now(),
            installed_unix_ns: unix_now_ns(),
            access,
            audit: AuditLog::new(listener),
            workers: Workers::default(),
            kernel: KernelCalls::default(),
            routes: Routes::default(),
            vitals: crate::probe::vitals::Vitals::new(),
            heap: crate::probe::heap::baselines::Baselines::default(),
            fds: super::fds::Past::default(),
            stacks: super::stacks::Setting::default(),
            euid: AtomicU32::new(nix::unistd::geteuid().as_raw()),
            connections: AtomicU64::new(0),
            commands: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            island: Mutex::new(Island::default()),
            path: Mutex::new(None),
        }
    }

    /// The provenance of an answer that begins now.
    pub(crate) fn provenance(&self, command: &str) -> Provenance {
        Provenance {
            command: command.to_owned(),
            name: self.name.clone(),
            pid: self.pid,
            host: self.host.clone(),
            time_unix_ns: unix_now_ns(),
            elapsed_ns: 0,
        }
    }

    /// Who may do what at this moment: a process that made itself undumpable since it installed the
    /// console shows numbers only.
    pub(crate) fn access_now(&self) -> Access {
        let mut access = self.access.clone();
        let open = !access.chosen && access.cap != Some(Level::View);
        if open && crate::sys::process::undumpable_by_choice() {
            access.cap = Some(Level::View);
            access.cap_reason = Some("the process made itself undumpable");
        }
        access
    }

    /// How long the process has run, or the console if that is not known.
    pub(crate) fn uptime(&self) -> std::time::Duration {
        crate::probe::identity::age_ns()
            .map_or_else(|| self.installed.elapsed(), std::time::Duration::from_nanos)
    }

    /// Where the socket is now.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        self.path
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Notes where the socket is.
    pub(crate) fn set_path(&self, path: Option<PathBuf>) {
        *self.path.lock().unwrap_or_else(PoisonError::into_inner) = path;
    }

    /// How the island came out.
    pub(crate) fn island(&self) -> Island {
        self.island
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Notes something about the island.
    pub(crate) fn note_island(&self, change: impl FnOnce(&mut Island)) {
        change(&mut self.island.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The sentence for a caller whose level does not suffice.
    pub(crate) fn needs(&self, what: &str, level: Level, caller: &Caller) -> String {
        let who = self
            .access_now()
            .who_has(level, self.euid.load(Ordering::Relaxed));
        format!(
            "{what}: needs level {level}, uid {} has {}; {who} {} {level}",
            caller.uid,
            caller.level,
            if who == "nobody" { "has" } else { "have" },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_who_has_the_level() {
        let access = Access {
            uids: vec![(7, Level::Inspect)],
            gids: vec![(4, Level::View)],
            ..Access::default()
        };
        assert_eq!(access.who_has(Level::Control, 1003), "uid 1003 and 0");
        assert_eq!(access.who_has(Level::Inspect, 1003), "uid 1003, 7 and 0");
        assert_eq!(access.who_has(Level::View, 0), "uid 0 and 7, gid 4");
        let capped = Access {
            cap: Some(Level::View),
            ..access
        };
        assert_eq!(capped.who_has(Level::Control, 1003), "nobody");
    }

    #[test]
    fn a_process_that_hides_later_caps_everybody() {
        crate::sys::testing::in_a_child(|| {
            let with = |chosen| {
                let access = Access {
                    chosen,
                    ..Access::default()
                };
                State::new("x".into(), None, access, Box::new(super::super::Nobody))
            };
            let (free, decided) = (with(false), with(true));
            let before = free.access_now().cap;
            let hidden = nix::sys::prctl::set_dumpable(false).is_ok();
            let after = [free, decided].map(|state| state.access_now().cap);
            hidden && before.is_none() && after == [Some(Level::View), None]
        });
    }
}
