//! Which threads to show: by id, name or role.

use super::roles::{Role, RoleKind};
use crate::model::{glob, stack::ThreadStack};

/// Which threads are wanted: those that match one of its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter(Vec<Word>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Tid(u32),
    /// A pattern for names, or the word for a role.
    Text(String),
}

impl Filter {
    /// Reads `4713,image-worker-*,blocking`: thread ids, patterns for names, roles, with commas
    /// between them. Every text has a meaning; what matches no thread shows none.
    pub(crate) fn parse(text: &str) -> Self {
        let words = text.split(',').map(str::trim);
        let words = words.filter(|word| !word.is_empty());
        Self(words.map(Word::parse).collect())
    }

    pub(super) fn matches(&self, thread: &ThreadStack, role: &Role) -> bool {
        self.0.iter().any(|word| match word {
            Word::Tid(tid) => thread.tid == *tid,
            Word::Text(text) => glob::matches(text, &thread.name) || is_role(text, thread, role),
        })
    }
}

impl Word {
    fn parse(word: &str) -> Self {
        match word.parse() {
            Ok(tid) => Word::Tid(tid),
            Err(_) => Word::Text(word.to_owned()),
        }
    }
}

fn is_role(word: &str, thread: &ThreadStack, role: &Role) -> bool {
    match word {
        "main" => thread.main,
        "driver" => role.driver,
        // Also those that have nothing to do.
        "blocking" => matches!(role.kind, RoleKind::Blocking | RoleKind::IdleBlocking),
        "current_thread" => role.kind == RoleKind::CurrentThread,
        _ => word == role.kind.name() || word == role.words(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_patterns_and_roles_match() {
        let check = |filter: &str, name: &str, kind: RoleKind, expected: bool| {
            let thread = ThreadStack {
                tid: 4713,
                name: name.to_owned(),
                main: name == "checkout",
                ..ThreadStack::default()
            };
            let role = Role {
                kind,
                number: (kind == RoleKind::Worker).then_some(2),
                driver: false,
            };
            let found = Filter::parse(filter).matches(&thread, &role);
            assert_eq!(found, expected, "{filter} on {name}");
        };
        check("4713", "x", RoleKind::Other, true);
        check("4714", "x", RoleKind::Other, false);
        check("4714, 4713", "x", RoleKind::Other, true);
        check("image-*", "image-worker-3", RoleKind::Other, true);
        check("image", "image-worker-3", RoleKind::Other, false);
        check("worker", "tokio-rt-worker", RoleKind::Worker, true);
        check("worker 2", "tokio-rt-worker", RoleKind::Worker, true);
        check("worker 1", "tokio-rt-worker", RoleKind::Worker, false);
        check("blocking", "tokio-rt-worker", RoleKind::IdleBlocking, true);
        check("idle blocking", "x", RoleKind::Blocking, false);
        check("main", "checkout", RoleKind::Main, true);
        check("main", "x", RoleKind::Main, false);
        check("", "x", RoleKind::Other, false);
    }
}
