//! Level 2: writing to a descriptor until all is written.

use crate::arch;
use crate::error::Error;
use core::fmt;
use core::num::NonZeroU16;
use syscalls::Errno;

/// The descriptor of standard output.
pub const STDOUT: i32 = 1;
/// The descriptor of standard error.
pub const STDERR: i32 = 2;

/// Writes all of `bytes` to the descriptor `fd`. If the kernel writes only a part of them, this function writes the
/// rest too. If a signal interrupts the call, the function makes the call again.
///
/// # Errors
///
/// Returns [`Error::Write`] with the error number of `write`, or with `ENOSPC` if `write` returns 0. Some of `bytes`
/// may have been written by then.
#[inline]
pub fn write_all(fd: i32, mut bytes: &[u8]) -> Result<(), Error> {
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
            let enospc = const { NonZeroU16::new(28).unwrap() }; // `Errno::ENOSPC.into_raw()` is no constant
            return Err(Error::Write(NonZeroU16::new(-written as u16).unwrap_or(enospc)));
        }
    }
}

/// Formatted text for a descriptor. Each line is written as a whole, unless it is longer than 512 bytes. Text after the
/// last newline is written at the end of its line, by [`flush`](Self::flush), or when the writer is dropped.
///
/// # Errors
///
/// After the first failure, nothing more is written, and its functions return that failure again. An error while the
/// writer is dropped is lost, so call `flush` at the end.
pub struct LineWriter {
    fd: i32,
    line: [u8; 512],
    len: usize,
    result: Result<(), Error>,
}

impl LineWriter {
    /// Returns a writer for the descriptor `fd`.
    pub const fn new(fd: i32) -> Self {
        LineWriter { fd, line: [0; 512], len: 0, result: Ok(()) }
    }

    /// Does what `write!` and `writeln!` ask for. Returns the first failure since the writer was made.
    ///
    /// # Panics
    ///
    /// Panics if a value that is formatted reports an error of its own.
    pub fn write_fmt(&mut self, text: fmt::Arguments) -> Result<(), Error> {
        let formatted = fmt::Write::write_fmt(self, text);
        self.result.map(|()| formatted.expect("a value can be formatted"))
    }

    /// Writes what waits for the rest of its line. Returns the first failure since the writer was made.
    pub fn flush(&mut self) -> Result<(), Error> {
        if self.len > 0 && self.result.is_ok() {
            self.result = write_all(self.fd, &self.line[..self.len]);
        }
        self.len = 0;
        self.result
    }
}

impl fmt::Write for LineWriter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            self.line[self.len] = byte;
            self.len += 1;
            if byte == b'\n' || self.len == self.line.len() {
                self.flush().map_err(|_| fmt::Error)?;
            }
        }
        Ok(())
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        // Whoever has to know of an error has called `flush` before.
        let _ = self.flush();
    }
}
