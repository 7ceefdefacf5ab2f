//! `alloc` beside the same program in assembly, in C and in std Rust: `cargo bench --bench startup [-- --runs N]`.
//!
//! All programs are built and measured in one run. Wall time is from the start of a process to its end. In each of many
//! turns, every program runs once, and the ratios are to the assembly program in the same turn. The instructions are
//! counted by single steps, so that the figure of a program without a C library is the same on every machine. They, the
//! page faults (those without reading a disk) and the system calls are counted from the first instruction to the last:
//! what the kernel does before that is the same for all.

mod common;

use crate::common::{progress, quartiles};
use ::common::{Ptraced, segments};
use indicatif::HumanCount;
use object::elf::PT_LOAD;
use object::read::elf::ElfFile64;
use std::error::Error;
use std::num::NonZeroUsize;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The row that the others are compared with.
const ASSEMBLY: usize = 2;

/// Runs a tool, for this machine whatever the environment says.
fn run(tool: &str, args: &[&str]) -> Result<(), Box<dyn Error>> {
    let status = Command::new(tool).args(args).env_remove("CARGO_BUILD_TARGET").status();
    match status.map_err(|error| format!("{tool}: {error}"))? {
        status if status.success() => Ok(()),
        status => Err(format!("{tool} {}: {status}", args.join(" ")).into()),
    }
}

fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Returns what hardly varies from run to run: bytes in the file, bytes loaded, segments, page faults, system calls and
/// instructions.
fn look(program: &str) -> [u64; 6] {
    let bytes = std::fs::read(program).expect("it was built");
    let loaded = segments(&ElfFile64::parse(&*bytes).expect("an ELF file"), PT_LOAD);
    let loaded: Vec<_> = loaded.iter().map(|(_, size, _)| *size).filter(|size| *size > 0).collect();

    // The page faults vary by one.
    let (mut faults, mut calls) = (vec![], 0);
    for _ in 0..11 {
        let process = Ptraced::start(quiet(program));
        let before = minor_faults(&process);
        let mut during = 0;
        calls = 0;
        while process.to_system_call().is_none() {
            if process.call().is_some() {
                calls += 1;
                during = minor_faults(&process) - before;
            }
        }
        faults.push(during as f64);
    }

    let process = Ptraced::start(quiet(program));
    let mut instructions = 1;
    while process.step().is_none() {
        instructions += 1;
    }

    let faults = quartiles(faults)[1] as u64;
    [bytes.len() as u64, loaded.iter().sum(), loaded.len() as u64, faults, calls, instructions]
}

/// How often a page was put into place for the process without reading it from a disk (`minflt`, man 5 proc_pid_stat).
fn minor_faults(process: &Ptraced) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.0)).expect("/proc");
    let (_, fields) = stat.rsplit_once(") ").expect("a name in parentheses");
    fields.split(' ').nth(7).and_then(|field| field.parse().ok()).expect("minflt")
}

/// The seconds that each program takes, in `runs` turns, after a warm-up of a tenth of that. Each turn is in a random
/// order, since a program is slower right after a large one, which has filled the caches.
fn measure(programs: &[(&str, String)], runs: usize) -> Vec<Vec<f64>> {
    let mut seconds = vec![vec![]; programs.len()];
    let mut order: Vec<_> = (0..programs.len()).collect();
    let warm_up = runs / 10;
    for turn in progress(warm_up + runs).wrap_iter(0..warm_up + runs) {
        fastrand::shuffle(&mut order);
        for &n in &order {
            let (name, program) = &programs[n];
            let mut command = quiet(program);
            let start = Instant::now();
            let status = command.status().expect("it starts");
            let time = start.elapsed();
            assert!(status.success(), "{name}: {status}");
            if turn >= warm_up {
                seconds[n].push(time.as_secs_f64());
            }
        }
    }
    seconds
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect(); // cargo's
    let runs = match &arguments[..] {
        [] => 2000,
        [option, runs] if option == "--runs" => runs.parse::<NonZeroUsize>()?.get(),
        _ => return Err("this takes one option: --runs N".into()),
    };
    if cfg!(not(target_arch = "x86_64")) {
        return Err("the article's assembly is for x86-64, and this machine is not".into());
    }

    let directory = concat!(env!("CARGO_TARGET_TMPDIR"), "/startup");
    std::fs::create_dir_all(directory)?;
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/benches"))?;
    let out = |name: &str| format!("{directory}/{name}");
    run(env!("CARGO"), &["build", "--quiet", "--locked", "--bin=alloc", "--target-dir", directory])?;
    for name in ["alloc", "floor"] {
        run("as", &["-o", &out("object"), &format!("{name}.s")])?;
        run("ld", &["-o", &out(name), &out("object")])?;
    }
    run("cc", &["-O2", "-o", &out("c"), "alloc.c"])?;
    run("rustc", &["--edition=2024", "-O", "-o", &out("std"), "alloc_std.rs"])?;
    let programs = [
        ("alloc, release", env!("CARGO_BIN_EXE_alloc").to_string()),
        ("alloc, dev", out("debug/alloc")),
        ("assembly", out("alloc")),
        ("only exits", out("floor")),
        ("C", out("c")),
        ("Rust std", out("std")),
    ];
    let figures: Vec<_> = programs.iter().map(|(_, program)| look(program)).collect();
    let seconds = measure(&programs, runs);

    run("sh", &["-c", "echo $(date +%F), $(uname -sr), $(rustc --version)"])?;
    println!("medians of {runs} runs each; time from the start of a process to its end, with the quartiles\n");
    println!("                  bytes    bytes  seg-   page  sys-   instr-    time, as a ratio");
    println!("                in file   loaded ments faults calls  uctions    to assembly");
    for (n, [file, loaded, segments, faults, calls, instructions]) in figures.into_iter().enumerate() {
        let [file, loaded, instructions] = [file, loaded, instructions].map(|count| HumanCount(count).to_string());
        let ratios = seconds[n].iter().zip(&seconds[ASSEMBLY]).map(|(own, assembly)| own / assembly);
        let [low, median, high] = quartiles(ratios.collect());
        println!(
            "{:14}{file:>9}{loaded:>9}{segments:>6}{faults:>7}{calls:>6}{instructions:>9}    \
             {median:.2} ({low:.2} to {high:.2})",
            programs[n].0,
        );
    }
    Ok(())
}
