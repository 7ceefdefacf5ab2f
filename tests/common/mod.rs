//! Looking at a program from outside: its outcome, its system calls through strace, and step by step.
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod own_program;

use nix::libc;
use nix::sys::{personality, prctl, ptrace, signal, wait};
use nix::unistd::{Pid, alarm};
use object::read::elf::{ElfFile64, ProgramHeader};
use object::{Endianness, elf};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// Exit statuses, from `sysexits.h`.
pub const EX_SOFTWARE: i32 = 70;
pub const EX_OSERR: i32 = 71;
pub const EX_IOERR: i32 = 74;

/// How long a program may take, and how long cargo may take to build one. Neither comes near it.
pub const LIMIT: Duration = Duration::from_secs(30);
pub const BUILD_LIMIT: Duration = Duration::from_secs(300);

/// Runs `command` without input, and captures what it writes.
#[track_caller]
pub fn run(command: &mut Command) -> Output {
    finish(captured(command).spawn().unwrap(), LIMIT)
}

/// Gives a command no input, pipes for what it writes, and a process group of its own, for [`finish`]. If the tests are
/// interrupted, it ends with them.
pub fn captured(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec, and only a system call.
    unsafe { command.pre_exec(|| Ok(prctl::set_pdeathsig(signal::SIGKILL)?)) };
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0)
}

/// Waits for a process to end, and returns what it wrote. One that takes too long is killed, with all that it has
/// started, and the test fails with what it has written so far.
#[track_caller]
pub fn finish(child: Child, limit: Duration) -> Output {
    let group = Pid::from_raw(child.id() as i32);
    let (ended, end) = mpsc::channel::<()>();
    let watchdog = thread::spawn(move || {
        let is_late = end.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
        // First in a way that lets it write what is in its buffers.
        for signal in [signal::SIGTERM, signal::SIGKILL] {
            if is_late && signal::killpg(group, signal).is_ok() {
                thread::sleep(Duration::from_secs(1));
            }
        }
        is_late
    });
    let output = child.wait_with_output().unwrap();
    drop(ended);
    assert!(!watchdog.join().unwrap(), "killed after {limit:?}: {output:?}");
    output
}

/// The exit status, or minus the number of the signal that ended it.
pub fn status(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| -output.status.signal().unwrap())
}

#[track_caller]
pub fn assert_ended(output: &Output, stdout: &str, stderr: &str, expected: i32) {
    assert_eq!(String::from_utf8_lossy(&output.stdout), stdout, "standard output");
    assert_eq!(String::from_utf8_lossy(&output.stderr), stderr, "standard error");
    assert_eq!(status(output), expected, "exit status");
}

/// The number in `text`, in hexadecimal with or without `0x`.
#[track_caller]
pub fn hex(text: &str) -> u64 {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// One system call, as strace saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub name: String,
    pub args: Vec<String>,
    pub result: String,
}

impl Call {
    /// The address in argument `n`, 0 for `NULL`.
    pub fn address(&self, n: usize) -> u64 {
        if self.args[n] == "NULL" { 0 } else { hex(&self.args[n]) }
    }

    /// The address that it returned.
    pub fn returned(&self) -> u64 {
        hex(&self.result)
    }
}

/// What a program did under strace.
#[derive(Debug)]
pub struct Strace {
    pub output: Output,
    /// Its system calls after `execve`.
    pub calls: Vec<Call>,
}

impl Strace {
    pub fn stdout(&self) -> &str {
        str::from_utf8(&self.output.stdout).unwrap()
    }

    pub fn stderr(&self) -> &str {
        str::from_utf8(&self.output.stderr).unwrap()
    }

    pub fn named(&self, name: &str) -> Vec<&Call> {
        self.calls.iter().filter(|call| call.name == name).collect()
    }
}

/// Runs `program` under strace with `options`; `set_up` may change the command before.
pub fn strace(program: &str, options: &[&str], set_up: impl FnOnce(&mut Command)) -> Strace {
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new("strace");
    command.arg("-o").arg(log.path()).args(["-s", "64"]).args(options).arg("--").arg(program);
    set_up(captured(&mut command));
    let output = finish(command.spawn().expect("strace starts"), LIMIT);
    let log = std::fs::read_to_string(log.path()).unwrap();
    let calls = log.lines().filter_map(parse).skip_while(|call| call.name == "execve").collect();
    Strace { output, calls }
}

