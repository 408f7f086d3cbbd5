//! The client under test: `manhole-cli` itself, built where the suite can find it.

fn main() -> std::process::ExitCode {
    manhole_cli::main()
}
