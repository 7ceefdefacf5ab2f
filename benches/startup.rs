//! `alloc` side by side with the same program in assembly, in C and in std Rust:
//! `cargo bench --bench startup [-- --json] [--runs N]`.
//!
//! All rows are built and measured in one run. Wall time is from the start of the process to its end, all rows in turn,
//! again and again; the ratios are to the assembly program and to the floor in the same turn. Instructions are counted
//! by single steps from the first to the last, so that the figure of a program without a C library is the same on every
//! machine and every day. Page faults (those without reading a disk) and system calls are counted from the first
//! instruction on, too: what the kernel does before that is the same for all.

mod common;

use common::{Quartiles, progress};
use nix::sys::{ptrace, wait};
use nix::unistd::Pid;
use object::read::elf::{ElfFile64, ProgramHeader};
use object::{Endianness, elf};
use serde_json::{Value, json};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const ASSEMBLY: &str = "assembly";
const FLOOR: &str = "only exits";

/// A program, and what doesn't vary from run to run.
struct Row {
    name: &'static str,
    program: PathBuf,
    file: u64,
    loaded: u64,
    segments: usize,
    faults: f64,
    calls: usize,
    instructions: usize,
    seconds: Vec<f64>,
}

/// Builds the rows. The other list: what is left out, which tool it is for, and why.
fn build(directory: &Path) -> (Vec<Row>, Vec<(&'static str, String, &'static str)>) {
    let source = |name: &str| format!("{}/benches/{name}", env!("CARGO_MANIFEST_DIR"));
    let out = |name: &str| directory.join(name).to_str().expect("UTF-8").to_string();
    let dev = directory.join("../../debug/alloc");
    let commands: [(&str, PathBuf, Vec<Vec<String>>); 7] = [
        ("alloc release", env!("CARGO_BIN_EXE_alloc").into(), vec![]),
        (
            "alloc dev",
            dev,
            vec![words(
                env!("CARGO"),
                &["build", "--quiet", "--locked", "--bin", "alloc", "--target-dir", &out("../..")],
            )],
        ),
        (ASSEMBLY, out("assembly").into(), assemble(&source("alloc.s"), &out("assembly"))),
        (FLOOR, out("floor").into(), assemble(&source("floor.s"), &out("floor"))),
        ("C dynamic", out("c").into(), vec![words("cc", &["-O2", "-o", &out("c"), &source("alloc.c")])]),
        (
            "C static",
            out("c-static").into(),
            vec![words("cc", &["-O2", "-static", "-o", &out("c-static"), &source("alloc.c")])],
        ),
        (
            "Rust std",
            out("std").into(),
            vec![words("rustc", &["--edition=2024", "-O", "-o", &out("std"), &source("alloc_std.rs")])],
        ),
    ];
    let (mut rows, mut left_out) = (vec![], vec![]);
    let bar = progress(commands.len());
    'rows: for (name, program, commands) in commands {
        if cfg!(not(target_arch = "x86_64")) && [ASSEMBLY, FLOOR].contains(&name) {
            left_out.push((name, "its assembly".to_string(), "for x86-64"));
            continue;
        }
        for command in commands {
            let tool = Path::new(&command[0]).file_name().and_then(|name| name.to_str()).expect("a name").to_string();
            // Wherever the environment wants to have it, this one is for the usual place.
            let mut tool_run = Command::new(&command[0]);
            match tool_run.args(&command[1..]).env_remove("CARGO_BUILD_TARGET").output() {
                Ok(output) if output.status.success() => {}
                Ok(output) => {
                    bar.suspend(|| eprint!("{}", String::from_utf8_lossy(&output.stderr)));
                    left_out.push((name, tool, "not able to build it"));
                    continue 'rows;
                }
                Err(_) => {
                    left_out.push((name, tool, "missing"));
                    continue 'rows;
                }
            }
        }
        bar.set_message(format!("looking at {name}"));
        rows.push(look(name, program));
        bar.inc(1);
    }
    bar.finish_and_clear();
    (rows, left_out)
}

