//! What both benchmarks do with their figures.

use indicatif::{ProgressBar, ProgressStyle};

/// The quartiles of some measurements: a quarter of them is below the first, half below the second.
#[derive(Clone, Copy)]
pub struct Quartiles {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Quartiles {
    pub fn of(mut values: Vec<f64>) -> Quartiles {
        values.sort_by(f64::total_cmp);
        let at = |part: f64| values[((values.len() - 1) as f64 * part).round() as usize];
        Quartiles { low: at(0.25), median: at(0.5), high: at(0.75) }
    }
}

/// A bar on standard error, if that is a terminal.
pub fn progress(steps: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} {eta} left").expect("a good template");
    ProgressBar::new(steps as u64).with_style(style)
}
