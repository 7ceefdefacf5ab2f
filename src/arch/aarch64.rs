//! AArch64, which is also called ARM64.

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
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        unsafe extern "C" fn _start() -> ! {
            ::core::arch::naked_asm!(
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

#[inline]
pub unsafe fn syscall1(number: Sysno, first: usize) -> usize {
    let result;
    // SAFETY: the registers are those of the convention, and the caller knows what the call does.
    unsafe { asm!("svc 0", in("x8") number as usize, inlateout("x0") first => result, options(nostack)) };
    result
}

#[inline]
pub unsafe fn syscall3(number: Sysno, first: usize, second: usize, third: usize) -> usize {
    let result;
    // SAFETY: the registers are those of the convention, and the caller knows what the call does.
    unsafe {
        asm!("svc 0", in("x8") number as usize, inlateout("x0") first => result,
            in("x1") second, in("x2") third, options(nostack));
    }
    result
}
