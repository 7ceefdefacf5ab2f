//! Has data, and nothing zeroed.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

program_break::entry!(main);

#[repr(align(8192))]
struct Aligned(AtomicI32);

static COUNT: Aligned = Aligned(AtomicI32::new(41));

fn main() -> Result<(), program_break::Error> {
    let Aligned(count) = &COUNT;
    count.fetch_add(1, Relaxed);
    program_break::exit(count.load(Relaxed))
}
