//! Copies, compares and clears memory, and converts a floating-point number, for which `compiler_builtins` has the
//! function. It has data that is aligned to more than a page.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};
use program_break::{Error, exit};

program_break::entry!(main);

#[repr(align(8192))]
struct Pages(AtomicU8);

static SEVEN: Pages = Pages(AtomicU8::new(7));

fn main() -> Result<(), Error> {
    let one = black_box([black_box(&SEVEN).0.fetch_add(1, Relaxed); 5_000]);
    let mut two = black_box(one);
    assert!(one == two);
    two.fill(0);
    assert!(one != black_box(two));
    exit(black_box(42.0_f64) as u128 as i32)
}
