//! Has zeroed data, and no other.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

program_break::entry!(main);

#[repr(align(8192))]
struct Aligned([AtomicI32; 10_000]);

static COUNTS: Aligned = Aligned([const { AtomicI32::new(0) }; 10_000]);

fn main() -> Result<(), program_break::Error> {
    let Aligned(counts) = &COUNTS;
    for count in counts {
        count.fetch_add(1, Relaxed);
    }
    let sum: i32 = counts.iter().map(|count| count.load(Relaxed)).sum();
    program_break::exit(sum - 9_958)
}
