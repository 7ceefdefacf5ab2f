//! From four bytes to a `Vec`: the smallest allocator on the program break.
//!
//! It moves the break up and hands out what lies below it, block after block. It never takes a block back. A `Vec` that
//! grows leaves its old blocks behind, so this is for programs that allocate little or end soon. And nobody else may
//! move the break. The next stage is `free_list`.
#![no_std]
#![no_main]

mod demo;

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use core::ptr::null_mut;
use program_break::{current_break, move_break};

/// How many numbers the program makes.
const NUMBERS: u64 = 1_000;

/// The break moves in steps of this many bytes, a page on most machines, so that not every block takes a system call.
const STEP: usize = 4096;

/// ```text
///    the heap:  | block | block |  | block | free      |
///                                          ^ next      ^ end, the program break
/// ```
struct Bump {
    next: Cell<*mut u8>,
    end: Cell<*mut u8>,
}

// SAFETY: this program has only one thread.
unsafe impl Sync for Bump {}

// SAFETY: each block starts where the one before it ended, or higher, and ends below the break, which only moves up.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if self.end.get().is_null() {
            let Ok(program_break) = current_break() else { return null_mut() };
            self.end.set(program_break);
            self.next.set(program_break);
        }
        let start = self.next.get().map_addr(|address| address.next_multiple_of(layout.align()));
        let end = start.wrapping_add(layout.size());
        if end > self.end.get() {
            let new_break = end.map_addr(|address| address.next_multiple_of(STEP));
            // SAFETY: nobody else in this program moves the break. So it moves up, and no memory is taken away.
            let Ok(()) = (unsafe { move_break(new_break) }) else { return null_mut() };
            self.end.set(new_break);
        }
        self.next.set(end);
        start
    }

    unsafe fn dealloc(&self, _block: *mut u8, _layout: Layout) {}
}

#[global_allocator]
static HEAP: Bump = Bump { next: Cell::new(null_mut()), end: Cell::new(null_mut()) };
