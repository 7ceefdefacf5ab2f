//! This has zeroed data and no other, and panics.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

program_break::entry!(main);

static COUNT: AtomicI32 = AtomicI32::new(0);

fn main() -> Result<(), program_break::Error> {
    panic!("{} is too much", COUNT.fetch_add(1, Relaxed) + COUNT.load(Relaxed) + 41)
}
