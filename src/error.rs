//! Level 2: what can fail, and the exit status after it.

use core::num::NonZeroU16;

/// A system call that failed.
///
/// This is one word at the most, so that a function returns it in a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// `brk`: the kernel refused to move the program break, up or down, or to say where it is.
    Brk,
    /// `write` failed with this error number (`errno.h`), which is at most 4095.
    Write(NonZeroU16),
}

/// The exit status after a panic, which is an error in the program itself (`sysexits.h`).
pub const EX_SOFTWARE: i32 = 70;
/// The exit status after [`Error::Brk`]: the system refused a resource (`sysexits.h`).
pub const EX_OSERR: i32 = 71;
/// The exit status after [`Error::Write`]: input or output failed (`sysexits.h`).
pub const EX_IOERR: i32 = 74;
