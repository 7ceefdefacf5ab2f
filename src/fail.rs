//! Level 3: from a failure to the message on standard error and the exit status.

use crate::arch::exit;
use crate::error::{EX_IOERR, EX_OSERR, EX_SOFTWARE, Error};
use crate::stdio::{STDERR, write_all};
use core::fmt::{self, Write};
use core::panic::PanicInfo;

/// Reports `error` in a line on standard error that begins with `name`, which is the name of the program, a colon and a
/// space. Ends the program with the exit status that belongs to the error.
#[doc(hidden)]
#[cold]
#[inline(never)]
pub fn fail(name: &str, error: Error) -> ! {
    write_error(name.as_bytes());
    match error {
        Error::Brk => {
            write_error(b"brk: refused\n");
            exit(EX_OSERR)
        }
        Error::Write(errno) => {
            write_error(b"write: errno ");
            write_number(errno.get());
            exit(EX_IOERR)
        }
    }
}

/// Writes to standard error. If that fails too, only the exit status reports the failure.
#[inline(never)]
fn write_error(text: &[u8]) {
    let _ = write_all(STDERR, text);
}

/// Writes `number` (at most 4095, the kernel's greatest error number) and a newline. It does so by hand, since
/// `core::fmt` is larger than all of `alloc`.
fn write_number(mut number: u16) {
    let mut text = *b"\0\0\0\0\n";
    let mut first = 4;
    while first > 0 && number > 0 {
        first -= 1;
        text[first] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    write_error(&text[first..]);
}

/// Does the work of the panic handler: reports the panic on standard error and exits with [`EX_SOFTWARE`].
#[doc(hidden)]
pub fn panic(name: &str, info: &PanicInfo) -> ! {
    // `Stderr` never fails.
    let _ = writeln!(Stderr, "{name}{info}");
    exit(EX_SOFTWARE)
}

/// Standard error for formatted text. It has no buffer: a buffer has to be filled and copied, which may take `memset`
/// and `memcpy`, and a program without the feature `mem` may have neither.
struct Stderr;

impl Write for Stderr {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write_error(text.as_bytes());
        Ok(())
    }

    fn write_char(&mut self, character: char) -> fmt::Result {
        // The elements are written out: without optimisation, `[0; 4]` is a call of `memset`.
        self.write_str(character.encode_utf8(&mut [0, 0, 0, 0]))
    }
}
