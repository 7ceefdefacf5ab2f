//! x86-64, which the System V ABI calls AMD64.
//!
//! The system call convention is described in [`syscall(2)`] and in the [ABI], A.2.1: the number of the call is in rax,
//! the arguments are in rdi, rsi and rdx, and the result returns in rax. The instruction `syscall` overwrites rcx and
//! r11. The kernel keeps all other registers and doesn't touch the stack.
//!
//! In each call, the number is loaded inside the block of assembly, not by the compiler, so that the machine code is
//! the article's pair of `mov` and `syscall`. A `mov` to eax also clears the upper half of rax, and is two bytes
//! shorter than one to rax.
//!
//! [`syscall(2)`]: https://man7.org/linux/man-pages/man2/syscall.2.html
//! [ABI]: https://gitlab.com/x86-psABIs/x86-64-ABI

use core::arch::asm;
use syscalls::Sysno;

/// Defines `_start`, which calls `$start`. The kernel starts a program with rsp at a multiple of 16 (ABI, 3.4.1), and
/// that is where rsp has to be right before a `call` (3.2.2). A chain of frames ends where rbp is 0. The ABI asks the
/// program to clear it (3.4.1), but Linux has done that already, as it has for all registers except rsp.
#[doc(hidden)]
#[macro_export]
macro_rules! _start {
    ($start:path) => {
        // Naked: the compiler adds no instruction to these lines, so at the `call` the stack is as the kernel left it.
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        extern "C" fn _start() -> ! {
            core::arch::naked_asm!(
                ".cfi_startproc",     // for debuggers:
                ".cfi_undefined rip", // no return address, so a backtrace ends here
                "call {start}",       // never returns
                ".cfi_endproc",
                start = sym $start,
            )
        }
    };
}

/// Moves the program break to `address` and returns it. If the kernel refuses, returns where the break still is.
///
/// C's `brk` returns 0 or -1. This is the kernel's own interface ([`brk(2)`], "C library/kernel differences").
///
/// # Safety
///
/// If the break moves down, the memory between `address` and the old break must not be used again.
///
/// [`brk(2)`]: https://man7.org/linux/man-pages/man2/brk.2.html
#[inline]
pub unsafe fn brk(address: *mut u8) -> *mut u8 {
    let program_break;
    // SAFETY: the operands follow the convention above, and the caller doesn't use memory that this takes away.
    unsafe {
        asm!(
            "mov eax, {brk}", // the number of the call
            "syscall",        // enters the kernel
            brk = const Sysno::brk as u32,
            in("rdi") address,
            lateout("rax") program_break,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    program_break
}

/// Writes up to `length` bytes to the descriptor `fd`. Returns how many bytes were written, or minus an error number
/// ([`write(2)`]).
///
/// # Safety
///
/// `bytes` must be valid for reads of `length` bytes.
///
/// [`write(2)`]: https://man7.org/linux/man-pages/man2/write.2.html
#[inline]
pub unsafe fn write(fd: usize, bytes: *const u8, length: usize) -> isize {
    let written;
    // SAFETY: the operands follow the convention above. The kernel only reads the bytes, and the caller allows that.
    unsafe {
        asm!(
            "mov eax, {write}", // the number of the call
            "syscall",          // enters the kernel
            write = const Sysno::write as u32,
            in("rdi") fd,
            in("rsi") bytes,
            in("rdx") length,
            lateout("rax") written,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack, readonly),
        );
    }
    written
}

/// Ends the calling thread ([`exit(2)`]), and with it a program that has no other. `status` is what the parent process
/// sees: 0 for success, or one of the `EX_` constants.
///
/// [`exit(2)`]: https://man7.org/linux/man-pages/man2/exit.2.html
#[inline]
pub fn exit(status: i32) -> ! {
    // SAFETY: the operands follow the convention above. The call doesn't return.
    unsafe {
        asm!(
            "mov eax, {exit}", // the number of the call
            "syscall",         // enters the kernel
            exit = const Sysno::exit as u32,
            in("edi") status,
            options(noreturn, nostack),
        )
    }
}
