//! Level 3: from a failure to the message on standard error and the exit status.

use crate::arch::{exit, exit_group};
use crate::error::{EX_IOERR, EX_OSERR, EX_SOFTWARE, Error};
use crate::stdio::{STDERR, write_all};
use core::fmt::{self, Write};
use core::panic::PanicInfo;

/// Reports what failed and ends the program. Takes the results of one or two calls, each a `Result<(), Error>`.
///
/// Each [`Error`] among them becomes a line on standard error that begins with the name of the program. The exit status
/// is that of the last one, or 0 if there is none.
#[macro_export]
macro_rules! fail {
    ($result:expr) => {
        $crate::fail!($result, Ok(()))
    };
    ($first:expr, $second:expr) => {
        $crate::fail(concat!(env!("CARGO_BIN_NAME"), ": "), $first, $second)
    };
}

/// What [`fail!`](crate::fail!) does. `name` is the name of the program, a colon and a blank.
#[doc(hidden)]
#[cold]
#[inline(never)]
pub fn fail(name: &str, first: Result<(), Error>, second: Result<(), Error>) -> ! {
    let mut status = 0;
    if let Err(error) = first {
        status = report(name, error);
    }
    if let Err(error) = second {
        status = report(name, error);
    }
    exit(status)
}

/// Reports `error` on standard error and returns the exit status that belongs to it.
fn report(name: &str, error: Error) -> i32 {
    write_error(name.as_bytes());
    match error {
        Error::Brk => {
            write_error(b"brk: refused\n");
            EX_OSERR
        }
        Error::Write(errno) => {
            write_error(b"write: errno ");
            write_number(errno.into_raw() as u32);
            EX_IOERR
        }
    }
}

/// Writes to standard error. If that fails too, only the exit status reports the failure.
#[inline(never)]
fn write_error(text: &[u8]) {
    let _ = write_all(STDERR, text);
}

/// Writes `number` (at most 4095, the kernel's greatest error number) and a newline. By hand, since `core::fmt` is
/// larger than all of `alloc`.
fn write_number(mut number: u32) {
    let mut text = *b"\0\0\0\0\n";
    let mut first = 4;
    while first > 0 && number > 0 {
        first -= 1;
        text[first] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    write_error(&text[first..]);
}

/// What the panic handler does: reports the panic on standard error and exits with [`EX_SOFTWARE`].
#[doc(hidden)]
pub fn panic(name: &str, info: &PanicInfo) -> ! {
    // `Stderr` never fails.
    let _ = writeln!(Stderr, "{name}{info}");
    // Not `exit`, which would end only the thread that panicked.
    exit_group(EX_SOFTWARE)
}

/// Standard error for formatted text. It has no buffer, since to fill and to copy one takes `memset` and `memcpy`, and
/// a program without the feature `mem` may have neither.
struct Stderr;

impl Write for Stderr {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write_error(text.as_bytes());
        Ok(())
    }

    fn write_char(&mut self, character: char) -> fmt::Result {
        // Element by element: without optimisation, [0; 4] is a call of `memset`.
        self.write_str(character.encode_utf8(&mut [0, 0, 0, 0]))
    }
}
