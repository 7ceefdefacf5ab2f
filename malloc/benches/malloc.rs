//! The same work on this project's heap, on glibc's malloc, on two other allocators that have the same source of
//! memory, and on two that are written in C: `cargo bench --bench malloc [-- --runs N]`.
//!
//! Each case is run in a process of its own, all allocators in turn, and again. Time is the ratio to glibc's in the
//! same turn, as the median of all turns with the quartiles; peak is what the process grew by, against the most bytes
//! that the program itself had at once; calls are those to the kernel that get or give memory back. What is over the
//! goal is marked with `!`.

#[path = "../../benches/common/mod.rs"]
mod common;

use common::{Quartiles, progress};
use std::path::Path;
use std::process::Command;

/// This heap and its measure come first. The last two are written in C, and left out if they can't be built.
const ALLOCATORS: [&str; 6] = ["this-heap", "glibc", "dlmalloc", "rlsf", "mimalloc", "jemalloc"];

/// Each with the goals for time, as a ratio to glibc's, and for the peak.
const CASES: [(&str, usize, &str, f64, f64); 9] = [
    ("vec", 10_000_000, "a Vec grown to 10,000,000 numbers", 1.0, 1.25),
    ("in-order", 1_000_000, "1,000,000 boxes of 48 bytes, dropped in order", 0.5, 1.05),
    ("reverse", 1_000_000, "the same in reverse", 0.5, 1.05),
    ("random", 1_000_000, "the same at random", 0.5, 1.05),
    ("map", 300_000, "a BTreeMap<String, Vec<u8>> of 300,000, half emptied", 0.9, 1.2),
    ("mix", 1_000_000, "1,000,000 blocks of 1 byte to 1 MiB, at most 1000 at a time", 1.0, 1.25),
    (
        "threads-1",
        4_000_000,
        "4,000,000 blocks of up to 500 bytes, 1000 at a time, in 1 thread",
        f64::INFINITY,
        f64::INFINITY,
    ),
    ("threads-2", 4_000_000, "the same number, in 2 threads", f64::INFINITY, f64::INFINITY),
    ("threads-4", 4_000_000, "the same number, in 4 threads", f64::INFINITY, f64::INFINITY),
];

/// The goal for growth: ten times the work in at most this many times the time, or in no more than glibc takes.
const GROWTH: f64 = 10.5;

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
            lexopt::Arg::Long("help") => {
                println!("cargo bench -p program-break-malloc [-- --runs N]");
                return Ok(());
            }
            lexopt::Arg::Long("bench") => {} // cargo's
            other => return Err(other.unexpected()),
        }
    }

    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("heaps");
    let build = |options: &[&str]| {
        Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--locked", "--release", "--target-dir"])
            .arg(&target)
            .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/under-std/Cargo.toml")])
            .args(options)
            .status()
            .expect("cargo starts")
            .success()
    };
    assert!(build(&[]), "the programs build");
    let mut allocators = &ALLOCATORS[..];
    if !build(&["--features=c"]) {
        allocators = &ALLOCATORS[..4];
        println!("mimalloc and jemalloc are left out, since they can't be built here");
    }
    let programs = target.join("release");

    println!(
        "time in ms, and as a ratio to glibc's, medians of {runs} runs (quartiles); peak / bytes alive; system calls"
    );
    let mark = |over: bool| if over { '!' } else { ' ' };
    let bar = progress(CASES.len() * runs);
    for (case, count, title, time_goal, peak_goal) in CASES {
        bar.set_message(case);
        let alive = run(&programs, "alive", case, count)[2];
        let mut seconds = vec![vec![]; allocators.len()];
        let mut tenths = [vec![], vec![]];
        let mut peaks = vec![vec![]; allocators.len()];
        for turn in 0..runs {
            // In turn from the first to the last and back, so that none is always after the same one.
            let mut order: Vec<_> = (0..allocators.len()).collect();
            if turn % 2 == 1 {
                order.reverse();
            }
            for n in order {
                let allocator = allocators[n];
                let figures = run(&programs, allocator, case, count);
                seconds[n].push(figures[0]);
                peaks[n].push(figures[1] / alive);
            }
            for n in [0, 1] {
                tenths[n].push(run(&programs, allocators[n], case, count / 10)[0]);
            }
            bar.inc(1);
        }
        // Of this heap and of glibc.
        let growth = [0, 1].map(|n| Quartiles::of(seconds[n].clone()).median / Quartiles::of(tenths[n].clone()).median);
        bar.suspend(|| {
            println!(
                "\n{title}\n  ten times the work takes {:.1}{} times as long, and with glibc {:.1} times",
                growth[0],
                mark(growth[0] > GROWTH && growth[0] > growth[1]),
                growth[1],
            )
        });
        for (n, allocator) in allocators.iter().enumerate() {
            let ratio = Quartiles::of(seconds[n].iter().zip(&seconds[1]).map(|(own, glibc)| own / glibc).collect());
            let peak = Quartiles::of(peaks[n].clone()).median;
            let calls = calls(&programs, allocator, case, count).map_or("no strace".into(), |calls| calls.to_string());
            bar.suspend(|| {
                println!(
                    "  {:<10}{:>7.1}{:>7.2}{} ({:.2} to {:.2}){:>8.2}{}{calls:>10}",
                    allocator,
                    Quartiles::of(seconds[n].clone()).median * 1000.0,
                    ratio.median,
                    mark(n == 0 && ratio.median > time_goal),
                    ratio.low,
                    ratio.high,
                    peak,
                    mark(n == 0 && peak > peak_goal),
                )
            });
        }
    }
    bar.finish_and_clear();
    println!("\n! over the goal");
    Ok(())
}
