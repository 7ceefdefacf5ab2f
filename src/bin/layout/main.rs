//! The article's picture of virtual memory, which a process draws of itself: from the top down, what the kernel adds,
//! the stack, the very large gap, a heap of four bytes, and the parts of the program.
//!
//! The parts of the program are from linker.ld, and the mappings are from `/proc/self/maps`. If that file can't be
//! read, the program exits with status 72. It uses no heap for all this, since the heap is what it draws.
#![no_std]
#![no_main]

mod maps;
mod picture;

use program_break::{Error, current_break, move_break};

program_break::entry!(main);

fn main() -> Result<(), Error> {
    let heap_start = current_break()?;
    let program_break = heap_start.wrapping_add(4);
    // SAFETY: the break moves up, so this takes no memory away.
    unsafe { move_break(program_break) }?;

    // The kernel takes the four bytes back when the process ends.
    picture::draw(heap_start.addr(), program_break.addr())
}