fn words(program: &str, args: &[&str]) -> Vec<String> {
    [program].iter().chain(args).map(|word| word.to_string()).collect()
}

fn assemble(source: &str, out: &str) -> Vec<Vec<String>> {
    let object = format!("{out}.o");
    vec![words("as", &["-o", &object, source]), words("ld", &["-o", out, &object])]
}

/// All of a row but the time.
fn look(name: &'static str, program: PathBuf) -> Row {
    let bytes = std::fs::read(&program).expect("it was built");
    let file = ElfFile64::<Endianness>::parse(&*bytes).expect("an ELF file");
    let e = file.endian();
    let load = || file.elf_program_headers().iter().filter(|header| header.p_type(e) == elf::PT_LOAD);
    let mut faults: Vec<_> = (0..101).map(|_| follow(&program, ptrace::cont).faults).collect();
    faults.sort_unstable();
    Row {
        name,
        file: bytes.len() as u64,
        loaded: load().map(|header| header.p_memsz(e)).sum(),
        segments: load().filter(|header| header.p_memsz(e) > 0).count(),
        faults: faults[50] as f64,
        // Each call stops twice, at its start and at its end; but the last one doesn't end.
        calls: follow(&program, ptrace::syscall).stops.div_ceil(2),
        instructions: follow(&program, ptrace::step).stops,
        seconds: vec![],
        program,
    }
}

/// What was seen of a process, from its first instruction to its end.
struct Followed {
    stops: usize,
    faults: u64,
}

/// Runs a program, resumed by `resume` whenever it stops.
fn follow(program: &Path, resume: impl Fn(Pid, Option<nix::sys::signal::Signal>) -> nix::Result<()>) -> Followed {
    let mut command = quiet(program);
    // SAFETY: between fork and exec, and only a system call.
    unsafe {
        command.pre_exec(|| Ok(ptrace::traceme()?));
    }
    let pid = Pid::from_raw(command.spawn().expect("it starts").id() as i32);
    wait::waitpid(pid, None).expect("stopped at its first instruction");
    ptrace::setoptions(pid, ptrace::Options::PTRACE_O_TRACEEXIT).expect("traced");
    let before = minor_faults(pid);
    let (mut stops, mut faults) = (0, 0);
    loop {
        resume(pid, None).expect("traced");
        match wait::waitpid(pid, None).expect("traced") {
            wait::WaitStatus::PtraceEvent(..) => faults = minor_faults(pid) - before,
            wait::WaitStatus::Exited(..) => break,
            _ => stops += 1,
        }
    }
    // The last instruction, `syscall`, ends the process in place of a stop behind it.
    Followed { stops: stops + 1, faults }
}

/// How often a page was put into place for the process without reading it from a disk (`minflt`, man 5 proc_pid_stat).
fn minor_faults(pid: Pid) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("/proc");
    let (_, fields) = stat.rsplit_once(") ").expect("a name in parentheses");
    fields.split(' ').nth(7).and_then(|field| field.parse().ok()).expect("minflt")
}

