//! The program break, and what a freestanding program needs around it: a start, a way to print, an end. Linux on
//! x86-64, without a C library.
//!
//! Three levels, each in its place:
//!
//! 1. the raw call: registers and the `syscall` instruction, one private function for each system call;
//! 2. the checked call: [`current_break`], [`move_break`], [`stdio::write_all`], which return a [`Result`];
//! 3. the program: [`entry!`] starts it, [`report!`] tells an [`Error`], [`start::exit`] ends it.
//!
//! The functions that `alloc` calls when nothing fails use casts and comparisons in place of `core`'s methods: without
//! optimisation each method is a call, and gdb's `step` would go into it, and not find its source.
#![no_std]
#![warn(missing_docs)]

// Named so that it is linked: it defines `memcpy`, `memset` and `memcmp`, which the compiler may call at any time, and
// which no C library brings here.
#[cfg(feature = "mem")]
extern crate compiler_builtins as _;

mod error;
mod program_break;
pub mod start;
pub mod stdio;

pub use error::{EX_IOERR, EX_OSERR, EX_SOFTWARE, Error};
pub use program_break::{current_break, move_break};
