//! The article's picture of virtual memory, drawn by a process of itself: before any allocation, after moving the
//! program break up by four bytes, and after moving it back down.
//!
//! The first picture shows the whole address space, from the top down: the end of user memory, the stack, what the
//! kernel adds, the very large gap, the heap with the program break, and the program itself. The other two show what is
//! between the gap and the program. They mark what has moved: the break by exactly 4 bytes, while the mapping `[heap]`
//! that comes and goes is a whole page.
//!
//! The break is from `brk`, the parts of the program are from linker.ld, and the mappings are from `/proc/self/maps`.
//! Without `/proc`, the program draws what it knows by itself, and says what is missing. It uses no heap, since that is
//! what it draws.
#![no_std]
#![no_main]

mod picture;
mod proc;
mod regions;

use picture::Renderer;
use program_break::stdio::{LineWriter, STDOUT};
use program_break::{Error, current_break, move_break};

program_break::entry!(main);

/// Where a file in /proc is read into. Zeroed data takes no memory before it is used.
static mut BUFFER: [u8; 1 << 20] = [0; 1 << 20];

fn main() -> Result<(), Error> {
    let buffer = &raw mut BUFFER;
    // SAFETY: this is the only reference to it, and `main` runs once.
    let buffer = unsafe { &mut *buffer };
    let mut out = LineWriter::new(STDOUT);

    let heap_start = current_break()?;
    let mut renderer = Renderer::new(&mut out, proc::is_unicode(buffer), heap_start as usize);
    renderer.draw(buffer, heap_start as usize, "Before any allocation");

    let heap_end = heap_start.wrapping_add(4);
    // SAFETY: the break moves up, so this takes no memory away.
    unsafe { move_break(heap_end) }?;
    renderer.draw(buffer, heap_end as usize, "After moving the program break up by 4 bytes");

    // SAFETY: the four bytes are not used.
    unsafe { move_break(heap_start) }?;
    renderer.draw(buffer, heap_start as usize, "After moving it back down");
    out.result
}
