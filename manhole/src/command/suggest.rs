//! What to say to a word that is no command: a hint, never a guess.

/// Words that people's fingers know from other tools, and what answers the same question here.
const HABITS: &[(&[&str], &str, &str)] = &[
    (
        &[
            "bt",
            "jstack",
            "goroutine",
            "goroutines",
            "pstack",
            "backtrace",
            "stack",
        ],
        "stacks",
        "shows what every thread is doing",
    ),
    (
        &["ps", "top", "htop"],
        "threads",
        "shows who uses the processor",
    ),
    (
        &["perf", "prof", "pprof", "profile", "flamegraph", "hotspots"],
        "cpu",
        "shows where the processor time goes",
    ),
    (
        &["lsof", "files", "sockets", "netstat", "ss"],
        "fds",
        "shows the open descriptors",
    ),
    (
        &["memstats", "mem", "free", "rss", "smaps"],
        "memory",
        "shows where the memory is",
    ),
    (
        &["loglevel", "loglvl", "logger"],
        "log",
        "shows and sets the log filter",
    ),
    (
        &["expvar", "metrics", "stats", "counters"],
        "vars",
        "shows the service's own numbers",
    ),
    (
        &["gc", "trim", "malloc"],
        "gc run",
        "gives memory back; gc stats shows what is held",
    ),
    (
        &["who", "status", "about", "buildinfo"],
        "info",
        "shows what this process is",
    ),
    (
        &["doctor", "health", "why", "diagnose", "check"],
        "triage",
        "says what is wrong here",
    ),
    (&["history"], "audit", "shows the last commands"),
    (
        &["ulimit", "rlimit"],
        "limits",
        "shows the limits and how near they are",
    ),
    (
        &["bye", "logout", "close", "disconnect"],
        "quit",
        "ends the conversation",
    ),
];

/// The remedy for the unknown word `word`, given the names that exist here.
pub(crate) fn remedy<'a>(word: &str, names: impl Iterator<Item = &'a str> + Clone) -> String {
    let habit = HABITS.iter().find(|(words, ..)| words.contains(&word));
    if let Some((_, name, what)) = habit
        && names.clone().any(|known| known == *name)
    {
        return format!("no such command; {name} {what}");
    }
    match nearest(word, names) {
        Some(name) => format!("no such command; did you mean {name}? help lists them all"),
        None => "no such command; help lists them all".to_owned(),
    }
}

/// The name nearest to `word` by edit distance, if it is near at all.
pub(crate) fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Long words would make this quadratic in what a stranger sends.
    if word.len() > 40 {
        return None;
    }
    let allowed = 1 + word.chars().count() / 4;
    names
        .map(|name| (distance(word, name), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Edits between two words; two letters swapped count as one.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&last, j) + usize::from(x != y))
                .min(at(&last, j + 1) + 1)
                .min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 5] = ["triage", "threads", "vars get", "memory", "fds"];

    #[test]
    fn habits_and_slips_are_answered_and_the_rest_is_not_guessed() {
        let check = |word: &str, expected: &str| {
            assert_eq!(
                remedy(word, NAMES.into_iter()),
                format!("no such command; {expected}"),
                "{word}"
            );
        };
        check("ps", "threads shows who uses the processor");
        check("theards", "did you mean threads? help lists them all");
        check("memroy", "did you mean memory? help lists them all");
        check("stacks", "help lists them all");
        check("bt", "help lists them all"); // stacks is not built into these names
        check(&"x".repeat(10_000), "help lists them all");
    }
}
