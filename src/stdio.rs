//! Writing to a descriptor until all is written.

use crate::Error;
use core::arch::asm;
use core::fmt;
use syscalls::{Errno, Sysno};

/// The descriptor of standard output.
pub const STDOUT: usize = 1;
/// The descriptor of standard error.
pub const STDERR: usize = 2;

/// The raw call ([`write(2)`]). Returns how many bytes were taken, or minus an error number.
///
/// [`write(2)`]: https://man7.org/linux/man-pages/man2/write.2.html
#[cfg_attr(not(debug_assertions), inline(always))]
fn write(fd: usize, bytes: &[u8]) -> isize {
    let taken;
    // SAFETY: `syscall` takes its number in rax and its arguments in rdi, rsi and rdx, answers in rax, and leaves rip in
    // rcx and rflags in r11; the stack is not touched. The kernel only reads the bytes, and `bytes` says that they may be.
    unsafe {
        asm!(
            "mov eax, {write}", // writing eax clears the upper half of rax
            "syscall",
            write = const Sysno::write as u32,
            in("rdi") fd,
            in("rsi") bytes as *const [u8] as *const u8,
            in("rdx") bytes.len(),
            lateout("rax") taken,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack, readonly),
        );
    }
    taken
}

/// Writes all of `bytes` to the descriptor `fd`: the rest too, when only a part is taken, and again after a signal.
///
/// # Errors
///
/// [`Error::Write`], with the error number of `write`, or 0 if it took 0 bytes. Some of `bytes` may be written by then.
#[cfg_attr(not(debug_assertions), inline(always))]
pub fn write_all(fd: usize, bytes: &[u8]) -> Result<(), Error> {
    let taken = write(fd, bytes);
    if taken == bytes.len() as isize {
        return Ok(());
    }
    write_rest(fd, bytes, taken).map_err(Error::Write)
}

/// The rest of [`write_all`], after a first call with another result than all of `bytes`. Apart, and never inlined: it
/// is used rarely, and so takes space once.
#[cold]
#[inline(never)]
fn write_rest(fd: usize, mut bytes: &[u8], mut taken: isize) -> Result<(), Errno> {
    loop {
        if taken > 0 {
            if taken as usize >= bytes.len() {
                return Ok(());
            }
            // SAFETY: it is less than the length.
            bytes = unsafe { bytes.get_unchecked(taken as usize..) };
        } else if taken != -(Errno::EINTR.into_raw() as isize) {
            return Err(Errno::new(-taken as i32));
        }
        taken = write(fd, bytes);
    }
}

/// Formatted text for a descriptor, in whole lines: a line is one `write`, unless it is longer than [`LINE`].
pub struct LineWriter {
    fd: usize,
    line: [u8; LINE],
    len: usize,
    /// The first failure to write, which [`fmt::Error`] can't tell. Nothing is written after it.
    pub result: Result<(), Error>,
}

/// The longest line that is written at once, in bytes.
pub const LINE: usize = 512;

impl LineWriter {
    /// Nothing written to the descriptor `fd` so far.
    pub const fn new(fd: usize) -> Self {
        LineWriter { fd, line: [0; LINE], len: 0, result: Ok(()) }
    }
}

impl fmt::Write for LineWriter {
    /// Text after the last newline waits for the rest of its line, and is not written if that never comes.
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
