//! Level 1: all the assembly, in a file for each architecture, and the raw system calls: registers in, a register out,
//! nothing checked.
//!
//! The file of an architecture defines two macros:
//!
//! - `_start!` defines `_start`, where the kernel starts a program. It calls the function that `entry!` names, with the
//!   stack aligned as functions expect it, and a debugger's backtrace ends there.
//! - `system_call!` makes a system call with one argument or three. It is the pair of instructions that loads the
//!   number of the call and enters the kernel.
//!
//! A new file has to be named here. CONTRIBUTING.md says where else.

#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(target_arch = "riscv64", path = "riscv64.rs")]
#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
mod machine;

use core::hint::unreachable_unchecked;
use machine::system_call;

/// Moves the program break to `address` and returns it. If the kernel refuses, returns where the break still is.
///
/// C's `brk` returns 0 or -1. This is the kernel's own interface, "C library/kernel differences" in [`brk(2)`].
///
/// # Safety
///
/// If the break moves down, the memory between `address` and the old break must not be used again.
///
/// [`brk(2)`]: https://man7.org/linux/man-pages/man2/brk.2.html
#[inline]
pub unsafe fn brk(address: *mut u8) -> *mut u8 {
    // SAFETY: the caller doesn't use memory that this takes away.
    unsafe { system_call!(brk(address)) }
}

/// Writes up to `length` bytes to the descriptor `fd`. Returns how many bytes were written, or minus an error number
/// ([`write(2)`]).
///
/// # Safety
///
/// `length` bytes from `bytes` on can be read.
///
/// [`write(2)`]: https://man7.org/linux/man-pages/man2/write.2.html
#[inline]
pub unsafe fn write(fd: usize, bytes: *const u8, length: usize) -> isize {
    // SAFETY: the kernel only reads the bytes, and the caller allows that.
    unsafe { system_call!(write(fd, bytes, length)) }
}

/// Ends the calling thread ([`exit(2)`]), and with it a program that has no other. `status` is what the parent process
/// sees: 0 for success, or one of the `EX_` constants.
///
/// [`exit(2)`]: https://man7.org/linux/man-pages/man2/exit.2.html
#[inline]
pub fn exit(status: i32) -> ! {
    // SAFETY: the call takes no memory away, and doesn't return.
    unsafe {
        let _: i32 = system_call!(exit(status));
        unreachable_unchecked()
    }
}
