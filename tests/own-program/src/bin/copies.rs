//! Copies, clears and compares as many bytes as the heap has, a number that the compiler can't know.
#![no_std]
#![no_main]

use core::slice::from_raw_parts_mut;
use program_break::{Error, current_break, exit, move_break};

program_break::entry!(main);

fn main() -> Result<(), Error> {
    let start = current_break()?;
    let length = start as usize % 97 + 5_000;
    // SAFETY: the break moves up, so no memory is taken away, and nobody else has what lies between.
    let heap = unsafe {
        move_break(start.wrapping_add(2 * length))?;
        from_raw_parts_mut(start, 2 * length)
    };
    let (one, two) = heap.split_at_mut(length);
    one.fill(7);
    assert!(one != two);
    two.copy_from_slice(one);
    assert!(one == two);
    two.fill(0);
    assert!(one != two);
    exit(42)
}
