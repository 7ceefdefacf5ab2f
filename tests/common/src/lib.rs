//! What the tests have in common: looking at a program from outside.

pub mod cargo;
mod drawing;
mod elf;
mod gdb;
mod maps;
mod needs;
mod process;
mod ptraced;
mod strace;

pub use drawing::*;
pub use elf::*;
pub use gdb::*;
pub use maps::*;
pub use needs::*;
pub use process::*;
pub use ptraced::*;
pub use strace::*;

use std::path::{Path, PathBuf};

/// The project's directory.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The directory for what the tests build, in the target directory.
pub fn scratch() -> PathBuf {
    let test = std::env::current_exe().unwrap(); // in target/PROFILE/deps
    test.ancestors().nth(3).unwrap().join("tmp")
}

/// The number in `text`, in hexadecimal with or without `0x`.
#[track_caller]
pub fn hex(text: &str) -> u64 {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or_else(|error| panic!("{text}: {error}"))
}
