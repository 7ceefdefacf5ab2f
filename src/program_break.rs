//! Level 2: the program break, the first address past the end of the heap. Where it is, and moving it.

use crate::{Error, arch};
use core::ptr::null_mut;

/// Returns where the program break is now, which is where the heap ends.
///
/// The kernel never fails at this. A filter of system calls (seccomp) may return an error in its place, as a number
/// from -4095 to -1. The caller needn't check for that: no such number is the address of user memory, so the next
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
/// [`Error::Brk`] if the kernel refuses, for want of memory, at a limit (`RLIMIT_DATA`) or at another mapping. The
/// break is then where it was.
///
/// # Safety
///
/// Nothing between `address` and the old break, if that is higher, may be used again.
#[inline]
pub unsafe fn move_break(address: *mut u8) -> Result<(), Error> {
    // SAFETY: the caller sees to it.
    if unsafe { arch::brk(address) } == address { Ok(()) } else { Err(Error::Brk) }
}
