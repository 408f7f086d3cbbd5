//! How far a profile can be trusted, in a line: what was taken, lost, cut, and not seen.

use super::{entries::is_of_waits, walk::Walk};
use crate::{
    model::{
        samples::{Report, Sampled},
        wish::Kind,
    },
    render::{
        units::{self, count, percent},
        words::plural,
    },
};

/// The line that closes a report.
pub(super) fn remarks(walk: &Walk<'_>, all_ns: u64, report: &Report, kind: Kind) -> String {
    let mut parts = vec![samples(walk, report)];
    parts.push(format!("{} dropped", count(report.dropped)));
    parts.push(format!("{} truncated", percent(truncated(report))));
    if report.what == Sampled::Cpu {
        parts.push(match report.cpu_ns {
            Some(cpu) => {
                let missing = cpu.saturating_sub(all_ns) as f64 * 100.0 / cpu.max(1) as f64;
                format!("{} of the CPU unattributed", percent(missing))
            }
            None => "unattributed CPU unknown".to_owned(),
        });
    }
    if report.reused > 0 {
        let share = report.reused as f64 * 100.0 / report.samples.max(1) as f64;
        parts.push(format!("{} of threads that had not moved", percent(share)));
    }
    if report.without_timer > 0 {
        let threads = plural(report.without_timer, "thread");
        parts.push(format!("{threads} without a timer"));
    }
    let mut line = parts.join(", ");
    if report.what == Sampled::Cpu {
        line.push_str(&match report.throttled {
            Some(held) => format!("; throttled {} of {} periods", held.throttled, held.periods),
            None => "; no CPU limit".to_owned(),
        });
    }
    if report.calls_hidden {
        line.push_str("; the kernel hides in which calls threads are");
    }
    if is_of_waits(kind) {
        let period = 1_000_000_000 / u64::from(report.hz.max(1));
        let period = units::nanos(period);
        line.push_str(&format!("; of waits below {period} some are not seen"));
    }
    line
}

/// `2,033 samples (effective 98.7 Hz)`, and at which rate where it is not the one that was asked for.
fn samples(walk: &Walk<'_>, report: &Report) -> String {
    let taken = count(walk.samples);
    let of = match walk.samples == report.samples {
        true => String::new(),
        false => format!(" of {}", count(report.samples)),
    };
    let effective = report.effective_hz();
    let effective = effective.map_or("no rate known".to_owned(), |hz| {
        format!("effective {hz:.1} Hz")
    });
    let shared = match report.asked_hz {
        asked if asked == report.hz || asked == 0 => String::new(),
        _ => format!(", shared at {} Hz", report.hz),
    };
    format!("{taken}{of} samples ({effective}{shared})")
}

fn truncated(report: &Report) -> f64 {
    match report.samples {
        0 => 0.0,
        samples => report.truncated as f64 * 100.0 / samples as f64,
    }
}
