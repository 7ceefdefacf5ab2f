//! A freestanding program of your own: it prints, allocates, and reports errors.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;
use program_break::Error;
use program_break::stdio::{LineWriter, STDOUT};

program_break::entry!(main);

// The heap. A program that doesn't allocate does without these two lines, what it uses of `alloc`, and the package
// program-break-malloc.
#[global_allocator]
static HEAP: program_break_malloc::Heap = program_break_malloc::Heap::new();

fn main() -> Result<(), Error> {
    let mut out = LineWriter::new(STDOUT);
    writeln!(out, "Hello")?;

    let squares: Vec<u32> = (1..=10).map(|n| n * n).collect();
    writeln!(out, "{squares:?}")?;
    Ok(())
}
