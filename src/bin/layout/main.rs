//! The article's picture of virtual memory, drawn by a process of itself, three times: before any allocation, after
//! moving the program break up by four bytes, and after moving it back down.
//!
//! From the top down one sees the end of user memory, the stack, what the kernel adds, the very large gap, the heap
//! with the program break, and the program itself: zeroed data, data, read-only data, code. What is marked has moved:
//! the break by exactly 4, while the `[heap]` mapping that comes and goes is a page.
//!
//! The break is from `brk`, the parts of the program are from linker.ld, and the mappings from `/proc/self/maps`. Known
//! beforehand are only the size of a page and where the user's addresses end. It uses no heap, since that is what it
//! draws. Without `/proc` it draws what it knows by itself, and says what is missing.
#![no_std]
#![no_main]

mod maps;
mod picture;

use picture::Picture;
use program_break::stdio::{LineWriter, STDOUT};
use program_break::{Error, current_break, exit, fail, move_break};

program_break::entry!(main);

extern "C" fn main() -> ! {
    let mut out = LineWriter::new(STDOUT);
    let moved = story(&mut out);
    match (moved, out.result) {
        (Ok(()), Ok(())) => exit(0),
        (moved, written) => fail!(moved, written),
    }
}

/// The three pictures. Says whether the break could be moved; whether `out` could be written to, it keeps itself.
fn story(out: &mut LineWriter) -> Result<(), Error> {
    let heap_start = current_break();
    if heap_start as usize > picture::TOP {
        return Err(Error::Brk); // an error number, from a filter in the kernel's place
    }
    let mut picture = Picture::new(heap_start as usize);
    picture.draw(out, heap_start, "Before any allocation");

    let heap_end = heap_start.wrapping_add(4);
    // SAFETY: up, so no memory is taken away.
    unsafe { move_break(heap_end) }?;
    picture.draw(out, heap_end, "After moving the program break up by 4 bytes");

    // SAFETY: nobody has used the four bytes.
    unsafe { move_break(heap_start) }?;
    picture.draw(out, heap_start, "After moving it back down");
    Ok(())
}
