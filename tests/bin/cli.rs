//! The client under test: `manhole-cli` itself, built where the suite can find it.

#[global_allocator]
static ALLOC: manhole::Alloc = manhole::Alloc::system();

fn main() -> std::process::ExitCode {
    manhole_cli::main()
}
