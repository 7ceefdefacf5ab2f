//! `alloc` beside the same program in assembly, in C and in std Rust.
//!
//! All programs are built and measured in one run. Wall time is from the start of a process to its end. In each of many
//! turns, every program runs once, and the ratios are to the assembly program in the same turn. The instructions are
//! counted by single steps, so that the figure of a program without a C library is the same on every machine. They, the
//! page faults (those without reading a disk) and the system calls are counted from the first instruction to the last:
//! what the kernel does before that is the same for all.

use common::strace;
use indicatif::HumanCount;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use std::error::Error;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The row that the others are compared with.
const ASSEMBLY: usize = 1;

fn run(tool: &str, args: &[&str]) -> Result<(), Box<dyn Error>> {
    let status = Command::new(tool).args(args).status();
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
    let (before, mut requests, mut is_running) = (minor_faults(process), 0, true);
    while is_running {
        request(process, None)?;
        requests += 1;
        is_running = matches!(waitpid(process, None)?, WaitStatus::Stopped(..));
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

/// The seconds that each program takes, in `runs` turns. Each turn is in a random order, since a large program leaves
/// the caches full, which slows the next one.
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
    let programs = &[
        ("alloc", env!("CARGO_BIN_EXE_alloc").to_string()),
        ("assembly", out("assembly")),
        ("C", out("c")),
        ("Rust std", out("std")),
    ][..tested];
    run("sh", &["-c", "echo $(date +%F), $(uname -sr), $(rustc --version)"])?;
    println!("medians of {runs} runs each; time from the start of a process to its end, with the quartiles\n");
    let figures: Vec<[u64; 4]> = programs.iter().map(|(_, program)| look(program)).collect::<Result<_, _>>()?;
    let seconds = measure(programs, runs);

    println!("              bytes    page  system   instr-    time, as a ratio");
    println!("            in file  faults   calls  uctions    to assembly");
    for (n, [file, faults, calls, instructions]) in figures.into_iter().enumerate() {
        let [file, instructions] = [file, instructions].map(|count| HumanCount(count).to_string());
        let ratios = seconds[n].iter().zip(&seconds[ASSEMBLY]).map(|(own, assembly)| own / assembly);
        let mut ratios: Vec<_> = ratios.collect();
        ratios.sort_by(f64::total_cmp);
        let [low, median, high] = [1, 2, 3].map(|quarters| ratios[(ratios.len() - 1) * quarters / 4]);
        println!(
            "{:10}{file:>9}{faults:>8}{calls:>8}{instructions:>9}    {median:.2} ({low:.2} to {high:.2})",
            programs[n].0,
        );
    }
    Ok(())
}
