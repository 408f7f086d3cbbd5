//! The program `manhole-cli`; everything is in the library.

use std::process::ExitCode;

/// For `demo`, whose service is this program: it leaks, and has to be found out.
#[global_allocator]
static ALLOC: manhole::Alloc = manhole::Alloc::system();

fn main() -> ExitCode {
    manhole_cli::main()
}
