//! The system calls of a program, through strace.

use crate::{hex, limited};
use regex_lite::Regex;
use std::ffi::OsStr;
use std::process::Output;

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
    let log = std::fs::read_to_string(log.path()).unwrap();
    let calls: Vec<_> = log.lines().filter_map(parse).skip_while(|call| call.name == "execve").collect();
    assert!(!calls.is_empty(), "strace: {output:?}");
    Strace { output, calls }
}

/// Parses `name(a, b) = result`, which strace may follow with a remark. Lines about signals and the end give nothing.
fn parse(line: &str) -> Option<Call> {
    let found = Regex::new(r"^(\w+)\((.*)\) += (\S+)").unwrap().captures(line)?;
    let [name, args, result] = found.extract().1.map(str::to_string);
    let args = args.split(", ").map(str::to_string).filter(|arg| !arg.is_empty()).collect();
    Some(Call { name, args, result })
}
