//! Has zeroed data, and no other.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

program_break::entry!(main);

static COUNTS: [AtomicI32; 10_000] = [const { AtomicI32::new(0) }; 10_000];

fn main() -> Result<(), program_break::Error> {
    for count in &COUNTS {
        count.fetch_add(1, Relaxed);
    }
    let sum: i32 = COUNTS.iter().map(|count| count.load(Relaxed)).sum();
    program_break::exit(sum - 9_958)
}
