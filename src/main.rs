//! How memory is allocated: ask the kernel to move the program break up, use the memory between the old break and the
//! new one, move the break back down. After the assembly program in Graham King's article of that name,
//! <https://darkcoding.net/software/how-memory-is-allocated/>.
#![no_std]
#![no_main]

use program_break::{current_break, exit, fail, move_break, stdio};

program_break::entry!(main);

extern "C" fn main() -> ! {
    // Find the program break. Nothing is on the heap yet, so the heap ends where it starts.
    let heap_start = current_break();

    // Allocate: ask the kernel to move the break up by four bytes. (The sum is an isize so that it doesn't overflow if
    // `heap_start` is an error number from -4095 to -1 instead of an address.)
    let heap_end = (heap_start as isize + 4) as *mut u8;
    // SAFETY: the break moves up, so this takes no memory away.
    let allocated = unsafe { move_break(heap_end) };
    let Ok(()) = allocated else { fail!(allocated) };

    // The four bytes between the old break and the new one are ours. Store three characters and a zero there.
    // SAFETY: the kernel has just mapped them, readable, writable and zeroed, and nothing else refers to them.
    let heap = unsafe { &mut *(heap_start as *mut [u8; 4]) };
    *heap = *b"HI\n\0";

    // Print them from there, without the zero.
    let [text @ .., _zero] = heap;
    let printed = stdio::write_all(stdio::STDOUT, text);

    // Free: move the break back down.
    // SAFETY: `heap` and `text` are not used again.
    let freed = unsafe { move_break(heap_start) };

    // Report what failed, if anything did, and exit.
    match (printed, freed) {
        (Ok(()), Ok(())) => exit(0),
        _ => fail!(printed, freed),
    }
}
