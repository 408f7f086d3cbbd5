//! What the library never does. Each line answers an accident; ARCHITECTURE.md says which.

use super::source::Source;

/// Something that does not occur.
pub(crate) struct Absence {
    /// What is looked for, in code and in strings, outside comments and tests.
    what: &'static str,
    /// The files where it may occur, by the beginning of their path.
    but_in: &'static [&'static str],
    /// What to do instead.
    remedy: &'static str,
}

const fn never(what: &'static str, remedy: &'static str) -> Absence {
    only_in(&[], what, remedy)
}

const fn only_in(
    but_in: &'static [&'static str],
    what: &'static str,
    remedy: &'static str,
) -> Absence {
    Absence {
        what,
        but_in,
        remedy,
    }
}

const NO_PANIC: &str =
    "return a Failure or an Error: the library does not panic in other people's processes";
const NO_PRINT: &str = "say it through app::messages: the host's stdout and stderr are not ours";

const NO_SORT: &str = "use model::order: std's sort adds 10 KB of code for every type";

/// All of them.
pub(crate) const ABSENCES: &[Absence] = &[
    never(".unwrap()", NO_PANIC),
    never(".expect(", NO_PANIC),
    never(" panic!(", NO_PANIC),
    never("todo!(", NO_PANIC),
    never("unimplemented!(", NO_PANIC),
    never("unreachable!(", NO_PANIC),
    never(" assert!(", NO_PANIC),
    never(" assert_eq!(", NO_PANIC),
    never("print!(", NO_PRINT),
    never("println!(", NO_PRINT),
    never("dbg!(", NO_PRINT),
    only_in(
        &["client/", "console/log_line.rs"],
        "io::stderr()",
        NO_PRINT,
    ),
    only_in(&["client/"], "io::stdout()", NO_PRINT),
    only_in(
        &["app/messages.rs", "console/log_line.rs"],
        "tracing::",
        "our threads emit no events; app::messages hands lines to the application's threads",
    ),
    only_in(
        &["app/messages.rs", "console/log_line.rs"],
        " log::",
        "our threads emit no events; app::messages hands lines to the application's threads",
    ),
    never(
        "thread::spawn(",
        "use thread::Builder and handle its error: the process may be out of threads",
    ),
    never(
        "spawn_blocking",
        "have it run on command::Workers, which copes with a process out of threads",
    ),
    never(
        "tokio::runtime",
        "use rt: tokio's runtimes share a pipe by descriptor number, which our table does not have",
    ),
    never(
        "tokio::net",
        "use rt: tokio's runtimes share a pipe by descriptor number, which our table does not have",
    ),
    never(
        "tokio::time",
        "use rt, whose timers belong to the island's own loop",
    ),
    never(
        "tokio::select!",
        "use session::race: the macro would add a procedural one to every build that embeds us",
    ),
    never(
        "write_vectored",
        "use write, which sends with MSG_NOSIGNAL: a plain writev raises SIGPIPE in the host",
    ),
    never("set_hook", "leave the host's panic hook alone"),
    never("env::set_var", "leave the host's environment alone"),
    never(
        "temp_dir()",
        "clients do not know the target's TMPDIR; candidates.rs has the directories",
    ),
    never(
        "XDG_RUNTIME_DIR",
        "it disappears at logout and leaks through sudo; candidates.rs has the directories",
    ),
    only_in(
        &["console/environment.rs"],
        "env::var",
        "read it in console::environment, which knows when the environment is a stranger's",
    ),
    only_in(
        &["client/own.rs"],
        "process::exit",
        "the library never ends a process",
    ),
    never("process::abort", "the library never ends a process"),
    only_in(
        &["client/helper.rs"],
        "Command::new(\"",
        "the library never starts a process",
    ),
    only_in(
        &["sys/activation.rs", "sys/stacks/disposition.rs"],
        "libc::sigaction(",
        "no signal handler but the ones that activate a dormant console and copy stacks",
    ),
    never(
        "User::from",
        "ids are numbers here: NSS runs the host's plugins, and may hang",
    ),
    never(
        "to_socket_addrs",
        "the console resolves no names and opens no network connection",
    ),
    never(
        "TcpStream",
        "the console resolves no names and opens no network connection",
    ),
    only_in(&["model/order.rs", "client/"], ".sort_by(", NO_SORT),
    only_in(&["client/"], ".sort_by_key(", NO_SORT),
    only_in(&["client/"], ".sort()", NO_SORT),
    only_in(&["client/"], ".sort_unstable", NO_SORT),
    never(
        "sync_channel(",
        "use app::channel: std's adds 20 KB of code for every type",
    ),
    only_in(
        &["client/"],
        "crate::client",
        "the client's half blocks and is for processes of its own",
    ),
];

/// What goes wrong in `source`.
pub(crate) fn complaints(source: &Source) -> Vec<String> {
    let found = ABSENCES.iter().filter(|absence| absence.occurs_in(source));
    let say = |absence: &Absence| {
        let what = absence.what.trim();
        format!("{}: `{what}`: {}", source.path, absence.remedy)
    };
    found.map(say).collect()
}

impl Absence {
    fn occurs_in(&self, source: &Source) -> bool {
        let excepted = self
            .but_in
            .iter()
            .any(|start| source.path.starts_with(start));
        !excepted
            && source
                .code_and_strings
                .lines()
                .any(|line| format!(" {line}").contains(self.what))
    }
}

#[test]
fn an_absence_is_noticed_outside_comments_and_tests_only() {
    let check = |path: &str, text: &str, expected: usize| {
        assert_eq!(
            complaints(&Source::new(path, text)).len(),
            expected,
            "{text}"
        );
    };
    check("probe/x.rs", "let a = b.unwrap();", 1);
    check("probe/x.rs", "// b.unwrap()\nb.unwrap_or(0);", 0);
    check(
        "probe/x.rs",
        "#[cfg(test)]\nmod tests { fn f() { a.unwrap() } }",
        0,
    );
    check("probe/x.rs", "debug_assert!(a); panic!(\"b\")", 1);
    check("client/x.rs", "io::stdout()", 0);
    check("command/x.rs", "io::stdout()", 1);
}