fn quiet(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Runs all rows in turn, `runs` times, after a warm-up of a tenth of that. Each turn is in another order, as what a
/// large program leaves in the caches is the next one's loss.
fn measure(rows: &mut [Row], runs: usize) {
    let bar = progress(runs + runs / 10);
    let mut order: Vec<_> = (0..rows.len()).collect();
    let mut random = 0x5eed_usize;
    for run in 0..runs + runs / 10 {
        for n in (1..order.len()).rev() {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407); // Knuth's MMIX
            order.swap(n, (random >> 33) % (n + 1));
        }
        for row in &order {
            let row = &mut rows[*row];
            let mut command = quiet(&row.program);
            let start = Instant::now();
            let status = command.status().expect("it starts");
            let seconds = start.elapsed().as_secs_f64();
            assert!(status.success(), "{}: {status}", row.name);
            if run >= runs / 10 {
                row.seconds.push(seconds);
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
}

/// The times of a row as ratios to those of another one, each in the same turn. None if that one is left out.
fn ratio(rows: &[Row], row: &Row, to: &str) -> Option<Quartiles> {
    let to = rows.iter().find(|row| row.name == to)?;
    Some(Quartiles::of(row.seconds.iter().zip(&to.seconds).map(|(own, other)| own / other).collect()))
}

/// What a command prints, on one line.
fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    output.map_or("unknown".into(), |output| String::from_utf8_lossy(&output.stdout).trim().to_string())
}

fn main() -> Result<(), lexopt::Error> {
    let (mut runs, mut as_json) = (2000, false);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long("runs") => runs = lexopt::ValueExt::parse(&parser.value()?)?,
            lexopt::Arg::Long("json") => as_json = true,
            lexopt::Arg::Long("help") => {
                println!("cargo bench --bench startup [-- [--json] [--runs N]]");
                return Ok(());
            }
            lexopt::Arg::Long("bench") => {} // cargo's
            other => return Err(other.unexpected()),
        }
    }

    let runs = runs.max(1);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("startup");
    std::fs::create_dir_all(&directory).expect("a directory to build in");
    let (mut rows, left_out) = build(&directory);
    measure(&mut rows, runs);

    let compiler = std::env::var("RUSTC").unwrap_or("rustc".into());
    let made_on = [said("date", &["+%F"]), said("uname", &["-sr"]), said(&compiler, &["--version"])];
    if as_json {
        let quartiles =
            |of: Option<Quartiles>| of.map(|of| json!({"low": of.low, "median": of.median, "high": of.high}));
        let row = |row: &Row| {
            json!({
                "name": row.name, "file_bytes": row.file, "loaded_bytes": row.loaded, "segments": row.segments,
                "page_faults": row.faults, "system_calls": row.calls, "instructions": row.instructions,
                "seconds": quartiles(Some(Quartiles::of(row.seconds.clone()))),
                "to_assembly": quartiles(ratio(&rows, row, ASSEMBLY)), "to_floor": quartiles(ratio(&rows, row, FLOOR)),
            })
        };
        let left_out: Vec<Value> =
            left_out.iter().map(|(row, tool, why)| json!({"name": row, "tool": tool, "why": why})).collect();
        let [date, kernel, compiler] = made_on;
        println!(
            "{:#}",
            json!({
                "date": date, "kernel": kernel, "compiler": compiler, "runs": runs,
                "rows": rows.iter().map(row).collect::<Vec<_>>(), "left_out": left_out,
            })
        );
        return Ok(());
    }

    println!("{}; {runs} runs each", made_on.join(", "));
    println!("medians; time from the start of a process to its end, with the quartiles\n");
    let head = |columns: [&str; 6], time: &str| {
        let [file, loaded, segments, faults, calls, instructions] = columns;
        println!("{:14}{file:>8}{loaded:>8}{segments:>6}{faults:>7}{calls:>6}{instructions:>8}  {time}", "");
    };
    head(["bytes", "bytes", "seg-", "page", "sys-", "instr-"], "time, as ratio to");
    head(["in file", "loaded", "ments", "faults", "calls", "uctions"], "assembly    floor");
    for row in &rows {
        let assembly = ratio(&rows, row, ASSEMBLY)
            .map_or("-".into(), |ratio| format!("{:.2} {:.2}-{:.2}", ratio.median, ratio.low, ratio.high));
        let floor = ratio(&rows, row, FLOOR).map_or("-".into(), |ratio| format!("{:.2}", ratio.median));
        println!(
            "{:14}{:>8}{:>8}{:>6}{:>7}{:>6}{:>8}  {assembly:14} {floor}",
            row.name, row.file, row.loaded, row.segments, row.faults, row.calls, row.instructions
        );
    }
    for (row, tool, why) in left_out {
        println!("{row}: left out: {tool} is {why}");
    }
    Ok(())
}
