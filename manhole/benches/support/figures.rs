//! Durations and what is said of them: medians, tails, ratios, in a table that a document can hold.

use std::time::{Duration, Instant};

/// Durations of one kind of thing, in nanoseconds.
#[derive(Clone, Default)]
pub struct Figures(Vec<u64>);

impl Figures {
    /// Measures `work` and keeps how long it took.
    pub fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.add(start.elapsed());
        result
    }

    /// Keeps a duration.
    pub fn add(&mut self, time: Duration) {
        self.0.push(u64::try_from(time.as_nanos()).unwrap());
    }

    /// Keeps all of `other`.
    pub fn extend(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }

    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value below which a share of `percent` lies.
    pub fn quantile(&self, percent: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1).expect("something was measured");
        sorted[(last as f64 * percent / 100.0).round() as usize] as f64
    }

    /// The one in the middle.
    pub fn median(&self) -> f64 {
        self.quantile(50.0)
    }
}

/// The middle one of some ratios.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// `5.1 us`, `1.20 ms`: three digits, as far as a noisy machine deserves them.
pub fn nanos(value: f64) -> String {
    match value {
        v if v < 1e3 => format!("{v:.0} ns"),
        v if v < 1e5 => format!("{:.1} us", v / 1e3),
        v if v < 1e6 => format!("{:.0} us", v / 1e3),
        v if v < 1e8 => format!("{:.2} ms", v / 1e6),
        v => format!("{:.0} ms", v / 1e6),
    }
}

/// `192 k/s`.
pub fn per_second(value: f64) -> String {
    match value {
        v if v < 1e4 => format!("{v:.0}/s"),
        v => format!("{:.0} k/s", v / 1e3),
    }
}

/// Bytes as KiB, with a sign.
pub fn kib_change(before: u64, after: u64) -> String {
    format!("{:+} KiB", (after as i64 - before as i64) / 1024)
}

/// Rows under headings, printed as Markdown.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    pub fn new<const N: usize>(headings: [&str; N]) -> Self {
        Self {
            rows: vec![headings.map(str::to_owned).to_vec()],
        }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
    }

    /// Prints it.
    pub fn print(&self) {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or_default()
        };
        let widths: Vec<usize> = (0..self.rows[0].len()).map(width).collect();
        for (number, row) in self.rows.iter().enumerate() {
            let cells = row.iter().zip(&widths);
            let line: Vec<String> = cells.map(|(cell, w)| format!("{cell:<w$}")).collect();
            println!("| {} |", line.join(" | "));
            if number == 0 {
                let rules: Vec<String> = widths.iter().map(|w| "-".repeat(*w)).collect();
                println!("|-{}-|", rules.join("-|-"));
            }
        }
        println!();
    }
}
