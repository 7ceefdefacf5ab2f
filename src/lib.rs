//! The program break, and what a freestanding program needs around it: a start, a way to print, an end. For Linux,
//! without a C library.
//!
//! There are three levels:
//!
//! 1. `arch`: all that is assembly. The start of the program, and the raw system calls, which check nothing.
//! 2. [`current_break`], [`move_break`] and [`stdio`]: the checked calls. What can fail returns a [`Result`].
//! 3. [`entry!`] starts the program, [`fail!`] reports an [`Error`], [`exit`] ends the program.
#![no_std]

// Named so that it is linked. It defines `memcpy`, `memset` and `memcmp`, which the compiler may call at any time, and
// which no C library brings here.
#[cfg(feature = "mem")]
extern crate compiler_builtins as _;

mod arch;
mod error;
mod program_break;
mod start;
pub mod stdio;

pub use arch::exit;
pub use error::{EX_IOERR, EX_OSERR, EX_SOFTWARE, Error};
#[doc(hidden)]
pub use error::{fail, panic};
pub use program_break::{current_break, move_break};
