//! The same work on this project's heap and on glibc's malloc:
//! `cargo bench --manifest-path malloc/under-std/Cargo.toml`.
//!
//! A line has the time and the peak of the memory, as medians of their ratios to glibc's in the same turn. Each run is
//! a process of its own.

use std::process::Command;
use under_std::CASES;

const RUNS: usize = 15;

/// The seconds and KiB that a program of `under-std` prints.
fn run(program: &str, case: usize) -> Vec<f64> {
    let output = Command::new(program).arg(case.to_string()).output().expect("it starts");
    assert!(output.status.success(), "{program} {case}: {}", String::from_utf8_lossy(&output.stderr));
    let stdout = String::from_utf8(output.stdout).expect("UTF-8");
    stdout.split_whitespace().map(|word| word.parse().expect("a number")).collect()
}

fn main() {
    println!("| | time | peak |\n| --- | ---: | ---: |");
    for (case, (title, _)) in CASES.iter().enumerate() {
        let turn = |_| [env!("CARGO_BIN_EXE_heap"), env!("CARGO_BIN_EXE_glibc")].map(|program| run(program, case));
        let turns: Vec<_> = (0..RUNS).map(turn).collect();
        let [time, peak] = [0, 1].map(|n| {
            let mut ratios: Vec<_> = turns.iter().map(|[heap, glibc]| heap[n] / glibc[n]).collect();
            ratios.sort_by(f64::total_cmp);
            ratios[RUNS / 2]
        });
        println!("| {title} | {time:.2} | {peak:.2} |");
    }
}
