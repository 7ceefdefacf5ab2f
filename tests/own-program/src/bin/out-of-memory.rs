//! Asks for more than any kernel has, first in a way that can fail. `format!` calls code of `alloc` that could unwind.
#![no_std]
#![no_main]

extern crate alloc;

#[global_allocator]
static HEAP: program_break_malloc::Heap = program_break_malloc::Heap::new();

program_break::entry!(main);

fn main() -> Result<(), program_break::Error> {
    let mut text = alloc::format!("{:p}", program_break::current_break()?);
    text.clear();
    assert!(text.try_reserve_exact(1 << 60).is_err());
    text.reserve_exact(1 << 60);
    program_break::exit(text.len() as i32)
}
