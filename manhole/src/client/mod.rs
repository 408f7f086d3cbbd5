//! The client's half, shared by `manhole-cli` and `manhole::client()`: finding consoles, checking
//! whom one talks to, connecting, and speaking the machine dialect.
//!
//! Everything here blocks and is meant for a process of its own, never for a service that runs.

#![allow(unreachable_pub)] // this module is public, hidden, for the command-line client

mod call;
mod connect;
mod container;
mod conversation;
mod discover;
mod hello;
mod helper;
mod own;
mod proc;
mod resolve;
mod rooted;
mod trouble;
mod unix_table;
mod wire;

pub use call::{CallError, Patience, Piece};
pub use connect::{Connected, Place, connect, connect_path, is_refused};
pub use container::Container;
pub use conversation::{Client, LONGEST};
pub use discover::{Found, Survey, directories, look_at, survey};
pub use hello::{Hello, Known, ask_all, hello, open, reach};
pub use helper::{WORD as HELPER_WORD, run as run_helper};
pub use own::client;
pub use proc::{Pinned, Status, pids, status, uptime};
pub use resolve::{Target, by_name, by_pid};
pub use rooted::{Root, is_kind, names_of};
pub use trouble::{Kind, Trouble, reason};
pub use unix_table::pid_of_name;

#[doc(hidden)]
pub use crate::{
    model::{Code, Failure, Severity},
    protocol::{
        machine::{self, End},
        words,
    },
    render::{escape, units},
};

/// Names for the addresses of a dump, from the files on disk.
#[doc(hidden)]
pub mod names {
    pub use crate::{
        model::stack::{Dump, Frame, Function, Lines, Module, Names, Symbols, ThreadStack},
        names::{Files, Wanted, name, open_file, short},
    };
}

/// Stacks as data, and how the process itself would show them.
#[doc(hidden)]
pub mod stacks {
    pub use crate::{
        fold::answer,
        model::{
            Answer, Block,
            stack::{Asked, asked_from_json, from_json},
        },
        render::{
            Provenance,
            out::Out,
            stacks::{Row, Tone, each_row},
            text::{TextStyle, body, provenance_line},
        },
    };
}

/// Samples as data, and how the process itself would show them or write them to a file.
#[doc(hidden)]
pub mod samples {
    pub use crate::{
        fold::profile::{answer, profile},
        model::{
            samples::{Samples, from_json},
            wish::Wish,
        },
        render::pprof::render,
    };
}

/// The heap as data, likewise.
#[doc(hidden)]
pub mod heap {
    pub use crate::{
        fold::heap::{answer, profile},
        model::heap::{Heap, Wish, from_json},
    };
}

/// Reduces a name that a process chose to letters, digits, `.`, `_` and `-`, at most 64 of them and
/// not starting with a dot: fit for a file name and for any terminal.
pub fn safe_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let kept = name.chars().filter(|c| plain(*c));
    kept.skip_while(|c| *c == '.').take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_are_reduced() {
        let check = |name: &str, expected: &str| assert_eq!(safe_name(name), expected);
        check("cpu.pb.gz", "cpu.pb.gz");
        check("../../etc/passwd", "etcpasswd");
        check("..hidden", "hidden");
        check("a\x1b[31mb\u{202e}c", "a31mbc");
        check(&"x".repeat(100), &"x".repeat(64));
        check("", "");
    }
}
