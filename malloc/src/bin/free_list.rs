//! From a bump allocator to one that takes blocks back: a list of free blocks, as in Kernighan and Ritchie's *The C
//! Programming Language*, 8.7.
//!
//! A new block is split off from the first free block that has room for it. If none has, it comes from the top of the
//! heap, as in `bump`. A block that is freed coalesces with the free memory on both sides of it. Where whole pages
//! are free at the top of the heap, the break moves down. Here too, nobody else may move the break. The next stage is
//! [`program_break_malloc::Heap`].
#![no_std]
#![no_main]

// The tests use only the allocator.
#[cfg(not(test))]
mod demo;

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use core::ptr::null_mut;
use program_break::{current_break, move_break};

/// How many numbers the program makes.
#[cfg(not(test))]
const NUMBERS: u64 = 1_000;

/// The break moves by multiples of this many bytes, a page on most machines, so that few blocks take a system call.
const STEP: usize = 4096;

/// Blocks start and end at multiples of this many bytes. So each one that is freed has room for a [`FreeBlock`].
const UNIT: usize = size_of::<FreeBlock>();

/// ```text
///    the heap:  | block | free | block | block | free | block | free      |
///                       ^ first                ^ next         ^ top       ^ end, the program break
/// ```
struct FreeList {
    first: Cell<*mut FreeBlock>,
    top: Cell<*mut u8>,
    end: Cell<*mut u8>,
}

/// What is at the start of a free block. A block in use needs no header, since whoever frees it knows its layout.
struct FreeBlock {
    end: *mut u8,
    /// The free block at the next higher address, or null.
    next: *mut FreeBlock,
}

/// Makes a free block of the memory from `start` to `end`, in front of `next`, and returns it. Returns `next` if there
/// is no memory.
/// Safety: the memory is the heap's, in whole units, and not in use.
unsafe fn free_block(start: *mut u8, end: *mut u8, next: *mut FreeBlock) -> *mut FreeBlock {
    if start == end {
        return next;
    }
    // SAFETY: the memory is at least a unit, so there is room for this.
    unsafe { start.cast::<FreeBlock>().write(FreeBlock { end, next }) };
    start.cast()
}

// SAFETY: this program has only one thread.
unsafe impl Sync for FreeList {}

// SAFETY: a block is split off from free memory, and what is left of that on both sides doesn't overlap it.
unsafe impl GlobalAlloc for FreeList {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let align_up = |start: *mut u8, align| start.map_addr(|address| address.next_multiple_of(align));
        if self.end.get().is_null() {
            let Ok(program_break) = current_break() else { return null_mut() };
            self.end.set(program_break);
            self.top.set(align_up(program_break, UNIT));
        }
        // No sum overflows: an address is far below isize::MAX, and a size with its alignment is at most that.
        let (size, align) = (layout.size().next_multiple_of(UNIT), layout.align().max(UNIT));
        let mut link = self.first.as_ptr();
        // SAFETY: each link is null or leads to a free block, and nobody else uses the links and the free blocks.
        unsafe {
            while !(*link).is_null() {
                let free = *link;
                let block = align_up(free.cast(), align);
                let rest = block.wrapping_add(size);
                if rest <= (*free).end {
                    // What is left of the free block, below the new one and above it, is still free.
                    *link = free_block(free.cast(), block, free_block(rest, (*free).end, (*free).next));
                    return block;
                }
                link = &raw mut (*free).next;
            }
        }
        let block = align_up(self.top.get(), align);
        let rest = block.wrapping_add(size);
        if rest > self.end.get() {
            let new_break = align_up(rest, STEP);
            // SAFETY: nobody else in this program moves the break. So it moves up, and no memory is taken away.
            let Ok(()) = (unsafe { move_break(new_break) }) else { return null_mut() };
            self.end.set(new_break);
        }
        // SAFETY: the last link is null. This is what is left below the block, for its alignment.
        unsafe { *link = free_block(self.top.replace(rest), block, null_mut()) };
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // The caller's pointer may be for the bytes of the block alone, and what is written here may be longer.
        let mut start = self.top.get().with_addr(block.addr());
        let mut end = start.wrapping_add(layout.size().next_multiple_of(UNIT));
        let mut link = self.first.as_ptr();
        // SAFETY: each link is null or leads to a free block, and nobody else uses them. The caller doesn't use the
        // block again, and when the block gets into the list, its free neighbours are no longer in there.
        unsafe {
            while !(*link).is_null() && (**link).end < start {
                link = &raw mut (**link).next;
            }
            let mut next = *link;
            while !next.is_null() && next.cast() <= end {
                (start, end, next) = (start.min(next.cast()), end.max((*next).end), (*next).next);
            }
            if end == self.top.get() {
                self.top.set(start);
                end = start;
            }
            *link = free_block(start, end, next);
        }

        let new_break = self.top.get().map_addr(|address| address.next_multiple_of(STEP));
        // SAFETY: nothing above the top is in use, and the break is where this heap has left it.
        if new_break < self.end.get() && unsafe { move_break(new_break) }.is_ok() {
            self.end.set(new_break);
        }
    }
}

#[global_allocator]
static HEAP: FreeList =
    FreeList { first: Cell::new(null_mut()), top: Cell::new(null_mut()), end: Cell::new(null_mut()) };
