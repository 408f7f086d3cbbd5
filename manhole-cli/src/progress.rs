//! How far a long command is, on standard error and only if a person looks at it.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::plain::escape;

/// Short commands end before anybody could read a bar.
const SHORT: Duration = Duration::from_millis(400);

/// Steps of a bar: the console counts in seconds and other fractions.
const STEPS: u64 = 1000;

/// Shows nothing until there is something to show.
pub(crate) struct Progress {
    started: Instant,
    visible: bool,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// For one command; `visible` if standard error is a terminal.
    pub(crate) fn new(visible: bool) -> Self {
        Self {
            started: Instant::now(),
            visible,
            bar: None,
        }
    }

    /// The command is this far.
    pub(crate) fn report(&mut self, done: f64, total: Option<f64>, unit: &str) {
        if !self.visible || self.started.elapsed() < SHORT {
            return;
        }
        let message = describe(done, total, unit);
        let bar = self
            .bar
            .get_or_insert_with(|| new_bar(total.is_some()).with_message(message.clone()));
        if let Some(total) = total.filter(|total| *total > 0.0) {
            bar.set_position((done / total * STEPS as f64).clamp(0.0, STEPS as f64) as u64);
        }
        bar.set_message(message);
    }

    /// Makes room for the answer.
    pub(crate) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn new_bar(bounded: bool) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stderr());
    let template = match bounded {
        true => "[{bar:30}] {msg}  (Ctrl-C cancels)",
        false => "{spinner} {msg}  (Ctrl-C cancels)",
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("#> ")),
        Err(_) => bar,
    }
}

fn describe(done: f64, total: Option<f64>, unit: &str) -> String {
    let number = |value: f64| match value.fract() == 0.0 {
        true => format!("{value}"),
        false => format!("{value:.1}"),
    };
    let unit: String = escape(unit).chars().take(16).collect();
    match total {
        Some(total) => format!("{} of {} {unit}", number(done), number(total)),
        None => format!("{} {unit}", number(done)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_described_in_its_unit() {
        let check = |done, total, unit, expected: &str| {
            assert_eq!(describe(done, total, unit), expected);
        };
        check(3.0, Some(10.0), "s", "3 of 10 s");
        check(2.54, Some(10.0), "s", "2.5 of 10 s");
        check(70.0, None, "threads", "70 threads");
        check(1.0, None, "\x1b[2J", "1 \\x1b[2J");
    }

    #[test]
    fn nothing_is_drawn_for_pipes_and_short_commands() {
        let mut hidden = Progress::new(false);
        hidden.started -= Duration::from_secs(9);
        hidden.report(1.0, Some(2.0), "s");
        let mut short = Progress::new(true);
        short.report(1.0, Some(2.0), "s");
        assert!(hidden.bar.is_none() && short.bar.is_none());
    }
}
