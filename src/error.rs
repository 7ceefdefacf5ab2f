//! Level 2: what can fail, and the message about it.

use core::fmt::{self, Display};
use core::num::NonZeroU16;

/// A system call that failed.
///
/// This is so small that a function returns a `Result<(), Error>` in one register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// `brk`: the kernel refused to move the program break, up or down, or to say where it is.
    Brk,
    /// `write` failed with this error number (`errno.h`), which is at most 4095.
    Write(NonZeroU16),
}

impl Error {
    /// The message: this text, and after it the error number, if there is one.
    pub(crate) fn message(self) -> (&'static str, Option<NonZeroU16>) {
        match self {
            Error::Brk => ("brk: refused", None),
            Error::Write(errno) => ("write: errno ", Some(errno)),
        }
    }
}

impl Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let (text, errno) = self.message();
        out.write_str(text)?;
        errno.map_or(Ok(()), |errno| errno.fmt(out))
    }
}

impl core::error::Error for Error {}
