//! How memory is allocated: ask the kernel to move the program break up, use what lies between the old break and the
//! new, move it back down. After Graham King's article of that name.
#![no_std]
#![no_main]

use program_break::{current_break, move_break, report, start::exit, stdio};

program_break::entry!(main);

extern "C" fn main() -> ! {
    // Where does the heap end now? Nothing is on it yet, so this is also where it starts.
    let heap_start = current_break();

    // Allocate: ask the kernel to move the break up by four bytes.
    let heap_end = (heap_start as isize + 4) as *mut u8;
    // SAFETY: up, so no memory is taken away.
    if let Err(error) = unsafe { move_break(heap_end) } {
        exit(report!(error));
    }

    // The four bytes between the old break and the new are ours. Store something there.
    // SAFETY: the kernel has just mapped them, readable, writable and zeroed, and nobody else knows of them.
    let heap = unsafe { &mut *(heap_start as *mut [u8; 4]) };
    *heap = *b"HI\n\0";

    // Print it from there, all but the zero.
    let [text @ .., _] = heap;
    let mut status = match stdio::write_all(stdio::STDOUT, text) {
        Ok(()) => 0,
        Err(error) => report!(error),
    };

    // Free: move the break back down.
    // SAFETY: `heap` and `text` are not used again.
    if let Err(error) = unsafe { move_break(heap_start) } {
        status = report!(error);
    }

    exit(status)
}
