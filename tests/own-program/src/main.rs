#![no_std]
#![no_main]

use program_break::{exit, fail, stdio};

program_break::entry!(main);

extern "C" fn main() -> ! {
    match stdio::write_all(stdio::STDOUT, b"Hello\n") {
        Ok(()) => exit(0),
        failed => fail!(failed),
    }
}
