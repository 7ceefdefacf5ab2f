//! The program break, and what a freestanding program needs around it: a start, a way to print, an end. Linux on
//! x86-64, without a C library.
//!
//! Three levels, each in its place:
//!
//! 1. the raw call, private to its module: `brk` and `write`, numbers in and a number out;
//! 2. the checked call: [`current_break`], [`move_break`], [`stdio::write_all`]; what can fail returns a [`Result`];
//! 3. the program: [`entry!`] starts it, [`report!`] tells an [`Error`], [`start::exit`] ends it.
//!
//! The functions that `alloc` calls when nothing fails are written for two readers more. gdb: they use casts and
//! comparisons in place of `core`'s methods, which are calls in a debug build, and `step` would go into them and not find
//! their source. And the processor: in release they are inlined always, since optimising for size would make some of them
//! calls.
#![no_std]
#![warn(missing_docs)]

// Named so that it is linked: it defines `memcpy`, `memset` and `memcmp`, which the compiler may call at any time, and
// which no C library brings here.
#[cfg(feature = "mem")]
extern crate compiler_builtins as _;

mod error;
#[cfg(feature = "malloc")]
pub mod malloc;
mod program_break;
pub mod start;
pub mod stdio;

pub use error::{EX_IOERR, EX_OSERR, EX_SOFTWARE, Error};
pub use program_break::{current_break, move_break};
