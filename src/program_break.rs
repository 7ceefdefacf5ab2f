//! Level 2: how to find and move the program break, the first address past the end of the heap.

use crate::arch;
use crate::error::Error;
use core::ptr::null_mut;

/// Returns where the program break is now, which is where the heap ends.
///
/// This call never fails in the kernel. A system call filter (seccomp) may return an error instead, as a number from
/// -4095 to -1. The caller needn't check for that: no such number is the address of user memory, so the next
/// [`move_break`] fails.
#[inline]
pub fn current_break() -> *mut u8 {
    // SAFETY: address 0 is below every heap. The kernel refuses to move the break there, and returns where it is.
    unsafe { arch::brk(null_mut()) }
}

/// Moves the program break to `address`, up to allocate and down to free.
///
/// New memory is zeroed. The kernel maps whole pages, whatever the address.
///
/// # Errors
///
/// Returns [`Error::Brk`] if the kernel refuses: because it has no memory left, because of a limit (`RLIMIT_DATA`), or
/// because another mapping is in the way. The break then stays where it was.
///
/// # Safety
///
/// Nothing between `address` and the old break, if that is higher, may be used again.
#[inline]
pub unsafe fn move_break(address: *mut u8) -> Result<(), Error> {
    // SAFETY: the caller sees to it.
    if unsafe { arch::brk(address) } == address { Ok(()) } else { Err(Error::Brk) }
}
