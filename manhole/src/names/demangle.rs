//! From symbols to names as they are written in Rust.

use std::fmt::{self, Write};

/// No name is longer, in bytes: back references let a few bytes of a v0 symbol stand for megabytes.
const LONGEST: usize = 16 * 1024;

/// The name behind `symbol`: of Rust's two manglings without hash and disambiguators; those of C and
/// C++ as they are. One that would be longer than 16 KiB is cut and ends with `…`.
pub fn demangle(symbol: &str) -> String {
    if !is_rust(symbol) {
        return symbol.to_owned();
    }
    let mut name = Bounded(String::new());
    if write!(name, "{:#}", rustc_demangle::demangle(symbol)).is_err() {
        name.0.push('…');
    }
    name.0
}

/// C++ has symbols that begin like Rust's older ones, but no hash as their last element.
fn is_rust(symbol: &str) -> bool {
    let symbol = symbol.split_once(".llvm.").map_or(symbol, |(head, _)| head);
    match symbol.strip_prefix("_ZN") {
        Some(rest) => rest.rsplit_once("17h").is_some_and(|(_, end)| is_hash(end)),
        None => symbol.starts_with("_R"),
    }
}

fn is_hash(text: &str) -> bool {
    let (hash, end) = text.split_at_checked(16).unwrap_or_default();
    end.starts_with('E') && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Text that refuses to grow beyond [`LONGEST`].
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let fits = self.0.len().saturating_add(text.len()) <= LONGEST;
        if fits {
            self.0.push_str(text);
        }
        fits.then_some(()).ok_or(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_is_demangled_and_the_rest_is_left_alone() {
        let check = |symbol: &str, expected: &str| assert_eq!(demangle(symbol), expected);
        check("main", "main");
        check("_ZN3foo3barEv", "_ZN3foo3barEv");
        check("_ZN3foo3barE", "_ZN3foo3barE");
        check("_ZN3foo3bar17h05af221e174051e9E", "foo::bar");
        check("_ZN3foo3bar17h05af221e174051e9E.llvm.123ABC", "foo::bar");
        check(
            "_ZN63_$LT$checkout..Tick$u20$as$u20$core..future..future..Future$GT$4poll17h05af221e174051e9E",
            "<checkout::Tick as core::future::future::Future>::poll",
        );
        check("_RNvC6_123foo3bar", "123foo::bar");
        check(
            "_RNvCskwGfYPst2Cb_3foo16example_function",
            "foo::example_function",
        );
        check(
            "_RNCNCNgCs6DXkGYLi8lr_2cc5spawn00B5_",
            "cc::spawn::{closure#0}::{closure#0}",
        );
        check("_R", "_R");
        check("_Rust", "_Rust");
        check("_ZN17h05af221e174051e9é", "_ZN17h05af221e174051e9é");
    }

    #[test]
    fn a_name_that_explodes_is_cut() {
        // Each tuple holds the one before twice, by a back reference.
        let mut symbol = String::from("_RINvC1a1b");
        let mut previous = String::from("j");
        for _ in 0..40 {
            let at = symbol.len() - 2;
            symbol.push_str(&format!("T{previous}"));
            previous = format!("B{}_", base_62(at));
        }
        symbol.push_str(&"E".repeat(41));
        let name = demangle(&symbol);
        assert!(name.len() <= LONGEST + '…'.len_utf8(), "{}", name.len());
    }

    fn base_62(mut number: usize) -> String {
        let digits = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        if number == 0 {
            return String::new();
        }
        number -= 1;
        let mut text = Vec::new();
        loop {
            text.insert(0, digits[number % 62]);
            number /= 62;
            if number == 0 {
                return String::from_utf8(text).unwrap();
            }
        }
    }
}
