//! From a bump allocator to one that takes blocks back: a list of free blocks, as in Kernighan and Ritchie's *The C
//! Programming Language*, 8.7.
//!
//! A new block is cut out of the first free block that has room for it. If none has, it comes from the top of the heap,
//! as in `bump`. A block that is freed becomes one with the free memory on both sides of it. If that is at the top of
//! the heap, the break moves down. The next stage is [`program_break_malloc::Heap`].
#![no_std]
#![no_main]

// The tests use only the allocator.
#[cfg(not(test))]
mod demo;

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use core::ptr::{from_ref, null_mut, with_exposed_provenance_mut};
use program_break::{current_break, move_break};

/// The break moves by multiples of this many bytes, a page on most machines, so that few blocks take a system call.
const STEP: usize = 4096;

/// Blocks start and end at multiples of this many bytes. So there is room for a [`Free`] in each one that is freed.
const UNIT: usize = size_of::<Free>();

/// ```text
///    the heap:  | block | free | block | block | free | block | free      |
///                       ^ first                ^ next         ^ top       ^ end, the program break
/// ```
///
/// Addresses are numbers here, which become pointers by [`with_exposed_provenance_mut`].
struct FreeList {
    first: Link,
    top: Cell<usize>,
    end: Cell<usize>,
}

/// A link of the list: to the free block at the next higher address, if there is one.
type Link = Cell<Option<&'static Free>>;

/// What is at the start of a free block. A block in use needs no header, since whoever frees it knows its layout.
struct Free {
    end: usize,
    next: Link,
}

/// Makes a free block of the memory from `start` to `end`, in front of `next`, and returns it. Returns `next` if there
/// is no memory.
///
/// # Safety
///
/// The memory is the heap's, in whole units, and not in use.
unsafe fn free_block(start: usize, end: usize, next: Option<&'static Free>) -> Option<&'static Free> {
    if start == end {
        return next;
    }
    let free = with_exposed_provenance_mut::<Free>(start);
    // SAFETY: the memory is at least a unit, so there is room for this.
    unsafe { free.write(Free { end, next: Cell::new(next) }) };
    // SAFETY: it stays there for as long as a link leads to it.
    unsafe { free.as_ref() }
}

// SAFETY: this program has only one thread.
unsafe impl Sync for FreeList {}

// SAFETY: a block is cut out of free memory, and what is left of that on both sides doesn't overlap it.
unsafe impl GlobalAlloc for FreeList {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // No sum overflows: an address is far below isize::MAX, and a size with its alignment is at most that.
        let (size, align) = (layout.size().next_multiple_of(UNIT), layout.align().max(UNIT));
        let mut link = &self.first;
        while let Some(free) = link.get() {
            let start = from_ref(free).addr();
            let block = start.next_multiple_of(align);
            if block + size <= free.end {
                // SAFETY: this is what is left of the free block, below the new one and above it.
                link.set(unsafe { free_block(start, block, free_block(block + size, free.end, free.next.get())) });
                return with_exposed_provenance_mut(block);
            }
            link = &free.next;
        }
        let block = self.top.get().next_multiple_of(align);
        if block + size > self.end.get() {
            let Ok(program_break) = current_break() else { return null_mut() };
            let program_break = program_break.expose_provenance().next_multiple_of(UNIT);
            if program_break != self.end.get() {
                // This is the first block, or somebody else has moved the break. The heap goes on from there.
                // SAFETY: what was free at the top still is.
                link.set(unsafe { free_block(self.top.get(), self.end.get(), None) });
                self.top.set(program_break);
                self.end.set(program_break);
                // SAFETY: as the caller says.
                return unsafe { self.alloc(layout) };
            }
            let new_break = program_break + (block + size - program_break).next_multiple_of(STEP);
            // SAFETY: the break moves up, so no memory is taken away.
            let moved = unsafe { move_break(with_exposed_provenance_mut(new_break)) };
            let Ok(()) = moved else { return null_mut() };
            self.end.set(new_break);
        }
        // SAFETY: this is what is left below the block, for its alignment.
        link.set(unsafe { free_block(self.top.get(), block, None) });
        self.top.set(block + size);
        with_exposed_provenance_mut(block)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let (mut start, mut end) = (block.addr(), block.addr() + layout.size().next_multiple_of(UNIT));
        let mut link = &self.first;
        while let Some(free) = link.get().filter(|free| free.end < start) {
            link = &free.next;
        }
        let mut next = link.get();
        while let Some(free) = next.filter(|free| from_ref(*free).addr() <= end) {
            (start, end) = (start.min(from_ref(free).addr()), end.max(free.end));
            next = free.next.get();
        }
        if end == self.top.get() {
            self.top.set(start);
            end = start;
        }
        // SAFETY: the caller doesn't use the block again, and its free neighbours are not in the list any more.
        link.set(unsafe { free_block(start, end, next) });

        let old_break = self.end.get();
        let new_break = old_break - (old_break - self.top.get()) / STEP * STEP;
        if new_break < old_break && current_break() == Ok(with_exposed_provenance_mut(old_break)) {
            // SAFETY: nothing above the top is in use, and the break is where this heap has left it.
            if unsafe { move_break(with_exposed_provenance_mut(new_break)) }.is_ok() {
                self.end.set(new_break);
            }
        }
    }
}

#[global_allocator]
static HEAP: FreeList = FreeList { first: Cell::new(None), top: Cell::new(0), end: Cell::new(0) };
