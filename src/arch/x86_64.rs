//! x86-64, which the System V ABI calls AMD64.
//!
//! The system call convention is described in [`syscall(2)`] and in the [ABI], A.2.1: the number of the call is in rax,
//! the arguments are in rdi, rsi and rdx, and the result returns in rax. The instruction `syscall` overwrites rcx and
//! r11. The kernel keeps all other registers and doesn't touch the stack.
//!
//! [`syscall(2)`]: https://man7.org/linux/man-pages/man2/syscall.2.html
//! [ABI]: https://gitlab.com/x86-psABIs/x86-64-ABI

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

/// Makes the system call `$name` by the convention above. The value is the result. This is the article's pair of `mov`
/// and `syscall`, with nothing between them. Writing eax clears the upper half of rax, and is two bytes shorter.
macro_rules! system_call {
    ($name:ident($first:expr $(, $second:expr, $third:expr)?)) => {{
        let result;
        core::arch::asm!(
            "mov eax, {number}", // the number of the call
            "syscall",           // enters the kernel
            number = const syscalls::Sysno::$name as u32,
            in("rdi") $first,
            $(in("rsi") $second, in("rdx") $third,)?
            lateout("rax") result,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
        result
    }};
}
pub(super) use system_call;
