//! Has data, and nothing zeroed.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

program_break::entry!(main);

static COUNT: AtomicI32 = AtomicI32::new(41);

extern "C" fn main() -> ! {
    COUNT.fetch_add(1, Relaxed);
    program_break::exit(COUNT.load(Relaxed))
}
