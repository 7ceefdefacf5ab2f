#![no_std]
#![no_main]

use program_break::{report, start::exit, stdio};

program_break::entry!(main);

/// Has data and zeroed data, which have to be where the program looks for them.
static mut GREETING: [u8; 6] = *b"hello\n";
static mut COUNT: u32 = 0;

extern "C" fn main() -> ! {
    // SAFETY: there is one thread, and no other reference to these.
    let greeting = unsafe {
        (&raw mut COUNT).write((&raw const COUNT).read() + 1);
        GREETING[0] -= (&raw const COUNT).read() as u8 * 32;
        &*(&raw const GREETING)
    };
    match stdio::write_all(stdio::STDOUT, greeting) {
        Ok(()) => exit(0),
        Err(error) => exit(report!(error)),
    }
}
