//! Copies, compares and clears memory.
#![no_std]
#![no_main]

use core::hint::black_box;
use program_break::{Error, exit};

program_break::entry!(main);

fn main() -> Result<(), Error> {
    let one = black_box([7_u8; 5_000]);
    let mut two = black_box(one);
    assert!(one == two);
    two.fill(0);
    assert!(one != black_box(two));
    exit(42)
}
