//! Running a program, and its outcome.

use nix::sys::{personality, prctl, signal};
use nix::unistd::Pid;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// Exit statuses, from `sysexits.h`.
pub const EX_SOFTWARE: i32 = 70;
pub const EX_OSERR: i32 = 71;
pub const EX_IOERR: i32 = 74;

/// How long a program may take, and how long cargo may take to build one or ptrace to step through one, on the slowest
/// of machines: an emulated one is 20 times slower. Elsewhere, no program comes near these limits, and one that
/// hangs is ended all the same.
pub const LIMIT: Duration = Duration::from_secs(300);
pub const BUILD_LIMIT: Duration = Duration::from_secs(1800);

/// Runs `command` without input, and captures what it writes.
#[track_caller]
pub fn run(command: &mut Command) -> Output {
    finish(captured(command).spawn().unwrap(), LIMIT)
}

/// Gives a command no input, pipes for what it writes, and a process group of its own, for [`finish`]. If the tests are
/// interrupted, it ends with them.
pub fn captured(command: &mut Command) -> &mut Command {
    // SAFETY: this runs between fork and exec, and makes only a system call.
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
        // The first signal lets it write what is in its buffers.
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

/// Has the command start its program with random addresses, or with the same ones each time.
pub fn randomised(command: &mut Command, on: bool) {
    // SAFETY: this runs between fork and exec, and makes only system calls.
    unsafe { command.pre_exec(move || Ok(randomise(on)?)) };
}

/// Does the same for all programs that this thread starts.
pub fn randomise(on: bool) -> nix::Result<()> {
    let mut now = personality::get()?;
    now.set(personality::Persona::ADDR_NO_RANDOMIZE, !on);
    personality::set(now).map(drop)
}
