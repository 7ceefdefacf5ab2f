//! `alloc` beside the same program in assembly, in C and in std Rust.
//!
//! All programs are built and measured in one run. benches/README.md says what is measured. The instructions are
//! counted by single steps: without a C library, their number is the same on every machine.

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Instant;

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}

fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Runs a program to its end by this request of ptrace. Returns how many page faults there have been at each stop,
/// the first of which is before the first instruction.
fn trace(program: &str, request: fn(Pid, Option<Signal>) -> nix::Result<()>) -> Vec<u64> {
    let mut command = quiet(program);
    // SAFETY: this runs between fork and exec, and makes only a system call.
    unsafe { command.pre_exec(|| Ok(ptrace::traceme()?)) };
    let process = Pid::from_raw(command.spawn().expect("it starts").id() as i32);
    let mut faults = vec![];
    while let WaitStatus::Stopped(..) = waitpid(process, None).expect("it is traced") {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("/proc");
        let (_, fields) = stat.rsplit_once(") ").expect("a name in parentheses");
        // `minflt` in man 5 proc_pid_stat: how often a page was put into place without reading it from a disk.
        faults.push(fields.split(' ').nth(7).and_then(|field| field.parse().ok()).expect("minflt"));
        request(process, None).expect("it goes on");
    }
    faults
}

/// The number, with a comma between each three digits.
fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect::<Vec<_>>().join(",")
}

fn main() {
    // `cargo bench` gives this argument, and `cargo test --bench startup` doesn't. The test leaves out the programs
    // with a C library, whose single steps can take minutes.
    let (runs, tested) = if std::env::args().any(|argument| argument == "--bench") { (2000, 4) } else { (1, 2) };
    assert_eq!(std::env::consts::ARCH, "x86_64", "the article's assembly is for x86-64, and this machine is not");

    let names = ["alloc", "assembly", "C", "Rust std"];
    let programs = names.map(|name| format!("{}/{name}", env!("CARGO_TARGET_TMPDIR")));
    let [alloc, assembly, c, rust_std] = &programs;
    let object = &format!("{assembly}.o");
    std::fs::copy(common::cargo::programs("release").join("alloc"), alloc).expect("a copy of alloc");
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/benches")).expect("benches");
    run(Command::new("as").args(["-o", object, "alloc.s"]));
    run(Command::new("ld").args(["-o", assembly, object]));
    run(Command::new("cc").args(["-O2", "-o", c, "alloc.c"]));
    run(Command::new("rustc").args(["--edition=2024", "-O", "-o", rust_std, "alloc_std.rs"]));
    run(Command::new("sh").args(["-c", "echo $(date +%F), $(uname -sr), $(rustc --version)"]));
    println!("medians of {runs} runs each; time from the start of a process to its end, with the quartiles\n");

    let mut seconds = vec![vec![]; tested];
    let mut order: Vec<_> = (0..tested).collect();
    for _ in 0..runs {
        // The order is random: a large program slows the next one, since it leaves the caches full.
        fastrand::shuffle(&mut order);
        for &n in &order {
            let mut command = quiet(&programs[n]);
            let start = Instant::now();
            run(&mut command);
            seconds[n].push(start.elapsed().as_secs_f64());
        }
    }

    println!("              bytes    page  system   instr-    time, as a ratio");
    println!("            in file  faults   calls  uctions    to assembly");
    for ((name, program), own) in names.iter().zip(&programs).zip(&seconds) {
        let file = with_commas(std::fs::metadata(program).expect("it was built").len());
        // The program stops where each system call starts, and where it ends.
        let faults = trace(program, ptrace::syscall);
        let (calls, faults) = (faults.len() / 2, faults[faults.len() - 1] - faults[0]);
        let instructions = with_commas(trace(program, ptrace::step).len() as u64);
        let mut ratios: Vec<_> = own.iter().zip(&seconds[1]).map(|(own, assembly)| own / assembly).collect();
        ratios.sort_by(f64::total_cmp);
        let [low, median, high] = [1, 2, 3].map(|quarters| ratios[(ratios.len() - 1) * quarters / 4]);
        println!("{name:10}{file:>9}{faults:>8}{calls:>8}{instructions:>9}    {median:.2} ({low:.2} to {high:.2})");
    }
}
