//! The report: what the cache holds, written every two seconds and served at `/report`.
//!
//! It takes the cache's lock. Healthy, it keeps it for the time that two numbers need; with the
//! fault `lock` it keeps it until the slow disk has the report.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::Duration,
};

use manhole::vars::Gauge;

use super::{
    cache::Cache,
    faults::{Fault, Faults},
    service::Shop,
};

/// Whether one is being written.
static WRITING: Gauge = Gauge::new("report.writing");

/// Time between two reports.
const EVERY: Duration = Duration::from_millis(500);

/// What the disk takes for one: long enough that those who wait for the lock meanwhile are noticed.
pub(super) const DISK: Duration = Duration::from_millis(2500);

/// The last report, and the disk that it is written to.
pub(super) struct Report {
    text: Mutex<String>,
    disk: Duration,
}

impl Report {
    /// No report yet; each takes `disk` to write.
    pub(super) fn new(disk: Duration) -> Self {
        Self {
            text: Mutex::default(),
            disk,
        }
    }

    /// Its text; empty before the first one.
    pub(super) fn text(&self) -> String {
        self.lock().clone()
    }

    /// Writes one to the slow disk.
    #[inline(never)]
    fn store(&self, count: usize, bytes: usize) {
        let text = format!("{count} price sheets, {bytes} bytes\n");
        let _writing = WRITING.enter();
        thread::sleep(self.disk);
        *self.lock() = text;
    }

    fn lock(&self) -> MutexGuard<'_, String> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the thread that writes reports until the shop closes.
///
/// # Errors
/// When there can be no thread.
pub(super) fn start(shop: &Arc<Shop>) -> io::Result<()> {
    let shop = Arc::downgrade(shop);
    let thread = thread::Builder::new().name("report".into());
    thread.spawn(move || keep_writing(&shop))?;
    Ok(())
}

fn keep_writing(shop: &Weak<Shop>) {
    while let Some(shop) = shop.upgrade() {
        write(&shop.cache, &shop.faults, &shop.report);
        drop(shop);
        thread::sleep(EVERY);
    }
}

/// Writes one report.
#[inline(never)]
pub(super) fn write(cache: &Cache, faults: &Faults, report: &Report) {
    match faults.is_on(Fault::Lock) {
        // The fault: the slow part happens while everybody else waits for the lock.
        true => cache.write_down(|count, bytes| report.store(count, bytes)),
        false => {
            let (count, bytes) = cache.totals();
            report.store(count, bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    const SLOW: Duration = Duration::from_millis(400);

    /// How long a request waits for the cache while a report is written.
    fn wait(lock_fault: bool) -> Duration {
        let faults = Arc::new(Faults::default());
        faults.set(Fault::Lock, lock_fault);
        let (cache, report) = (Cache::new(Arc::clone(&faults)), Report::new(SLOW));
        cache.remember(1, &[1, 2]);
        let waited = thread::scope(|scope| {
            scope.spawn(|| write(&cache, &faults, &report));
            thread::sleep(SLOW / 4);
            let started = Instant::now();
            cache.get(1);
            started.elapsed()
        });
        assert_eq!(report.text(), "1 price sheets, 16 bytes\n");
        waited
    }

    #[test]
    fn requests_wait_for_the_report_only_with_the_fault() {
        assert!(wait(false) < SLOW / 2);
        assert!(wait(true) > SLOW / 2);
    }
}
