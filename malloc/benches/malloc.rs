//! The same work on this project's heap, on glibc's malloc, and on two other allocators that have the same source of
//! memory: `cargo bench --bench malloc [-- --runs N]`.
//!
//! Each case is run in a process of its own, all allocators in turn, and again. Time is the ratio to glibc's in the
//! same turn, as the median of all turns with the quartiles; peak is what the process grew by, against the most bytes
//! that the program itself had at once; calls are those to the kernel that get or give memory back. A ratio above the
//! goal is marked with `!`.

#[path = "../../benches/common/mod.rs"]
mod common;

use common::{Quartiles, progress};
use std::path::Path;
use std::process::Command;

const ALLOCATORS: [&str; 4] = ["talc", "glibc", "dlmalloc", "rlsf"];

const CASES: [(&str, usize, &str); 6] = [
    ("vec", 10_000_000, "a Vec grown to 10,000,000 numbers"),
    ("in-order", 1_000_000, "1,000,000 boxes of 48 bytes, dropped in order"),
    ("reverse", 1_000_000, "the same in reverse"),
    ("random", 1_000_000, "the same at random"),
    ("map", 300_000, "a BTreeMap<String, Vec<u8>> of 300,000, half emptied"),
    ("mix", 1_000_000, "1,000,000 blocks of 1 byte to 1 MiB, at most 1000 at a time"),
];

/// Goals: no slower than glibc; and, where glibc manages that, a peak within this of the bytes alive.
const TIME: f64 = 1.0;
const PEAK: f64 = 1.25;

/// The numbers that one run prints.
fn run(programs: &Path, allocator: &str, case: &str, count: usize) -> Vec<f64> {
    let output = Command::new(programs.join(allocator)).args([case, &count.to_string()]).output().expect("it starts");
    assert!(output.status.success(), "{allocator} {case}: {}", String::from_utf8_lossy(&output.stderr));
    let stdout = String::from_utf8(output.stdout).expect("UTF-8");
    stdout.split_whitespace().map(|word| word.parse().expect("a number")).collect()
}

/// How many system calls about memory a case makes, beside those of a process that does nothing. None without strace.
fn calls(programs: &Path, allocator: &str, case: &str, count: usize) -> Option<usize> {
    let count_of = |case: &str| {
        let traced = Command::new("strace")
            .args(["-f", "-e", "trace=brk,mmap,munmap,mremap,madvise"])
            .arg(programs.join(allocator))
            .args([case, &count.to_string()])
            .output();
        Some(String::from_utf8_lossy(&traced.ok()?.stderr).lines().filter(|line| line.contains(" = ")).count())
    };
    Some(count_of(case)?.saturating_sub(count_of("nothing")?))
}

fn main() -> Result<(), lexopt::Error> {
    let mut runs = 11;
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long("runs") => runs = lexopt::ValueExt::parse(&parser.value()?)?,
            lexopt::Arg::Long("bench") => {} // cargo's
            other => return Err(other.unexpected()),
        }
    }

    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("heaps");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--release", "--target-dir"])
        .arg(&target)
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/under-std/Cargo.toml")])
        .status()
        .expect("cargo starts");
    assert!(built.success(), "the programs build");
    let programs = target.join("release");

    println!("time as a ratio to glibc's, median of {runs} runs (quartiles); peak / bytes alive; calls of the kernel");
    let bar = progress(CASES.len() * (runs + 3));
    for (case, count, title) in CASES {
        bar.set_message(case);
        let alive = run(&programs, "alive", case, count)[2];
        let mut seconds = vec![vec![]; ALLOCATORS.len()];
        let mut peaks = vec![vec![]; ALLOCATORS.len()];
        for _ in 0..runs {
            for (n, allocator) in ALLOCATORS.iter().enumerate() {
                let figures = run(&programs, allocator, case, count);
                seconds[n].push(figures[0]);
                peaks[n].push(figures[1] / alive);
            }
            bar.inc(1);
        }
        let (tenth, tenth_runs): (Vec<f64>, usize) = (vec![], runs.min(5));
        let tenth = (0..tenth_runs).fold(tenth, |mut all, _| {
            all.push(run(&programs, ALLOCATORS[0], case, count / 10)[0]);
            all
        });
        bar.inc(3);

        let glibc_peak = Quartiles::of(peaks[1].clone()).median;
        let growth = Quartiles::of(seconds[0].clone()).median / Quartiles::of(tenth).median;
        bar.suspend(|| println!("\n{title} (a tenth of it: 1/{growth:.1} of the time)"));
        for (n, allocator) in ALLOCATORS.iter().enumerate() {
            let ratio = Quartiles::of(seconds[n].iter().zip(&seconds[1]).map(|(own, glibc)| own / glibc).collect());
            let peak = Quartiles::of(peaks[n].clone()).median;
            let calls = calls(&programs, allocator, case, count).map_or("no strace".into(), |calls| calls.to_string());
            let mark = |over: bool| if over && n == 0 { '!' } else { ' ' };
            bar.suspend(|| {
                println!(
                    "  {:<10}{:>6.2}{} ({:.2} to {:.2}){:>8.2}{}{calls:>10}",
                    if n == 0 { "this heap" } else { allocator },
                    ratio.median,
                    mark(ratio.median > TIME),
                    ratio.low,
                    ratio.high,
                    peak,
                    mark(peak > PEAK && glibc_peak <= PEAK),
                )
            });
        }
    }
    bar.finish_and_clear();
    println!("\n! over the goal: {TIME:.2} of glibc's time, {PEAK} times the bytes alive where glibc manages that");
    Ok(())
}
