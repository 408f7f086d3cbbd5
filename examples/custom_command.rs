//! A command of the application's own.
fn main() {
    manhole::install();
}
