//! First words that the console keeps for itself, for today's commands and for those planned.
//!
//! An application's command must not stop working because a later version of the console brings one
//! of that name, and nobody at 03:00 should wonder whose `heap` it is that answers.

/// Sorted; a test of the command table checks that every built-in command is covered.
pub(crate) const RESERVED: &[&str] = &[
    "audit", "block", "cgroup", "commands", "cpu", "env", "exit", "fds", "gc", "heap", "help",
    "info", "limits", "locks", "log", "maps", "memory", "mode", "mutex", "profile", "q", "quit",
    "runtime", "stacks", "stalls", "task", "tasks", "threads", "trace", "triage", "vars",
    "version", "wall",
];

/// Whether `name` begins with a word that the console keeps for itself.
pub(super) fn is_reserved(name: &str) -> bool {
    let first = name.split(' ').next().unwrap_or("");
    RESERVED.contains(&first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_word_counts() {
        assert!(RESERVED.is_sorted());
        assert!(is_reserved("vars mine") && is_reserved("heap"));
        assert!(!is_reserved("queue vars") && !is_reserved("heaps"));
    }
}
