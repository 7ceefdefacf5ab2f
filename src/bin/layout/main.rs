//! The article's picture of virtual memory, which a process draws of itself: before any allocation, after moving the
//! program break up by four bytes, and after moving it back down.
//!
//! The first picture shows all that is mapped, from the top down: what the kernel adds, the stack, the very large gap,
//! the heap with the program break, and the program itself. The other two show what is between the gap and the program.
//! They mark what has moved: the break by exactly 4 bytes, while what the kernel maps is a whole page.
//!
//! The break is from `brk`, the parts of the program are from linker.ld, and the mappings are from `/proc/self/maps`.
//! If the mappings can't be read, the program exits with status 72. It uses no heap, since that is what it draws.
#![no_std]
#![no_main]

mod maps;
mod picture;

use picture::Picture;
use program_break::stdio::{LineWriter, STDOUT};
use program_break::{Error, current_break, move_break};

program_break::entry!(main);

/// Where /proc/self/maps is read into. Zeroed data takes no memory before it is used.
static mut BUFFER: [u8; 1 << 16] = [0; 1 << 16];

fn main() -> Result<(), Error> {
    let buffer = &raw mut BUFFER;
    // SAFETY: this is the only reference to it, and `main` runs once.
    let buffer = unsafe { &mut *buffer };
    let heap_start = current_break()?;
    let start = heap_start.addr();
    let mut picture = Picture { out: LineWriter::new(STDOUT), heap_start: start, program_break: start, moved: 0 };

    let remark = "Nothing is on the heap: it starts where it ends, at the program break.";
    picture.draw(buffer, 0, "Before any allocation", remark)?;

    // SAFETY: the break moves up, so this takes no memory away.
    unsafe { move_break(heap_start.wrapping_add(4)) }?;
    let remark = "The program has asked for four bytes. The kernel maps whole pages.";
    picture.draw(buffer, 4, "After moving the program break up by 4 bytes", remark)?;

    // SAFETY: the four bytes are not used.
    unsafe { move_break(heap_start) }?;
    picture.draw(buffer, -4, "After moving it back down", "The page is gone, too.")
}
