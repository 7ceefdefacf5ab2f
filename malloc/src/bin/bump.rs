//! From four bytes to a `Vec`: the smallest allocator on the program break.
//!
//! It moves the break up and hands out what lies below it, block after block. It never takes a block back. A `Vec` that
//! grows leaves its old blocks behind, so this is for programs that allocate little or end soon. The next stage is
//! `free_list`.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use core::fmt::Write;
use core::ptr::null_mut;
use program_break::stdio::{LineWriter, STDOUT};
use program_break::{Error, current_break, move_break};

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
            // SAFETY: the break moves up, so no memory is taken away.
            if unsafe { move_break(new_break) }.is_err() {
                return null_mut();
            }
            self.end.set(new_break);
        }
        self.next.set(end);
        start
    }

    unsafe fn dealloc(&self, _block: *mut u8, _layout: Layout) {}
}

#[global_allocator]
static HEAP: Bump = Bump { next: Cell::new(null_mut()), end: Cell::new(null_mut()) };

program_break::entry!(main);

fn main() -> Result<(), Error> {
    let mut out = LineWriter::new(STDOUT);
    let _ = writeln!(out, "{:40}{:>14}{:>14}", "", "program break", "moved in all");
    let start = current_break()?;
    let mut print = |what: &str| {
        let program_break = current_break()?;
        // A failure to write stays in `out`.
        let _ = writeln!(out, "{what:<40}{program_break:>14p}{:>14}", program_break.addr() - start.addr());
        Ok(())
    };
    print("at the start")?;

    let text = String::from("HI");
    print("a String")?;
    let numbers: Vec<u64> = (0..1000).collect();
    print("a Vec of 1,000 numbers, made at once")?;
    let mut grown = Vec::new();
    for number in &numbers {
        grown.push(*number);
    }
    print("the same, grown one by one")?;
    drop(numbers);
    print("the first Vec is dropped")?;
    let copy = grown.clone();
    print("the other one is copied")?;
    // The compiler may leave out an allocation that nobody looks at.
    drop(core::hint::black_box((text, grown, copy)));
    print("all are dropped")?;

    out.result
}
