//! A program under ptrace.

use crate::LIMIT;
use nix::libc;
use nix::sys::{ptrace, signal, wait};
use nix::unistd::{Pid, alarm};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// A program that is stopped after each instruction, or at each system call, for a look at it.
pub struct Ptraced(pub Pid);

impl Ptraced {
    /// Starts the program, and stops it before its first instruction.
    pub fn start(mut command: Command) -> Ptraced {
        // SAFETY: this runs between fork and exec, and makes only system calls.
        unsafe {
            command.pre_exec(|| {
                // If the program takes too long, this sends it a signal that `wait` doesn't expect. On a slow machine,
                // the single steps of a program with a C library take minutes.
                alarm::set(LIMIT);
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

    /// Runs one instruction. Returns the exit status if it was the last.
    pub fn step(&self) -> Option<i32> {
        ptrace::step(self.0, None).unwrap();
        self.wait()
    }

    /// Runs to the next start or end of a system call. Returns the exit status if there is none any more.
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

    /// The number and the arguments of the system call that is about to start. Anywhere else, this is `None`.
    pub fn call(&self) -> Option<(i64, [u64; 6])> {
        let info = ptrace::syscall_info(self.0).unwrap();
        if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
            return None;
        }
        // SAFETY: `op` says that the kernel has filled in this variant.
        let entry = unsafe { info.u.entry };
        Some((entry.nr as i64, entry.args))
    }
}
