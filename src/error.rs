//! What can go wrong, and the exit status that tells it.

use syscalls::Errno;

/// A system call that did not do what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// `brk`: the kernel refused to move the program break, up or down.
    Brk,
    /// `write` failed with this error number, or took 0 bytes, which has none: `Errno::new(0)`.
    Write(Errno),
}

/// Exit status after a panic: an error in the program itself (`sysexits.h`).
pub const EX_SOFTWARE: i32 = 70;
/// Exit status after [`Error::Brk`]: the system refused a resource (`sysexits.h`).
pub const EX_OSERR: i32 = 71;
/// Exit status after [`Error::Write`]: input or output failed (`sysexits.h`).
pub const EX_IOERR: i32 = 74;
