//! The same work on this project's heap, on glibc's malloc and on mimalloc:
//! `cargo bench -p program-break-malloc`.
//!
//! Each cell has the time and, in parentheses, the peak of the memory, as ratios to glibc's in the same turn. Both are
//! medians. Each case is run in a process of its own.

use std::path::Path;
use std::process::Command;

/// The programs of `under-std`, and their names in the table.
const ALLOCATORS: [(&str, &str); 3] = [("heap", "this heap"), ("glibc", "glibc"), ("mimalloc", "mimalloc")];

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

/// The seconds and KiB that one run prints.
fn run(programs: &Path, allocator: &str, case: &str) -> Vec<f64> {
    let output = Command::new(programs.join(allocator)).arg(case).output().expect("it starts");
    assert!(output.status.success(), "{allocator} {case}: {}", String::from_utf8_lossy(&output.stderr));
    let stdout = String::from_utf8(output.stdout).expect("UTF-8");
    stdout.split_whitespace().map(|word| word.parse().expect("a number")).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    // `cargo test --benches` doesn't give this argument, and is no measurement.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("heaps");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--release", "--features=mimalloc", "--target-dir"]).arg(&target);
    cargo.args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/under-std/Cargo.toml")]);
    assert!(cargo.status().expect("cargo starts").success(), "the programs don't build");
    let programs = target.join("release");

    println!("| | {} |\n|{}", ALLOCATORS.map(|(_, name)| name).join(" | "), " --- |".repeat(ALLOCATORS.len() + 1));
    for (case, title) in CASES {
        let mut figures = vec![vec![]; ALLOCATORS.len()];
        for _ in 0..RUNS {
            for ((program, _), runs) in ALLOCATORS.iter().zip(&mut figures) {
                runs.push(run(&programs, program, case));
            }
        }
        let cells = figures.iter().map(|runs| {
            let ratio = |n: usize| median(runs.iter().zip(&figures[1]).map(|(own, glibc)| own[n] / glibc[n]).collect());
            format!("{:.2} ({:.2})", ratio(0), ratio(1))
        });
        println!("| {title} | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
}
