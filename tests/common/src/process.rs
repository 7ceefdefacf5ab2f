//! Running a program, and its outcome.

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};

/// Exit statuses, from `sysexits.h`.
pub const EX_SOFTWARE: i32 = 70;
pub const EX_OSERR: i32 = 71;
pub const EX_IOERR: i32 = 74;

/// How many seconds a program may take, and so may a cargo that builds one. This is so much because a slow machine,
/// such as an emulated one, can take 20 times as long as others.
const LIMIT: u32 = 1200;

/// A command that gives a program no input. If the program takes too long, `timeout` ends it, with all that it has
/// started, and the exit status is 124 or 137.
pub fn limited(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("timeout");
    command.args(["-k", "1", &LIMIT.to_string()]).arg(program).stdin(Stdio::null());
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
