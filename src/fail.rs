//! Level 3: from a failure to the message on standard error and the exit status.

use crate::arch::exit;
use crate::error::Error;
use crate::stdio::{STDERR, write_all};
use core::fmt::{self, Write};
use core::panic::PanicInfo;

/// Reports `error` in a line on standard error that begins with `name`, which is the name of the program, a colon and a
/// space. Ends the program with the exit status that belongs to the error.
#[doc(hidden)]
#[cold]
#[inline(never)]
pub fn fail(name: &str, error: Error) -> ! {
    let (text, errno) = error.message();
    write_error(name.as_bytes());
    write_error(text.as_bytes());
    if let Some(errno) = errno {
        write_number(errno.get());
    }
    write_error(b"\n");
    exit(match error {
        Error::Brk => 71,      // EX_OSERR in `sysexits.h`: the system refused a resource
        Error::Write(_) => 74, // EX_IOERR: input or output failed
    })
}

/// Writes to standard error. If that fails too, only the exit status reports the failure.
#[inline(never)]
fn write_error(text: &[u8]) {
    let _ = write_all(STDERR, text);
}

/// Writes `number`, digit by digit, since `core::fmt` is larger than all of `alloc`.
fn write_number(number: u16) {
    if number > 9 {
        write_number(number / 10);
    }
    write_error(&[b'0' + (number % 10) as u8]);
}

/// Does the work of the panic handler: reports the panic on standard error and exits.
#[doc(hidden)]
pub fn panic(name: &str, info: &PanicInfo) -> ! {
    // `Stderr` never fails.
    let _ = writeln!(Stderr, "{name}{info}");
    exit(70) // EX_SOFTWARE in `sysexits.h`: an error in the program itself
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
