//! Price sheets, remembered behind one lock.
//!
//! The lock is the one that every request needs: whoever keeps it stops the service. The bound is
//! the one that the fault `leak` lifts.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use manhole::vars::Gauge;

use super::faults::{Fault, Faults};

static ENTRIES: Gauge = Gauge::new("cache.entries");
static BYTES: Gauge = Gauge::new("cache.bytes");

/// What the cache keeps at most.
const BOUND: usize = 8 << 20;

/// What it keeps at most when it leaks: a demo must not harm the host.
const LEAKS: usize = 256 << 20;

/// An item of the shop.
pub(super) type Item = u32;

/// Prices of one item in cents, for every currency and quantity.
pub(super) type Sheet = Arc<[u64]>;

/// The sheets that were asked for.
pub(super) struct Cache {
    sheets: Mutex<Sheets>,
    faults: Arc<Faults>,
}

/// What the lock protects.
#[derive(Default)]
struct Sheets {
    by_item: HashMap<Item, Sheet>,
    /// The same items, oldest first.
    order: VecDeque<Item>,
    bytes: usize,
}

impl Cache {
    /// An empty cache.
    pub(super) fn new(faults: Arc<Faults>) -> Self {
        Self {
            sheets: Mutex::default(),
            faults,
        }
    }

    /// The sheet of `item`, if it is remembered.
    #[inline(never)]
    pub(super) fn get(&self, item: Item) -> Option<Sheet> {
        self.lock().by_item.get(&item).cloned()
    }

    /// Keeps `prices` as a sheet, and forgets the oldest sheets beyond the bound.
    #[inline(never)]
    pub(super) fn remember(&self, item: Item, prices: &[u64]) -> Sheet {
        let bound = match self.faults.is_on(Fault::Leak) {
            true => LEAKS,
            false => BOUND,
        };
        let sheet = Sheet::from(prices);
        let forgotten = self.lock().insert(item, Arc::clone(&sheet), bound);
        // Freeing takes its time too; it is spent after the lock was given back.
        drop(forgotten);
        sheet
    }

    /// Forgets everything; how many sheets and bytes that were.
    pub(super) fn clear(&self) -> (usize, usize) {
        let all = self.lock().take();
        (all.by_item.len(), all.bytes)
    }

    /// How many sheets there are, and how large they are together.
    pub(super) fn totals(&self) -> (usize, usize) {
        self.lock().totals()
    }

    /// Has `write` put down the totals, and keeps everybody else out until it has: whoever writes
    /// slowly stops the service.
    #[inline(never)]
    pub(super) fn write_down(&self, write: impl FnOnce(usize, usize)) {
        let sheets = self.lock();
        let (count, bytes) = sheets.totals();
        write(count, bytes);
    }

    // A function of its own, so that stacks call it by its name and type also without debug information.
    #[inline(never)]
    fn lock(&self) -> MutexGuard<'_, Sheets> {
        self.sheets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sheets {
    /// Keeps `sheet`; what had to go.
    fn insert(&mut self, item: Item, sheet: Sheet, bound: usize) -> Vec<Sheet> {
        let mut forgotten = Vec::new();
        self.bytes += size_of_val(&*sheet);
        match self.by_item.insert(item, sheet) {
            Some(old) => forgotten.push(self.gone(old)),
            None => self.order.push_back(item),
        }
        while self.bytes > bound {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            if let Some(old) = self.by_item.remove(&oldest) {
                forgotten.push(self.gone(old));
            }
        }
        self.show();
        forgotten
    }

    fn gone(&mut self, sheet: Sheet) -> Sheet {
        self.bytes -= size_of_val(&*sheet);
        sheet
    }

    fn take(&mut self) -> Self {
        let all = std::mem::take(self);
        self.show();
        all
    }

    fn totals(&self) -> (usize, usize) {
        (self.by_item.len(), self.bytes)
    }

    fn show(&self) {
        ENTRIES.set(self.by_item.len() as i64);
        BYTES.set(self.bytes as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHEET: usize = 1024;
    const PRICES: [u64; SHEET / 8] = [7; SHEET / 8];

    fn cache(leaks: bool) -> Cache {
        let faults = Arc::new(Faults::default());
        faults.set(Fault::Leak, leaks);
        Cache::new(faults)
    }

    fn fill(cache: &Cache, items: usize) {
        for item in 0..items as Item {
            cache.remember(item, &PRICES);
        }
    }

    #[test]
    fn a_healthy_cache_forgets_the_oldest_beyond_its_bound() {
        let cache = cache(false);
        let full = BOUND / SHEET;
        fill(&cache, full + 10);
        assert_eq!(cache.lock().totals(), (full, BOUND));
        assert_eq!(cache.get(9), None);
        assert_eq!(cache.get(10).as_deref(), Some(&PRICES[..]));
    }

    #[test]
    fn a_leaking_cache_forgets_nothing_until_the_leak_is_closed() {
        let cache = cache(true);
        let many = BOUND / SHEET * 2;
        fill(&cache, many);
        assert_eq!(cache.lock().totals(), (many, BOUND * 2));
        cache.faults.set(Fault::Leak, false);
        cache.remember(0, &PRICES);
        assert_eq!(cache.lock().totals(), (BOUND / SHEET, BOUND));
    }

    #[test]
    fn a_leak_ends_before_it_harms_the_host() {
        let mut sheets = Sheets::default();
        let large = Sheet::from(vec![0; LEAKS / 8 / 4]);
        for item in 0..10 {
            sheets.insert(item, Arc::clone(&large), LEAKS);
        }
        assert_eq!(sheets.totals(), (4, LEAKS));
    }

    #[test]
    fn an_item_is_counted_once_and_clearing_says_what_went() {
        let cache = cache(false);
        cache.remember(1, &PRICES);
        cache.remember(1, &PRICES[..1]);
        assert_eq!(cache.lock().totals(), (1, 8));
        assert_eq!(cache.clear(), (1, 8));
        assert_eq!(cache.lock().totals(), (0, 0));
    }
}
