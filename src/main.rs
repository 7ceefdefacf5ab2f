//! How memory is allocated: ask the kernel to move the program break up, use the memory between the old break and the
//! new one, and move the break back down. This follows the assembly program in Graham King's article of that name,
//! <https://darkcoding.net/software/how-memory-is-allocated/>.
#![no_std]
#![no_main]

use program_break::{Error, current_break, move_break, stdio};

program_break::entry!(main);

fn main() -> Result<(), Error> {
    // Find the program break. Nothing is on the heap yet, so the heap ends where it starts.
    let heap_start = current_break()?;

    // Allocate: ask the kernel to move the break up by four bytes. So far, it only promises them.
    let heap_end = heap_start.wrapping_add(4);
    // SAFETY: the break moves up, so this takes no memory away.
    unsafe { move_break(heap_end) }?;

    // The four bytes between the old break and the new one are ours. Store three characters there. This store causes a
    // page fault: the kernel puts a page into memory.
    // SAFETY: the kernel has mapped these bytes, readable and writable, and nothing else refers to them.
    let heap = unsafe { &mut *(heap_start as *mut [u8; 3]) };
    *heap = *b"HI\n";

    // Print the three characters from there.
    let printed = stdio::write_all(stdio::STDOUT, heap);

    // Free: move the break back down, even if nothing could be printed.
    // SAFETY: `heap` is not used again.
    let freed = unsafe { move_break(heap_start) };

    // Return the first error, if there was one. `entry!` reports it, and exits.
    printed.and(freed)
}
