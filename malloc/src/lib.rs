//! A heap for Rust's `alloc` crate, whose every byte comes from the program break: how a `malloc` gets its memory from
//! the kernel.
//!
//! ```ignore
//! #[global_allocator]
//! static HEAP: program_break_malloc::Heap = program_break_malloc::Heap::new();
//! ```
//!
//! There are three parts, and each uses only those before it:
//!
//! 1. `break_region.rs` gets the memory. It moves the break up when there is no room left, and down when the top of the
//!    heap is free.
//! 2. `large.rs` cuts large blocks out of it, with the package [`talc`].
//! 3. `small.rs` cuts small blocks out of large ones.
//!
//! `bin/bump.rs` is where to begin: the smallest allocator on the program break, which only ever takes memory.

#![no_std]

mod break_region;
mod large;
mod lock;
mod small;

pub use break_region::BreakRegion;

use core::alloc::{GlobalAlloc, Layout};
use core::fmt::Arguments;
use core::ptr::{NonNull, null_mut};
use large::Large;
use lock::Lock;
use small::{Small, class_of};

/// A global allocator on the program break.
///
/// Threads may share it. Its locks are spin locks, so it is not for signal handlers, nor for the child of a `fork` in a
/// program with threads.
///
/// When no memory is left, `try_reserve` returns an error. Where Rust can't return one, the program panics with a
/// message that has the number of bytes, and exits with status 70. A small block that changes its size is moved, so
/// `realloc` can fail even when it makes a block smaller.
///
/// In a debug build, a program panics and ends if what it frees as a small block isn't one: an address inside a block,
/// a block that is free already, or a block of another size.
///
/// It is for programs without a C library: see [`BreakRegion`].
pub struct Heap {
    small: Small,
    large: Lock<Large>,
}

impl Heap {
    /// A heap without memory. It asks for some when it is used.
    pub const fn new() -> Self {
        Heap { small: Small::new(), large: Lock::new(Large::new()) }
    }

    /// How often this heap has called `brk` so far.
    pub fn calls(&self) -> usize {
        self.large.lock().calls()
    }
}

impl Default for Heap {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: the blocks of each part are apart from each other, and the region's memory is nobody else's. The layout alone
// says which part a block is from.
unsafe impl GlobalAlloc for Heap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let block = match class_of(layout) {
            Some(class) => self.small.allocate(class, &self.large),
            // SAFETY: the caller sees to it that the size isn't 0.
            None => unsafe { self.large.lock().allocate(layout) }.map(|(block, _)| block),
        };
        block.map_or(null_mut(), NonNull::as_ptr)
    }

    /// In a large block, memory that the kernel has just mapped is zeroed already, and not written again.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let (block, used) = if class_of(layout).is_some() {
            // SAFETY: as the caller says.
            (unsafe { self.alloc(layout) }, layout.size())
        } else {
            // SAFETY: the caller sees to it that the size isn't 0.
            let block = unsafe { self.large.lock().allocate(layout) };
            block.map_or((null_mut(), 0), |(block, used)| (block.as_ptr(), used))
        };
        if !block.is_null() {
            // SAFETY: this is in the new block.
            unsafe { block.write_bytes(0, used) };
        }
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(class) = class_of(layout) else {
            // SAFETY: the caller has it from here, with this layout.
            return unsafe { self.large.lock().deallocate(block, layout) };
        };
        if cfg!(debug_assertions) {
            let run = small::run_of(block).cast();
            let [has_block, has_run] = [block, run].map(|address| self.large.lock().contains(address));
            let checked = match (has_block, has_run) {
                (false, _) => Err("it is not in this heap"),
                (_, false) => Err("it is in no run of small blocks"),
                // SAFETY: both are in memory of this heap.
                _ => unsafe { self.small.check(block, class) },
            };
            if let Err(what) = checked {
                not_a_block(&format_args!("freed {block:p} as a block of {} bytes: {what}", layout.size()));
            }
        }
        // SAFETY: as above.
        unsafe { self.small.deallocate(block, class, &self.large) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller sees to it that the size is right for a layout.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        let is_done = match (class_of(layout), class_of(new_layout)) {
            // SAFETY: the caller has it from here, with this layout.
            (None, None) => unsafe { self.large.lock().resize(block, layout, new_size) },
            (old, new) => old == new,
        };
        if is_done {
            return block;
        }
        // SAFETY: the new block is apart from the old one, and what is copied is in both.
        unsafe {
            let new = self.alloc(new_layout);
            if !new.is_null() {
                new.copy_from_nonoverlapping(block, layout.size().min(new_size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}

/// Ends the program. As a function for C this can't unwind, which an allocator may not do.
#[cold]
extern "C" fn not_a_block(message: &Arguments) -> ! {
    panic!("{message}")
}
