//! Has zeroed data, which is aligned to more than a page, and no other data.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

program_break::entry!(main);

#[repr(align(8192))]
struct Pages(AtomicI32);

static COUNT: Pages = Pages(AtomicI32::new(0));

fn main() -> Result<(), program_break::Error> {
    program_break::exit(COUNT.0.fetch_add(1, Relaxed) + COUNT.0.load(Relaxed) + 41)
}
