#![no_std]
#![no_main]

program_break::entry!(main);

extern "C" fn main() -> ! {
    panic!("{} is too much", program_break::current_break().addr() / usize::MAX + 42)
}
