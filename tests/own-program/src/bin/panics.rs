#![no_std]
#![no_main]

program_break::entry!(main);

fn main() -> Result<(), program_break::Error> {
    panic!("{} is too much", program_break::current_break()?.addr() / usize::MAX + 42)
}
