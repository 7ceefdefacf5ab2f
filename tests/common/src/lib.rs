//! What the tests have in common: looking at a program from outside.

pub mod cargo;
mod elf;
mod memory;
mod needs;
mod run;

pub use {elf::*, memory::*, needs::*, run::*};

use regex_lite::{Captures, Regex};
use std::path::Path;

/// The project's directory.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The number in `text`, in hexadecimal with or without `0x`.
#[track_caller]
pub fn hex(text: &str) -> u64 {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Whether a text has these parts, in this order.
pub fn has_in_order<'a>(text: &str, parts: impl IntoIterator<Item = &'a str>) -> bool {
    parts.into_iter().try_fold(text, |rest, part| Some(rest.split_once(part)?.1)).is_some()
}

/// The text with a number in place of each address, the same number for the same address. What the addresses are is a
/// matter of the kernel and of the compiler, but not which of them are the same.
pub fn normal(text: &str) -> String {
    let mut addresses = vec![];
    let number = |found: &Captures| {
        addresses.push(found[1].to_string());
        format!("address {}", addresses.iter().position(|address| *address == found[1]).unwrap())
    };
    Regex::new("0x0*([0-9a-f]+)").unwrap().replace_all(text, number).into_owned()
}
