//! The program break: the first address past the end of the heap. Asking where it is, and moving it.

use crate::Error;
use core::arch::asm;
use syscalls::Sysno;

/// The raw call. Moves the break to `address` and returns it; if the kernel refuses, returns where the break still is.
///
/// C's `brk` returns 0 or -1: this is the kernel's own interface, "C library/kernel differences" in [`brk(2)`].
///
/// [`brk(2)`]: https://man7.org/linux/man-pages/man2/brk.2.html
#[cfg_attr(not(debug_assertions), inline(always))]
fn brk(address: *mut u8) -> *mut u8 {
    let program_break;
    // SAFETY: `syscall` takes its number in rax and its argument in rdi, answers in rax, and leaves rip in rcx and
    // rflags in r11; the stack is not touched. Memory that a lower break takes away is `move_break`'s caller's concern.
    unsafe {
        asm!(
            "mov eax, {brk}", // writing eax clears the upper half of rax
            "syscall",
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

/// Where the program break is now: the end of the heap.
///
/// The kernel always tells. A filter in its place (seccomp) could answer with an error, as a number from -4095 to -1.
/// That needs no check of its own: it is above all user memory, and a few bytes up from it is either still there or near
/// address 0, so that [`move_break`] is refused.
#[cfg_attr(not(debug_assertions), inline(always))]
pub fn current_break() -> *mut u8 {
    // 0 is below every heap, so the kernel refuses it and only answers.
    brk(core::ptr::null_mut())
}

/// Moves the program break to `address`, up to allocate and down to free.
///
/// New memory is zeroed; the kernel maps whole pages (4096 bytes), whatever the address.
///
/// # Errors
///
/// [`Error::Brk`] if the kernel refuses, for want of memory, at a limit (`RLIMIT_DATA`) or at another mapping. The
/// break is then where it was.
///
/// # Safety
///
/// Nothing between `address` and the old break, if that is higher, may be used again.
#[cfg_attr(not(debug_assertions), inline(always))]
pub unsafe fn move_break(address: *mut u8) -> Result<(), Error> {
    if brk(address) == address { Ok(()) } else { Err(Error::Brk) }
}
