//! AArch64, which is also called ARM64.
//!
//! The system call convention is described in [`syscall(2)`]: the number of the call is in x8, the arguments are in x0,
//! x1 and x2, and the result returns in x0. The instruction `svc 0` enters the kernel, which keeps all other general
//! registers and doesn't touch the stack. Of the vector registers it keeps the 128 bits that they have without SVE,
//! which this program isn't built for.
//!
//! [`syscall(2)`]: https://man7.org/linux/man-pages/man2/syscall.2.html

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

/// Makes the system call `$name` by the convention above, with a pair of `mov` and `svc`. The value is the result.
macro_rules! system_call {
    ($name:ident($first:expr $(, $second:expr, $third:expr)?)) => {{
        let result;
        core::arch::asm!(
            "mov x8, {number}", // the number of the call
            "svc 0",            // enters the kernel
            number = const syscalls::Sysno::$name as u32,
            inlateout("x0") $first => result,
            $(in("x1") $second, in("x2") $third,)?
            lateout("x8") _,
            options(nostack),
        );
        result
    }};
}
pub(super) use system_call;