/// `name(a, b) = result`, with remarks of strace's behind the result; nothing for lines about signals and the end.
fn parse(line: &str) -> Option<Call> {
    let (name, rest) = line.split_once('(')?;
    if name.contains(' ') {
        return None;
    }
    let (args, result) = rest.rsplit_once(" = ")?;
    let args = args.trim_end().strip_suffix(')')?;
    let result = result.split(' ').next().unwrap();
    Some(Call {
        name: name.to_string(),
        args: args.split(", ").map(str::to_string).filter(|arg| !arg.is_empty()).collect(),
        result: result.to_string(),
    })
}

/// Starts the program with the addresses that randomisation is for chosen at random, or always the same.
pub fn randomised(command: &mut Command, on: bool) {
    // SAFETY: between fork and exec, and only system calls.
    unsafe {
        command.pre_exec(move || {
            let mut now = personality::get()?;
            now.set(personality::Persona::ADDR_NO_RANDOMIZE, !on);
            personality::set(now)?;
            Ok(())
        });
    }
}

/// A program that is stopped after each instruction, or at each system call, for a look at it.
pub struct Ptraced(pub Pid);

impl Ptraced {
    /// Stopped before its first instruction.
    pub fn start(mut command: Command) -> Ptraced {
        // SAFETY: between fork and exec, and only system calls.
        unsafe {
            command.pre_exec(|| {
                // A signal that `wait` doesn't expect, should the program take too long.
                alarm::set(LIMIT.as_secs() as u32);
                Ok(ptrace::traceme()?)
            });
        }
        #[expect(clippy::zombie_processes, reason = "`wait` waits for it, by its number")]
        let child = command.spawn().unwrap();
        let pid = Pid::from_raw(child.id() as i32);
        wait::waitpid(pid, None).unwrap();
        let options = ptrace::Options::PTRACE_O_EXITKILL | ptrace::Options::PTRACE_O_TRACESYSGOOD;
        ptrace::setoptions(pid, options).unwrap();
        Ptraced(pid)
    }

    /// Runs one instruction. The exit status, if it was the last.
    pub fn step(&self) -> Option<i32> {
        ptrace::step(self.0, None).unwrap();
        self.wait()
    }

    /// Runs to the next start or end of a system call. The exit status, if there is none any more.
    pub fn to_system_call(&self) -> Option<i32> {
        ptrace::syscall(self.0, None).unwrap();
        self.wait()
    }

    fn wait(&self) -> Option<i32> {
        match wait::waitpid(self.0, None).unwrap() {
            wait::WaitStatus::Stopped(_, signal::Signal::SIGTRAP) | wait::WaitStatus::PtraceSyscall(_) => None,
            wait::WaitStatus::Exited(_, status) => Some(status),
            other => panic!("{other:?}"),
        }
    }

    /// The system call that it is at the start of: the number and the arguments. None anywhere else.
    pub fn call(&self) -> Option<(i64, [u64; 6])> {
        let info = ptrace::syscall_info(self.0).unwrap();
        if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
            return None;
        }
        // SAFETY: by `op`, this is the variant that the kernel has filled in.
        let entry = unsafe { info.u.entry };
        Some((entry.nr as i64, entry.args))
    }

    /// Runs to the start of the next system call with this number. The arguments; or none, if the program ends.
    pub fn to_call_of(&self, number: i64) -> Option<[u64; 6]> {
        while self.to_system_call().is_none() {
            if let Some((found, arguments)) = self.call()
                && found == number
            {
                return Some(arguments);
            }
        }
        None
    }

    /// The 8 bytes of its memory at `address`.
    pub fn peek(&self, address: u64) -> [u8; 8] {
        ptrace::read(self.0, address as ptrace::AddressType).unwrap().to_ne_bytes()
    }
}

/// The segments of one type, each as address, size in memory and rights.
pub fn segments(file: &ElfFile64<Endianness>, p_type: elf::ProgramType) -> Vec<(u64, u64, elf::ProgramFlags)> {
    let e = file.endian();
    let headers = file.elf_program_headers().iter().filter(|header| header.p_type(e) == p_type);
    headers.map(|header| (header.p_vaddr(e), header.p_memsz(e), header.p_flags(e))).collect()
}
