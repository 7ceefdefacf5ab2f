//! The program break on Linux, and what a freestanding program needs around it: a start, a way to print, and an end. A
//! freestanding program has neither std nor a C library.
//!
//! There are three levels, and each calls only those before it:
//!
//! 1. `arch` has all the assembly: the start of the program, and the raw system calls, which check nothing.
//! 2. [`current_break`], [`move_break`] and [`stdio`]: the checked calls. A call that can fail returns a [`Result`].
//! 3. [`entry!`]: from the start of the program to its end. It calls `main`, and reports its [`Error`].
//!
//! # A program of your own
//!
//! `own-program/` is a program to begin with: it prints, allocates, and reports errors. In this package's directory,
//! `cp -r own-program hello` copies it. In `hello`, `cargo run` builds the copy and runs it. The comments in its files
//! say what each is for. For a musl target, such as Alpine's, a program also needs this package's `.cargo/config.toml`
//! in its own directory, or in one above. Without that file, the linker reports a `multiple definition of _start`.
//!
//! The compiler may call `memcpy`, `memset` or `memcmp` in any program, and a [`stdio::LineWriter`] needs them. They
//! are in the package `compiler_builtins`, and belong to the feature `mem`. A program that has its own leaves that
//! feature out, by `default-features = false` at this library and at `program-break-malloc`.
//!
//! # What isn't here
//!
//! There are no arguments, environment, standard input, files or threads: this library has the calls that the program
//! `alloc` makes, and [`exit`] for any exit status. For all others, there is [`syscalls`](https://docs.rs/syscalls):
//! `cargo add syscalls --no-default-features`. For example, `src/bin/layout/maps.rs` reads a file by `syscall!`.
#![no_std]

// This names the package so that it is linked.
#[cfg(all(feature = "mem", not(miri)))]
extern crate memory_functions as _;

#[cfg_attr(miri, path = "arch/miri.rs")]
mod arch;
mod error;
mod fail;
mod program_break;
mod start;
pub mod stdio;

pub use arch::exit;
pub use error::Error;
#[doc(hidden)]
pub use fail::{fail, panic};
pub use program_break::{current_break, move_break};
