//! RISC-V with 64 bits.
//!
//! The system call convention is described in [`syscall(2)`]: the number of the call is in a7, the arguments are in a0,
//! a1 and a2, and the result returns in a0. The instruction `ecall` enters the kernel, which keeps all other general
//! and floating-point registers and doesn't touch the stack. It doesn't keep the vector registers, which this program
//! isn't built for.
//!
//! [`syscall(2)`]: https://man7.org/linux/man-pages/man2/syscall.2.html

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
        // Naked: the compiler adds no instruction to these lines.
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        extern "C" fn _start() -> ! {
            core::arch::naked_asm!(
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

/// Makes the system call `$name` by the convention above, with a pair of `li` and `ecall`. The value is the result.
macro_rules! system_call {
    ($name:ident($first:expr $(, $second:expr, $third:expr)?)) => {{
        let result;
        core::arch::asm!(
            "li a7, {number}", // the number of the call
            "ecall",           // enters the kernel
            number = const syscalls::Sysno::$name as u32,
            inlateout("a0") $first => result,
            $(in("a1") $second, in("a2") $third,)?
            lateout("a7") _,
            options(nostack),
        );
        result
    }};
}
pub(super) use system_call;
