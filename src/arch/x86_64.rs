//! x86-64, which the System V [ABI] calls AMD64. The instruction `syscall` itself overwrites rcx and r11 (ABI, A.2.1).
//!
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
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        unsafe extern "C" fn _start() -> ! {
            ::core::arch::naked_asm!(
                ".cfi_startproc",     // for debuggers:
                ".cfi_undefined rip", // no return address, so a backtrace ends here
                "call {start}",       // never returns
                ".cfi_endproc",
                start = sym $start,
            )
        }
    };
}

#[inline]
pub unsafe fn syscall1(number: Sysno, first: usize) -> usize {
    let result;
    // SAFETY: the registers are those of the convention, and the caller knows what the call does.
    unsafe {
        asm!("syscall", inlateout("rax") number as usize => result, in("rdi") first,
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

#[inline]
pub unsafe fn syscall3(number: Sysno, first: usize, second: usize, third: usize) -> usize {
    let result;
    // SAFETY: the registers are those of the convention, and the caller knows what the call does.
    unsafe {
        asm!("syscall", inlateout("rax") number as usize => result,
            in("rdi") first, in("rsi") second, in("rdx") third, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}
