//! The article's picture of virtual memory, which a process draws of itself: before any allocation, after moving the
//! program break up by four bytes, after storing something there, and after moving the break back down.
//!
//! The first picture shows all that is mapped, from the top down: what the kernel adds, the stack, the very large gap,
//! the heap with the program break, and the program itself. The others show what is between the gap and the program.
//! They mark what has moved, and below each is how much of the heap is in memory: what the kernel maps is only promised
//! until something is stored there.
//!
//! The break is from `brk`, the parts of the program are from linker.ld, the mappings are from `/proc/self/maps`, and
//! what is in memory is from `mincore`. If the mappings can't be read, the program exits with status 72. It uses no
//! heap, since that is what it draws.
#![no_std]
#![no_main]

mod maps;
mod picture;

use picture::Picture;
use program_break::{Error, current_break, move_break};

program_break::entry!(main);

fn main() -> Result<(), Error> {
    let heap_start = current_break()?;
    let mut picture = Picture::new(heap_start.addr());
    picture.draw()?;

    // SAFETY: the break moves up, so this takes no memory away.
    unsafe { move_break(heap_start.wrapping_add(4)) }?;
    picture.draw()?;

    // SAFETY: the kernel has just mapped this byte, and nothing else refers to it.
    unsafe { *heap_start = b'H' };
    picture.draw()?;

    // SAFETY: the four bytes are not used again.
    unsafe { move_break(heap_start) }?;
    picture.draw()
}
