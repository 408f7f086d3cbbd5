//! Exchange rates, loaded anew every few seconds.
//!
//! Healthy, the wait for the bank is an await. With the fault `stall` it is a blocking sleep, which
//! looks the same in the source and stops a worker of the runtime.

use std::{
    sync::{Arc, PoisonError, RwLock, Weak},
    time::Duration,
};

use super::{
    faults::{Fault, Faults},
    service::Shop,
};

/// The currencies in which prices are quoted.
pub(super) const CURRENCIES: [&str; 32] = [
    "EUR", "USD", "GBP", "JPY", "CHF", "AUD", "CAD", "CNY", "SEK", "NOK", "DKK", "PLN", "CZK",
    "HUF", "RON", "BGN", "TRY", "ILS", "INR", "KRW", "THB", "MYR", "SGD", "HKD", "IDR", "PHP",
    "MXN", "BRL", "ZAR", "NZD", "ISK", "AED",
];

/// Time between two loads.
const EVERY: Duration = Duration::from_secs(3);

/// How long the bank takes to answer.
const BANK: Duration = Duration::from_millis(600);

/// What a euro is worth, in the order of [`CURRENCIES`].
type Table = [f64; CURRENCIES.len()];

/// The rates of the moment.
pub(super) struct Rates(RwLock<Arc<Table>>);

impl Rates {
    /// The rates with which the service begins.
    pub(super) fn new() -> Self {
        Self(RwLock::new(Arc::new(parse(&quotes(0)))))
    }

    /// The rates of the moment; they do not change under the reader.
    pub(super) fn now(&self) -> Arc<Table> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, table: Table) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    }
}

/// Loads the rates again and again, until the shop closes.
pub(super) async fn keep_fresh(shop: Weak<Shop>) {
    for round in 1.. {
        tokio::time::sleep(EVERY).await;
        let Some(shop) = shop.upgrade() else { return };
        reload(&shop.rates, &shop.faults, round).await;
    }
}

/// Asks the bank once.
#[inline(never)]
pub(super) async fn reload(rates: &Rates, faults: &Faults, round: u64) {
    match faults.is_on(Fault::Stall) {
        // The fault: it looks like a wait, but the worker cannot do anything else meanwhile.
        true => std::thread::sleep(BANK),
        false => tokio::time::sleep(BANK).await,
    }
    rates.replace(parse(&quotes(round)));
}

/// What the bank would send: a currency and a number a line.
fn quotes(round: u64) -> String {
    let line = |(at, code): (usize, &&str)| {
        let typical = 1.0 + (at * at) as f64 / 10.0;
        let drift = ((round + at as u64) as f64 / 7.0).sin() / 50.0;
        format!("{code} {:.5}\n", typical * (1.0 + drift))
    };
    CURRENCIES.iter().enumerate().map(line).collect()
}

/// Reads the bank's table; a currency that is missing or makes no sense keeps the rate 1.
fn parse(text: &str) -> Table {
    let mut table = [1.0; CURRENCIES.len()];
    for (code, rate) in text.lines().filter_map(|line| line.split_once(' ')) {
        let at = CURRENCIES.iter().position(|known| *known == code);
        let rate = rate
            .parse()
            .ok()
            .filter(|rate: &f64| rate.is_normal() && *rate > 0.0);
        if let (Some(slot), Some(rate)) = (at.and_then(|at| table.get_mut(at)), rate) {
            *slot = rate;
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_currency_has_a_rate_that_moves() {
        let (before, after) = (parse(&quotes(1)), parse(&quotes(2)));
        assert!(before.iter().zip(&after).all(|(a, b)| *a > 0.0 && a != b));
    }

    #[test]
    fn a_bad_line_leaves_the_others_alone() {
        let table = parse("EUR 1.0\nUSD\nGBP none\nJPY -3\nXXX 9\nCHF 0.95\n");
        assert_eq!(&table[..5], [1.0, 1.0, 1.0, 1.0, 0.95]);
    }

    #[test]
    fn a_reload_changes_the_rates_with_and_without_the_fault() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        for stalls in [false, true] {
            let (rates, faults) = (Rates::new(), Faults::default());
            faults.set(Fault::Stall, stalls);
            let before = rates.now();
            runtime
                .as_ref()
                .unwrap()
                .block_on(reload(&rates, &faults, 5));
            assert_ne!(before, rates.now());
        }
    }
}
