//! The types that a tunable can have.

use crate::app::lock::brief;
use serde_json::{Value as Json, json};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

/// A type that a [`super::Tunable`] can have: `i32`, `i64`, `u32`, `u64`, `usize`, `f64`, `bool`,
/// `String`. Implemented by the console only.
pub trait Tune: Sealed + Clone + PartialEq + PartialOrd + Send + Sync + 'static {}

/// How values of the type are kept, read and written; nobody else can implement it.
pub trait Sealed: Sized {
    /// What the value is kept in.
    #[doc(hidden)]
    type Cell: Send + Sync;
    /// Whether it is a number, which needs a lower level to be seen than a text.
    #[doc(hidden)]
    const NUMBER: bool;
    /// What is wanted, for an error: "a whole number".
    #[doc(hidden)]
    const WANTED: &'static str;

    #[doc(hidden)]
    fn into_cell(self) -> Self::Cell;
    #[doc(hidden)]
    fn load(cell: &Self::Cell) -> Self;
    #[doc(hidden)]
    fn store(self, cell: &Self::Cell);
    #[doc(hidden)]
    fn parse(word: &str) -> Option<Self>;
    #[doc(hidden)]
    fn to_json(&self) -> Json;
}

macro_rules! numbers {
    ($($number:ty: $wanted:literal, $bits:expr, $value:expr;)*) => {$(
        impl Tune for $number {}

        impl Sealed for $number {
            type Cell = AtomicU64;
            const NUMBER: bool = true;
            const WANTED: &'static str = $wanted;

            fn into_cell(self) -> AtomicU64 {
                AtomicU64::new($bits(self))
            }

            #[inline]
            fn load(cell: &AtomicU64) -> Self {
                $value(cell.load(Ordering::Relaxed))
            }

            fn store(self, cell: &AtomicU64) {
                cell.store($bits(self), Ordering::Relaxed);
            }

            fn parse(word: &str) -> Option<Self> {
                word.parse().ok().filter(|value: &$number| json!(value) != Json::Null)
            }

            fn to_json(&self) -> Json {
                json!(self)
            }
        }
    )*};
}

numbers! {
    i32: "a whole number", |value: i32| value as u64, |bits: u64| bits as i32;
    i64: "a whole number", |value: i64| value as u64, |bits: u64| bits as i64;
    u32: "a whole number from 0", u64::from, |bits: u64| bits as u32;
    u64: "a whole number from 0", |value: u64| value, |bits: u64| bits;
    usize: "a whole number from 0", |value: usize| value as u64, |bits: u64| bits as usize;
    f64: "a number", f64::to_bits, f64::from_bits;
}

impl Tune for bool {}

impl Sealed for bool {
    type Cell = AtomicU64;
    const NUMBER: bool = true;
    const WANTED: &'static str = "true or false";

    fn into_cell(self) -> AtomicU64 {
        AtomicU64::new(self.into())
    }

    #[inline]
    fn load(cell: &AtomicU64) -> Self {
        cell.load(Ordering::Relaxed) != 0
    }

    fn store(self, cell: &AtomicU64) {
        cell.store(self.into(), Ordering::Relaxed);
    }

    fn parse(word: &str) -> Option<Self> {
        match word {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => None,
        }
    }

    fn to_json(&self) -> Json {
        json!(self)
    }
}

impl Tune for String {}

impl Sealed for String {
    type Cell = Mutex<Arc<str>>;
    const NUMBER: bool = false;
    const WANTED: &'static str = "a text";

    fn into_cell(self) -> Mutex<Arc<str>> {
        Mutex::new(self.into())
    }

    /// The text is empty if it cannot be read within a moment, which takes a fork at the very
    /// moment of a change.
    fn load(cell: &Mutex<Arc<str>>) -> Self {
        let text = brief(cell).map(|text| Arc::clone(&text));
        text.map_or_else(String::new, |text| text.as_ref().to_owned())
    }

    fn store(self, cell: &Mutex<Arc<str>>) {
        let text: Arc<str> = self.into();
        let before = brief(cell).map(|mut slot| std::mem::replace(&mut *slot, text));
        drop(before);
    }

    fn parse(word: &str) -> Option<Self> {
        Some(word.to_owned())
    }

    fn to_json(&self) -> Json {
        json!(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_their_cells() {
        fn check<T: Tune + std::fmt::Debug>(values: &[T]) {
            let cell = values[0].clone().into_cell();
            for value in values {
                value.clone().store(&cell);
                assert_eq!(&T::load(&cell), value);
            }
        }
        check(&[i32::MIN, -1, 0, i32::MAX]);
        check(&[i64::MIN, -1, i64::MAX]);
        check(&[0, u32::MAX]);
        check(&[0, usize::MAX]);
        check(&[-0.5, f64::MAX]);
        check(&[true, false]);
        check(&["a".to_owned(), String::new()]);
    }

    #[test]
    fn words_are_parsed_by_type() {
        fn check<T: Tune + std::fmt::Debug>(word: &str, expected: Option<T>) {
            assert_eq!(T::parse(word), expected, "{word:?}");
        }
        check("-7", Some(-7_i32));
        check("-7", None::<u64>);
        check("7.5", None::<i64>);
        check("7.5", Some(7.5));
        check("NaN", None::<f64>);
        check("inf", None::<f64>);
        check("on", Some(true));
        check("maybe", None::<bool>);
        check("maybe", Some("maybe".to_owned()));
    }
}
