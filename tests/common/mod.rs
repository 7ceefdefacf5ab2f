//! Looking at a program from outside: through strace, and step by step.
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod own_program;

use nix::sys::{personality, ptrace, signal, wait};
use nix::unistd::Pid;
use object::read::elf::{ElfFile64, ProgramHeader};
use object::{Endianness, elf};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Output};

/// Exit statuses, from `sysexits.h`.
pub const EX_SOFTWARE: i32 = 70;
pub const EX_OSERR: i32 = 71;
pub const EX_IOERR: i32 = 74;

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
        address(&self.args[n])
    }

    /// The address that it returned.
    pub fn returned(&self) -> u64 {
        address(&self.result)
    }
}

fn address(text: &str) -> u64 {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).unwrap(),
        None if text == "NULL" => 0,
        None => panic!("not an address: {text}"),
    }
}

/// What a program did under strace.
#[derive(Debug)]
pub struct Traced {
    pub output: Output,
    /// Its system calls after `execve`.
    pub calls: Vec<Call>,
}

impl Traced {
    pub fn stdout(&self) -> &str {
        str::from_utf8(&self.output.stdout).unwrap()
    }

    pub fn stderr(&self) -> &str {
        str::from_utf8(&self.output.stderr).unwrap()
    }

    /// The exit status, or minus the number of the signal that ended it.
    pub fn status(&self) -> i32 {
        status(&self.output)
    }

    pub fn named(&self, name: &str) -> Vec<&Call> {
        self.calls.iter().filter(|call| call.name == name).collect()
    }
}

/// The exit status, or minus the number of the signal that ended it.
pub fn status(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| -output.status.signal().unwrap())
}

/// Runs `program` under strace with `options`; `set_up` may change the command before.
pub fn strace(program: &str, options: &[&str], set_up: impl FnOnce(&mut Command)) -> Traced {
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new("strace");
    command.arg("-o").arg(log.path()).args(["-s", "64"]).args(options).arg("--").arg(program);
    set_up(&mut command);
    let output = command.output().expect("strace starts");
    let log = std::fs::read_to_string(log.path()).unwrap();
    let calls = log.lines().filter_map(parse).skip_while(|call| call.name == "execve").collect();
    Traced { output, calls }
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
pub struct Stepped(pub Pid);

impl Stepped {
    /// Stopped before its first instruction.
    pub fn start(mut command: Command) -> Stepped {
        // SAFETY: between fork and exec, and only a system call.
        unsafe {
            command.pre_exec(|| Ok(ptrace::traceme()?));
        }
        #[expect(clippy::zombie_processes, reason = "`wait` waits for it, by its number")]
        let child = command.spawn().unwrap();
        let pid = Pid::from_raw(child.id() as i32);
        wait::waitpid(pid, None).unwrap();
        Stepped(pid)
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
            wait::WaitStatus::Stopped(_, signal::Signal::SIGTRAP) => None,
            wait::WaitStatus::Exited(_, status) => Some(status),
            other => panic!("{other:?}"),
        }
    }

    /// Runs to the start of the next system call with this number. The registers; or none, if the
    /// program ends.
    pub fn to_call_of(&self, number: i64) -> Option<nix::libc::user_regs_struct> {
        loop {
            if self.to_system_call().is_some() {
                return None;
            }
            let registers = ptrace::getregs(self.0).unwrap();
            // The kernel says ENOSYS at the start of a call, until it has an answer.
            if registers.orig_rax as i64 == number && registers.rax as i64 == -i64::from(nix::libc::ENOSYS) {
                return Some(registers);
            }
        }
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
