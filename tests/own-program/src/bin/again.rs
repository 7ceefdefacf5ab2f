//! Makes and drops one block of 300 KiB, a million times.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;
use core::hint::black_box;

#[global_allocator]
static HEAP: program_break_malloc::Heap = program_break_malloc::Heap::new();

program_break::entry!(main);

fn main() -> Result<(), program_break::Error> {
    for _ in 0..1_000_000 {
        black_box(Vec::<u8>::with_capacity(300 << 10));
    }
    Ok(())
}
