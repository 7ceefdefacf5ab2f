//! What both benchmarks do with their figures.

use indicatif::{ProgressBar, ProgressStyle};

/// The quartiles of some measurements: a quarter of them is below the first, half below the second, the median.
pub fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarters| values[(values.len() - 1) * quarters / 4])
}

/// A progress bar on standard error, if that is a terminal.
pub fn progress(steps: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} {eta} left").expect("a good template");
    ProgressBar::new(steps as u64).with_style(style)
}
