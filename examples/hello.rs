//! One line gives a program a console. While it runs: manhole-cli hello
fn main() {
    manhole::install();
    for minute in 1.. {
        std::thread::sleep(std::time::Duration::from_secs(60));
        println!("still here after {minute} min");
    }
}
