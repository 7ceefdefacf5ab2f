//! RISC-V with 64 bits.

use core::arch::asm;
use syscalls::Sysno;

/// Defines `_start`, which calls `$start`. The kernel starts a program with sp at a multiple of 16, and that is what a
/// function expects. The other registers may have values from the program that called `execve`, but a chain of frames
/// has to end where the frame pointer is zero, so this clears fp ([RISC-V calling conventions], "Integer Calling
/// Convention" and "Frame Pointer Convention").
///
/// Nothing needs gp: linker.ld defines no `__global_pointer$`, so the linker makes no address relative to it.
///
/// [RISC-V calling conventions]: https://github.com/riscv-non-isa/riscv-elf-psabi-doc/blob/master/riscv-cc.adoc
#[doc(hidden)]
#[macro_export]
macro_rules! _start {
    ($start:path) => {
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        unsafe extern "C" fn _start() -> ! {
            ::core::arch::naked_asm!(
                ".cfi_startproc",    // for debuggers:
                ".cfi_undefined ra", // no return address, so a backtrace ends here
                "li fp, 0",          // no frame before this one
                "call {start}",      // never returns
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
    unsafe { asm!("ecall", in("a7") number as usize, inlateout("a0") first => result, options(nostack)) };
    result
}

#[inline]
pub unsafe fn syscall3(number: Sysno, first: usize, second: usize, third: usize) -> usize {
    let result;
    // SAFETY: the registers are those of the convention, and the caller knows what the call does.
    unsafe {
        asm!("ecall", in("a7") number as usize, inlateout("a0") first => result,
            in("a1") second, in("a2") third, options(nostack));
    }
    result
}
