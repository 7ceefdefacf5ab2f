//! `alloc` beside the same program in assembly, in C and in std Rust.
//!
//! All programs are built and measured in one run. In each of many turns, every program runs once. Its time is from
//! the start of the process to its end, as a ratio to that of the assembly program in the same turn. The system calls,
//! the page faults (those without reading a disk) and the instructions are counted from the first instruction on. The
//! instructions are counted by single steps: without a C library, their number is the same on every machine.

use common::strace;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use std::error::Error;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Instant;

fn run(tool: &str, args: &[&str]) -> Result<(), Box<dyn Error>> {
    let status = Command::new(tool).args(args).status().map_err(|error| format!("{tool}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{tool} {}: {status}", args.join(" ")).into()) }
}

fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Returns what hardly varies from run to run: bytes in the file, page faults, system calls and instructions.
fn look(program: &str) -> nix::Result<[u64; 4]> {
    let bytes = std::fs::metadata(program).expect("it was built").len();
    let (_, faults) = trace(program, ptrace::cont)?;
    // Cargo sets this variable, and the dynamic linker would search its directories with more system calls.
    let calls = strace(program, &["-E", "LD_LIBRARY_PATH"]).calls.len() as u64;
    let (instructions, _) = trace(program, ptrace::step)?;
    Ok([bytes, faults, calls, instructions])
}

/// Runs a program to its end by this request of ptrace. Returns how often it was made, and the number of page faults.
fn trace(program: &str, request: fn(Pid, Option<Signal>) -> nix::Result<()>) -> nix::Result<(u64, u64)> {
    let mut command = quiet(program);
    // SAFETY: this runs between fork and exec, and makes only a system call.
    unsafe { command.pre_exec(|| Ok(ptrace::traceme()?)) };
    let process = Pid::from_raw(command.spawn().expect("it starts").id() as i32);
    waitpid(process, None)?;
    // It also stops when it is about to exit.
    ptrace::setoptions(process, ptrace::Options::PTRACE_O_TRACEEXIT | ptrace::Options::PTRACE_O_EXITKILL)?;
    let (before, mut requests) = (minor_faults(process), 1);
    request(process, None)?;
    while let WaitStatus::Stopped(..) = waitpid(process, None)? {
        request(process, None)?;
        requests += 1;
    }
    let faults = minor_faults(process) - before;
    ptrace::cont(process, None)?;
    waitpid(process, None)?;
    Ok((requests, faults))
}

/// How often a page was put into place for the process without reading it from a disk (`minflt`, man 5 proc_pid_stat).
fn minor_faults(process: Pid) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("/proc");
    let (_, fields) = stat.rsplit_once(") ").expect("a name in parentheses");
    fields.split(' ').nth(7).and_then(|field| field.parse().ok()).expect("minflt")
}

/// The seconds that each program takes, in `runs` turns. The order is random: a large program slows the next one, since
/// it leaves the caches full.
fn measure(programs: &[(&str, String)], runs: usize) -> Vec<Vec<f64>> {
    let mut seconds = vec![vec![]; programs.len()];
    let mut order: Vec<_> = (0..programs.len()).collect();
    for _ in 0..runs {
        fastrand::shuffle(&mut order);
        for &n in &order {
            let (name, program) = &programs[n];
            let mut command = quiet(program);
            let start = Instant::now();
            let status = command.status().expect("it starts");
            seconds[n].push(start.elapsed().as_secs_f64());
            assert!(status.success(), "{name}: {status}");
        }
    }
    seconds
}

/// The number, with a comma between each three digits.
fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect::<Vec<_>>().join(",")
}

fn main() -> Result<(), Box<dyn Error>> {
    // `cargo bench` gives this argument, and `cargo test --bench startup` doesn't. The test leaves out the programs
    // with a C library, whose single steps can take minutes.
    let (runs, tested) = if std::env::args().any(|argument| argument == "--bench") { (2000, 4) } else { (1, 2) };
    if cfg!(not(target_arch = "x86_64")) {
        return Err("the article's assembly is for x86-64, and this machine is not".into());
    }

    let directory = concat!(env!("CARGO_TARGET_TMPDIR"), "/startup");
    std::fs::create_dir_all(directory)?;
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/benches"))?;
    let out = |name: &str| format!("{directory}/{name}");
    run("as", &["-o", &out("object"), "alloc.s"])?;
    run("ld", &["-o", &out("assembly"), &out("object")])?;
    run("cc", &["-O2", "-o", &out("c"), "alloc.c"])?;
    run("rustc", &["--edition=2024", "-O", "-o", &out("std"), "alloc_std.rs"])?;
    let alloc = common::cargo::programs("release").join("alloc");
    let programs = &[
        ("alloc", alloc.display().to_string()),
        ("assembly", out("assembly")),
        ("C", out("c")),
        ("Rust std", out("std")),
    ][..tested];
    run("sh", &["-c", "echo $(date +%F), $(uname -sr), $(rustc --version)"])?;
    println!("medians of {runs} runs each; time from the start of a process to its end, with the quartiles\n");
    let figures: Vec<[u64; 4]> = programs.iter().map(|(_, program)| look(program)).collect::<Result<_, _>>()?;
    let seconds = measure(programs, runs);
    let assembly = &seconds[1];

    println!("              bytes    page  system   instr-    time, as a ratio");
    println!("            in file  faults   calls  uctions    to assembly");
    for (n, [file, faults, calls, instructions]) in figures.into_iter().enumerate() {
        let [file, instructions] = [file, instructions].map(with_commas);
        let mut ratios: Vec<_> = seconds[n].iter().zip(assembly).map(|(own, other)| own / other).collect();
        ratios.sort_by(f64::total_cmp);
        let [low, median, high] = [1, 2, 3].map(|quarters| ratios[(ratios.len() - 1) * quarters / 4]);
        let name = programs[n].0;
        println!("{name:10}{file:>9}{faults:>8}{calls:>8}{instructions:>9}    {median:.2} ({low:.2} to {high:.2})");
    }
    Ok(())
}
