//! The least a service needs.
fn main() {
    manhole::install();
    loop {
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
}
