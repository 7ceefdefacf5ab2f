//! The same work on this project's heap and on glibc's malloc:
//! `cargo bench --manifest-path malloc/under-std/Cargo.toml`.
//!
//! A line has the time and the peak of the memory, as medians of their ratios to glibc's in the same turn. Each run is
//! a process of its own.

use std::process::Command;

const CASES: [(&str, &str); 7] = [
    ("vec", "a `Vec` grown to 10,000,000 numbers"),
    ("in-order", "1,000,000 boxes of 48 bytes, dropped in order"),
    ("reverse", "in reverse"),
    ("random", "at random"),
    ("map", "a `BTreeMap` of 300,000, half emptied"),
    ("mix", "1,000,000 blocks of 1 byte to 1 MiB"),
    ("threads", "4,000,000 small blocks in 2 threads"),
];

const RUNS: usize = 15;

/// The seconds and KiB that a program of `under-std` prints.
fn run(program: &str, case: &str) -> Vec<f64> {
    let output = Command::new(program).arg(case).output().expect("it starts");
    assert!(output.status.success(), "{program} {case}: {}", String::from_utf8_lossy(&output.stderr));
    let stdout = String::from_utf8(output.stdout).expect("UTF-8");
    stdout.split_whitespace().map(|word| word.parse().expect("a number")).collect()
}

fn main() {
    println!("| | time | peak |\n| --- | ---: | ---: |");
    for (case, title) in CASES {
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
