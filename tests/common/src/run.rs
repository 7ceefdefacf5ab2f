//! Running a program, alone, in gdb or under strace, and its outcome.

use crate::hex;
use regex_lite::Regex;
use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};

/// Exit statuses, from `sysexits.h`.
pub const EX_SOFTWARE: i32 = 70;
pub const EX_OSERR: i32 = 71;
pub const EX_OSFILE: i32 = 72;
pub const EX_IOERR: i32 = 74;

/// A command that gives a program no input. If the program, which may be a cargo, takes more than 20 minutes, `timeout`
/// ends it, with all that it has started, and the exit status is 124 or 137. (A slow machine, such as an emulated one,
/// can take 20 times as long as others.)
pub fn limited(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("timeout");
    command.args(["-k", "1", "1200"]).arg(program).stdin(Stdio::null());
    command
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

/// A gdb that runs `commands` on a program and ends, whatever the user's start-up file says. What the program prints
/// goes nowhere: it could come in the middle of what gdb prints.
pub fn gdb_command(program: &str, commands: &[&str]) -> Command {
    let mut gdb = limited("gdb");
    gdb.args(["-q", "-nx", "-batch", "-ex", "set width 0", "-ex", "set args > /dev/null"]);
    gdb.args(commands.iter().flat_map(|command| ["-ex", command]));
    gdb.arg(program).env("SHELL", "/bin/sh").env_remove("DEBUGINFOD_URLS");
    gdb
}

/// Returns what such a gdb prints, and after that its errors.
#[track_caller]
pub fn gdb(program: &str, commands: &[&str]) -> String {
    let output = gdb_command(program, commands).output().unwrap();
    String::from_utf8(output.stdout).unwrap() + str::from_utf8(&output.stderr).unwrap()
}

/// One system call, as strace saw it.
#[derive(Debug)]
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

    pub fn named(&self, name: &str) -> Vec<&Call> {
        self.calls.iter().filter(|call| call.name == name).collect()
    }
}

/// Runs `program` under strace with `options`.
pub fn strace(program: impl AsRef<OsStr>, options: &[&str]) -> Strace {
    let log = tempfile::NamedTempFile::new().unwrap();
    let output = limited("strace").arg("-o").arg(log.path()).args(options).arg("--").arg(program).output().unwrap();
    // Lines about signals and the end are no calls.
    let call = Regex::new(r"(?m)^(\w+)\((.*)\) += (\S+)").unwrap();
    let log = std::fs::read_to_string(log.path()).unwrap();
    let calls = call.captures_iter(&log).map(|found| {
        let [name, args, result] = found.extract().1.map(str::to_string);
        Call { name, args: args.split_terminator(", ").map(str::to_string).collect(), result }
    });
    let calls: Vec<_> = calls.skip_while(|call| call.name == "execve").collect();
    assert!(!calls.is_empty(), "strace: {output:?}");
    Strace { output, calls }
}
