//! AArch64, which is also called ARM64.
//!
//! The system call convention is described in [`syscall(2)`]: the number of the call is in x8, the arguments are in x0,
//! x1 and x2, and the result returns in x0. The instruction `svc 0` enters the kernel, which keeps all other general
//! registers and doesn't touch the stack. Of the vector registers it keeps the 128 bits that they have without SVE,
//! which this program isn't built for.
//!
//! In each call, the number is loaded inside the block of assembly, not by the compiler, so that the machine code is
//! the pair of `mov` and `svc`, like the article's pair on x86-64.
//!
//! [`syscall(2)`]: https://man7.org/linux/man-pages/man2/syscall.2.html

use core::arch::asm;
use syscalls::Sysno;

/// Defines `_start`, which calls `$start`. The kernel starts a program with sp at a multiple of 16, and that is what a
/// function expects ([AAPCS64], 6.4.5). A chain of frames ends where the frame pointer, x29, is zero (6.4.6). The
/// kernel has zeroed all general registers, but no ABI says that it does, so this clears x29.
///
/// [AAPCS64]: https://github.com/ARM-software/abi-aa/blob/main/aapcs64/aapcs64.rst
#[doc(hidden)]
#[macro_export]
macro_rules! _start {
    ($start:path) => {
        // Naked: the compiler adds no instruction to these lines.
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        extern "C" fn _start() -> ! {
            core::arch::naked_asm!(
                ".cfi_startproc",     // for debuggers:
                ".cfi_undefined x30", // no return address, so a backtrace ends here
                "mov x29, xzr",       // no frame before this one
                "bl {start}",         // never returns
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
            "mov x8, {brk}", // the number of the call
            "svc 0",         // enters the kernel
            brk = const Sysno::brk as u32,
            inlateout("x0") address => program_break,
            lateout("x8") _,
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
            "mov x8, {write}", // the number of the call
            "svc 0",           // enters the kernel
            write = const Sysno::write as u32,
            inlateout("x0") fd => written,
            in("x1") bytes,
            in("x2") length,
            lateout("x8") _,
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
            "mov x8, {exit}", // the number of the call
            "svc 0",          // enters the kernel
            exit = const Sysno::exit as u32,
            in("x0") status,
            options(noreturn, nostack),
        )
    }
}
