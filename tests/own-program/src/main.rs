#![no_std]
#![no_main]

use program_break::{Error, stdio};

program_break::entry!(main);

fn main() -> Result<(), Error> {
    stdio::write_all(stdio::STDOUT, b"Hello\n")
}
