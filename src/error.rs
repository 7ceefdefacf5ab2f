//! Level 2: what can fail, and the exit status after it.

use syscalls::Errno;

/// A system call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// `brk`: the kernel refused to move the program break, up or down.
    Brk,
    /// `write` failed with this error number.
    Write(Errno),
}

/// The exit status after a panic, which is an error in the program itself (`sysexits.h`).
pub const EX_SOFTWARE: i32 = 70;
/// The exit status after [`Error::Brk`]: the system refused a resource (`sysexits.h`).
pub const EX_OSERR: i32 = 71;
/// The exit status after [`Error::Write`]: input or output failed (`sysexits.h`).
pub const EX_IOERR: i32 = 74;
