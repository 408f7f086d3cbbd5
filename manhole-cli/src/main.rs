//! The program `manhole-cli`; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    manhole_cli::main()
}
