//! Has data, and zeroed data that is aligned to more than a page.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

program_break::entry!(main);

#[repr(align(8192))]
struct Pages(AtomicI32);

static COUNT: AtomicI32 = AtomicI32::new(41);
static ZERO: Pages = Pages(AtomicI32::new(0));

fn main() -> Result<(), program_break::Error> {
    ZERO.0.fetch_add(1, Relaxed);
    COUNT.fetch_add(ZERO.0.load(Relaxed), Relaxed);
    program_break::exit(COUNT.load(Relaxed))
}
