//! Level 2: how to find and move the program break, the first address past the end of the heap.

use crate::arch;
use crate::error::Error;
use core::ptr::null_mut;

/// Returns where the program break is now, which is where the heap ends.
///
/// # Errors
///
/// Returns [`Error::Brk`] if a filter of system calls (seccomp) returns an error number in place of an address. The
/// kernel itself never refuses this call.
#[inline]
pub fn current_break() -> Result<*mut u8, Error> {
    // SAFETY: address 0 is below every heap. The kernel refuses to move the break there, and returns where it is.
    let address = unsafe { arch::brk(null_mut()) };
    // An error number is from -4095 to -1. The addresses of user memory are positive.
    if (address as isize) < 0 { Err(Error::Brk) } else { Ok(address) }
}

/// Moves the program break to `address`, up to allocate and down to free.
///
/// The kernel maps whole pages, and so far only promises them: the first store to a page causes a page fault, at which
/// it puts a page of zeroes into memory. If the break moves down and up again within one page, the page keeps what is
/// in it.
///
/// # Errors
///
/// Returns [`Error::Brk`] if the kernel refuses: because it doesn't promise so much (`vm.overcommit_memory` in
/// `man 5 proc`), because of a limit (`RLIMIT_DATA`), or because another mapping is in the way. The break then stays
/// where it was.
///
/// # Safety
///
/// If the break moves down, the memory between `address` and the old break must not be used again.
#[inline]
pub unsafe fn move_break(address: *mut u8) -> Result<(), Error> {
    // SAFETY: the caller doesn't use memory that this takes away.
    if unsafe { arch::brk(address) } == address { Ok(()) } else { Err(Error::Brk) }
}
