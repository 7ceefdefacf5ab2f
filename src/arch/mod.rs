//! Level 1: all the assembly, in a file for each architecture, and the raw system calls, which check nothing.
//!
//! The file of an architecture, which has to be named here (CONTRIBUTING.md says where else), defines:
//!
//! - `syscall1` and `syscall3`, which make a system call with one argument and with three: the registers of the
//!   convention (`man 2 syscall`), and the one instruction that enters the kernel. The kernel doesn't touch the stack,
//!   and keeps all other registers, except for those of SVE and of RISC-V's vectors, which this program isn't built
//!   for. The functions are unsafe: the caller makes sure of what the system call requires.
//! - `_start!`, a macro that defines `_start`, where the kernel starts a program. It calls the function that `entry!`
//!   names, with the stack aligned as functions expect it, and a debugger's backtrace ends there.

#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(target_arch = "riscv64", path = "riscv64.rs")]
#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
mod machine;

use machine::{syscall1, syscall3};
use syscalls::Sysno;

/// Moves the program break to `address` and returns it. If the kernel refuses, returns where the break still is.
///
/// C's `brk` returns 0 or -1. This is the kernel's own interface, "C library/kernel differences" in `man 2 brk`.
///
/// # Safety
///
/// If the break moves down, the memory between `address` and the old break must not be used again.
#[inline]
pub unsafe fn brk(address: *mut u8) -> *mut u8 {
    // SAFETY: the caller doesn't use memory that this takes away.
    unsafe { syscall1(Sysno::brk, address as usize) as *mut u8 }
}

/// Writes up to `length` bytes to the descriptor `fd`. Returns how many were written, or minus an error number.
///
/// # Safety
///
/// `bytes` is valid for reads of `length` bytes.
#[inline]
pub unsafe fn write(fd: i32, bytes: *const u8, length: usize) -> isize {
    // SAFETY: the kernel only reads the bytes, and the caller allows that.
    unsafe { syscall3(Sysno::write, fd as usize, bytes as usize, length) as isize }
}

/// Ends the program, with all of its threads. The parent process sees the low 8 bits of `status`. Nothing is dropped,
/// so call [`flush`](crate::stdio::LineWriter::flush) before.
#[inline]
pub fn exit(status: i32) -> ! {
    // The call returns only if a filter of system calls (seccomp) refuses it.
    loop {
        // SAFETY: the call only ends the program.
        unsafe { syscall1(Sysno::exit_group, status as usize) };
    }
}
