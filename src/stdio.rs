//! Level 2: writing to a descriptor until all is written.

use crate::arch;
use crate::error::Error;
use core::fmt;
use core::num::NonZeroU16;
use syscalls::Errno;

/// The descriptor of standard output.
pub const STDOUT: usize = 1;
/// The descriptor of standard error.
pub const STDERR: usize = 2;

/// The number of `ENOSPC` in `errno.h`. The package `syscalls` has it too, but not as a constant.
const ENOSPC: NonZeroU16 = NonZeroU16::new(28).unwrap();

/// Writes all of `bytes` to the descriptor `fd`. If the kernel writes only a part of them, this function writes the
/// rest too. If a signal interrupts the call, the function makes the call again.
///
/// # Errors
///
/// Returns [`Error::Write`] with the error number of `write`, or with `ENOSPC` if `write` returns 0. Some of `bytes`
/// may have been written by then.
#[inline]
pub fn write_all(fd: usize, mut bytes: &[u8]) -> Result<(), Error> {
    loop {
        // SAFETY: `bytes` is a slice, so all of its bytes can be read.
        let written = unsafe { arch::write(fd, bytes.as_ptr(), bytes.len()) };
        if written >= bytes.len() as isize {
            return Ok(());
        } else if written > 0 {
            // SAFETY: `written` is less than the length.
            bytes = unsafe { bytes.get_unchecked(written as usize..) };
        } else if written != -(Errno::EINTR.into_raw() as isize) {
            // A result of 0 is no error number. But if the loop went on then, it might never end.
            return Err(Error::Write(NonZeroU16::new(-written as u16).unwrap_or(ENOSPC)));
        }
    }
}

/// Formatted text for a descriptor, in whole lines. Each line is one `write`, unless it is longer than [`LINE`].
pub struct LineWriter {
    fd: usize,
    line: [u8; LINE],
    len: usize,
    /// The first failure to write, which an [`fmt::Error`] can't hold. Nothing is written after it.
    pub result: Result<(), Error>,
}

/// The longest line that is written at once, in bytes.
pub const LINE: usize = 512;

impl LineWriter {
    /// Returns a writer for the descriptor `fd`.
    pub const fn new(fd: usize) -> Self {
        LineWriter { fd, line: [0; LINE], len: 0, result: Ok(()) }
    }
}

impl fmt::Write for LineWriter {
    /// Text after the last newline waits for the rest of its line. It isn't written if that never comes.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            self.line[self.len] = byte;
            self.len += 1;
            if byte == b'\n' || self.len == LINE {
                self.result = self.result.and_then(|()| write_all(self.fd, &self.line[..self.len]));
                self.len = 0;
            }
        }
        self.result.map_err(|_| fmt::Error)
    }
}
