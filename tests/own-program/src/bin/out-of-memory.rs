//! Asks for more than any kernel has, first in a way that can fail.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;

#[global_allocator]
static HEAP: program_break_malloc::Heap = program_break_malloc::Heap::new();

program_break::entry!(main);

fn main() -> Result<(), program_break::Error> {
    let mut bytes = Vec::<u8>::new();
    assert!(bytes.try_reserve_exact(1 << 60).is_err());
    bytes.reserve_exact(1 << 60);
    program_break::exit(bytes[0].into())
}
