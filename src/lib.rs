//! The program break on Linux, and what a freestanding program needs around it: a start, a way to print, and an end. A
//! freestanding program has neither std nor a C library.
//!
//! There are three levels, and each calls only those before it:
//!
//! 1. `arch` has all the assembly: the start of the program, and the raw system calls, which check nothing.
//! 2. [`current_break`], [`move_break`] and [`stdio`]: the checked calls. A call that can fail returns a [`Result`].
//! 3. [`entry!`]: the start of the program, and its end, when it reports the [`Error`] that `main` has returned.
//!
//! # A program of your own
//!
//! A freestanding program that uses this library needs three files. This is `Cargo.toml`:
//!
//! ```toml
//! [package]
//! name = "own-program"
//! version = "0.1.0"
//! edition = "2024"
//!
//! [dependencies]
//! program-break = { path = "../alloc", default-features = false } # where you cloned it
//!
//! [[bin]]
//! name = "own-program"
//! path = "src/main.rs"
//! # The test harness needs std.
//! test = false
//! bench = false
//!
//! # Nothing unwinds: a panic ends the program.
//! [profile.dev]
//! panic = "abort"
//! codegen-units = 1 # so that gdb's `start` finds a `main` in any module
//!
//! [profile.release]
//! panic = "abort"
//! ```
//!
//! `build.rs` tells cargo how to link the program. This library has the arguments for the linker, and cargo passes them
//! on:
//!
//! ```ignore
//! fn main() {
//!     let args = std::env::var("DEP_PROGRAM_BREAK_LINK_ARGS").expect("program-break sets it");
//!     for arg in args.split('\x1f') {
//!         println!("cargo::rustc-link-arg-bins={arg}");
//!     }
//! }
//! ```
//!
//! And this is `src/main.rs`:
//!
//! ```ignore
//! #![no_std]
//! #![no_main]
//!
//! use program_break::{Error, stdio};
//!
//! program_break::entry!(main);
//!
//! fn main() -> Result<(), Error> {
//!     stdio::write_all(stdio::STDOUT, b"Hello\n")
//! }
//! ```
//!
//! `cargo run` prints `Hello`. A program that copies, clears or compares memory may need `memcpy`, `memset` or
//! `memcmp`, and so may one that formats text with `writeln!` and a [`stdio::LineWriter`]. The linker says so. They
//! come with the feature `mem`: leave `default-features = false` out, and copy the file `.cargo/config.toml` of this
//! package to the same place in yours. Without that file, the package `compiler_builtins` doesn't build on stable Rust
//! (`E0554`). With `lto`, a function of `core::panicking` may be an undefined symbol: then copy the section
//! `[profile.release.package.compiler_builtins]` of this package's `Cargo.toml`, too.
//!
//! For a musl target, such as Alpine's, a program with or without `mem` needs the flags for the compiler in that
//! `.cargo/config.toml`. Without them, there is a `multiple definition of _start`.
//!
//! The package `program-break-malloc` adds a heap for Rust's `alloc` crate.
#![no_std]

// This names the package so that it is linked. It defines `memcpy`, `memset` and `memcmp`, which the compiler may call
// in any program, and which usually come from a C library.
#[cfg(all(feature = "mem", not(miri)))]
extern crate compiler_builtins as _;

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
