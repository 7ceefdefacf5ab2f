//! A heap for Rust's `alloc` crate, whose every byte comes from the program break: how a `malloc` gets its memory from
//! the kernel.
//!
//! ```ignore
//! #[global_allocator]
//! static HEAP: program_break_malloc::Heap = program_break_malloc::Heap::new();
//! ```
//!
//! Two halves. How blocks are cut out of the memory is [`talc`]'s. Of the three allocators that were measured on this
//! source it is the one that is near glibc's malloc or ahead of it in every case and gives memory back (`cargo bench -p
//! program-break-malloc`): `dlmalloc` copies a growing block, and `rlsf` keeps all that it ever had. The other half,
//! [`Source`], is this project's: it moves the break up when there is no room left, and down when the top of the heap
//! is free.

#![no_std]

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{NonNull, null_mut};
use program_break::{current_break, move_break};
use spinning_top::RawSpinlock;
use talc::TalcLock;
use talc::base::CHUNK_UNIT;
use talc::base::{Talc, binning::Binning};

/// The kernel maps memory by the page, in bytes.
const PAGE: usize = 4096;

/// How far the break moves up at the least, and how much free memory stays below it, in bytes: so that a program that
/// allocates and frees a little isn't all about system calls.
const STEP: usize = 64 * 1024;

/// The memory between the program break as it was and as it is: moves the break, in whole pages.
///
/// Somebody else may move the break too (another allocator, a C library). So it is looked up each time, and memory that
/// isn't right above this source's own is left alone. That can't be made safe against another *thread* which moves the
/// break at the same moment: the kernel has no call that would.
#[derive(Debug)]
pub struct Source {
    end: *mut u8,
    /// How many bytes it has.
    size: usize,
    /// How often it has called `brk`.
    calls: usize,
}

// SAFETY: an address, of memory that belongs to whoever has this.
unsafe impl Send for Source {}

impl Source {
    /// A source that has no memory yet.
    pub const fn new() -> Self {
        Source { end: null_mut(), size: 0, calls: 0 }
    }

    /// Moves the break up, by `bytes` at the least, and further if it moves often: in the end by a sixteenth of all.
    /// Returns where the new memory starts and ends. It continues the memory before if it starts where that ended.
    ///
    /// # Errors
    ///
    /// None if the kernel refuses. Nothing has changed then.
    pub fn grow(&mut self, bytes: usize) -> Option<(*mut u8, *mut u8)> {
        let start = self.now();
        self.grow_from(start, bytes)
    }

    /// Where the break is now.
    fn now(&mut self) -> *mut u8 {
        self.calls += 1;
        current_break()
    }

    /// [`grow`](Self::grow), from `start`, where the break is now.
    fn grow_from(&mut self, start: *mut u8, bytes: usize) -> Option<(*mut u8, *mut u8)> {
        for bytes in [bytes.max(STEP).max(self.size / 16), bytes] {
            let end = start.with_addr(start.addr().checked_add(bytes)?.checked_next_multiple_of(PAGE)?);
            self.calls += 1;
            // SAFETY: up, so no memory is taken away.
            if unsafe { move_break(end) }.is_ok() {
                self.size += end.addr() - start.addr();
                self.end = end;
                return Some((start, end));
            }
        }
        None
    }

    /// Moves the break down to `address`, if it is where this source left it. Returns whether it did.
    ///
    /// # Safety
    ///
    /// The memory from `address` up to that end is this source's, and isn't used again.
    pub unsafe fn shrink(&mut self, address: *mut u8) -> bool {
        if self.now() != self.end {
            return false;
        }
        self.calls += 1;
        // SAFETY: the caller doesn't use it, and nobody else has any above it, since the break is its end.
        let moved = unsafe { move_break(address) }.is_ok();
        if moved {
            self.size -= self.end.addr() - address.addr();
            self.end = address;
        }
        moved
    }

    /// Where this source left the break; null before the first time.
    pub fn end(&self) -> *mut u8 {
        self.end
    }

    /// Whether so much free memory at the top is worth a system call, in bytes.
    fn is_worth_shrinking(&self, free: usize) -> bool {
        free >= 2 * STEP + self.size / 8
    }
}

impl Default for Source {
    fn default() -> Self {
        Self::new()
    }
}

/// What [`talc`] is given: the source, and how far the memory from it has been used.
#[derive(Debug)]
struct Break {
    source: Source,
    /// The end of the heap that ends where the source does, once there is one. (There are others below it if somebody
    /// else has moved the break in between.)
    top: Option<NonNull<u8>>,
    /// From this address to the end of the top heap nothing has been written since the kernel mapped it, zeroed, but
    /// for talc's note at the very end, which is no part of any block.
    fresh: usize,
}

/// The most that talc writes behind a block, or where a heap starts, in bytes: four words, and alignment.
const NOTES: usize = 4 * CHUNK_UNIT;

impl Break {
    /// Takes note that memory up to the address `end` is in use.
    fn used(&mut self, end: usize) {
        self.fresh = self.fresh.max(end + NOTES);
    }
}

// SAFETY: addresses, of memory that belongs to whoever has this.
unsafe impl Send for Break {}

// SAFETY: it doesn't allocate, and what it hands to talc is the source's, which is nobody else's.
unsafe impl talc::source::Source for Break {
    const TRACK_HEAP_END: bool = true;

    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let start = talc.source.source.now();
        acquire_from(talc, start, layout)
    }

    unsafe fn resize(&mut self, free: *mut u8, heap_end: *mut u8, _: bool) -> *mut u8 {
        let is_top = self.top.is_some_and(|top| top.as_ptr() == heap_end);
        if !is_top || !self.source.is_worth_shrinking(heap_end.addr() - free.addr()) {
            return heap_end;
        }
        let keep = free.map_addr(|free| (free + STEP).next_multiple_of(PAGE));
        // SAFETY: talc says that from `free` up nothing is in use.
        if unsafe { self.source.shrink(keep) } {
            self.top = NonNull::new(keep);
            keep
        } else {
            // Somebody else's memory is above it, most likely for ever: not to be asked about each time.
            self.top = None;
            heap_end
        }
    }
}

/// Gets memory for an allocation, from `start`, where the break is now.
fn acquire_from<B: Binning>(talc: &mut Talc<Break, B>, start: *mut u8, layout: Layout) -> Result<(), ()> {
    let mut bytes = layout.size().checked_add(layout.align()).ok_or(())?.checked_add(NOTES).ok_or(())?;
    match talc.source.top {
        // What is free at the top counts, if the new memory continues it.
        Some(top) if top.as_ptr() == start => {
            // SAFETY: `top` is the end of a heap.
            let free = top.addr().get() - unsafe { talc.reserved(top) }.up_to.addr().get();
            bytes = bytes.saturating_sub(free).max(PAGE);
        }
        _ => bytes = bytes.checked_add(talc::min_first_heap_size::<B>()).ok_or(())?,
    }
    let (start, end) = talc.source.source.grow_from(start, bytes).ok_or(())?;
    match talc.source.top {
        Some(top) if top.as_ptr() == start => {
            // SAFETY: `top` is the end of a heap, and the new memory continues it.
            talc.source.top = Some(unsafe { talc.extend(top, end) });
            talc.source.fresh = start.addr() + NOTES;
        }
        _ => {
            // SAFETY: the memory is new, readable and writable.
            let top = unsafe { talc.claim(start, end.addr() - start.addr()) }.ok_or(())?;
            talc.source.top = Some(top);
            // SAFETY: `top` is the end of a heap.
            let used = unsafe { talc.reserved(top) }.up_to.addr().get() + NOTES;
            // The first page may have been somebody else's, up to its middle.
            talc.source.fresh = used.max(start.addr().next_multiple_of(PAGE));
        }
    }
    Ok(())
}

/// A global allocator on the program break.
///
/// Threads share it behind a spin lock. Out of memory is an error, as in `try_reserve`; where Rust can't return one,
/// the program panics: a message with the number of bytes, and exit status 70.
pub struct Heap(TalcLock<RawSpinlock, Break>);

impl Heap {
    /// A heap without memory. It asks for some when it is used.
    pub const fn new() -> Self {
        Heap(TalcLock::new(Break { source: Source::new(), top: None, fresh: 0 }))
    }

    /// How often this heap has called `brk` so far.
    pub fn calls(&self) -> usize {
        self.0.lock().source.source.calls
    }
}

impl Default for Heap {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: talc's allocations are apart from each other, and the source's memory is nobody else's.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut talc = self.0.lock();
        // SAFETY: the caller sees to it that the size isn't 0.
        let Some(block) = (unsafe { talc.allocate(layout) }) else { return null_mut() };
        talc.source.used(block.addr().get() + layout.size());
        block.as_ptr()
    }

    /// Memory that the kernel has just mapped is zeroed already, and not written again.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let mut talc = self.0.lock();
        // SAFETY: the caller sees to it that the size isn't 0.
        let Some(block) = (unsafe { talc.allocate(layout) }) else { return null_mut() };
        let (start, size) = (block.addr().get(), layout.size());
        let used = talc.source.fresh.saturating_sub(start).min(size);
        talc.source.used(start + size);
        drop(talc);
        // SAFETY: this is in the new block.
        unsafe { block.as_ptr().write_bytes(0, used) };
        block.as_ptr()
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller has it from here, with this layout.
        unsafe { self.0.lock().deallocate(block, layout) }
    }

    /// A block at the top of the heap grows where it is, together with the heap.
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let mut talc = self.0.lock();
        // SAFETY: the caller has it from here, with this layout. (It holds for all that follows.)
        let mut is_done = unsafe { talc.try_realloc_in_place(block, layout, new_size) };
        if !is_done && let Some(top) = talc.source.top {
            // SAFETY: it is the end of a heap.
            let last = unsafe { talc.reserved(top) }.up_to.addr().get();
            // A block starts at a multiple of talc's unit, and behind it is a word of talc's.
            let end = (block.addr() + layout.size() + size_of::<usize>()).next_multiple_of(CHUNK_UNIT);
            if end == last && talc.source.source.now() == top.as_ptr() {
                let more = Layout::from_size_align(new_size - layout.size(), 1);
                // SAFETY: as above.
                is_done = more.is_ok_and(|more| acquire_from(&mut talc, top.as_ptr(), more).is_ok())
                    && unsafe { talc.try_grow_in_place(block, layout, new_size) };
            }
        }
        if is_done {
            talc.source.used(block.addr() + new_size);
            return block;
        }
        drop(talc);

        // SAFETY: the caller sees to it that the size is right for a layout.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: the new block is apart from the old one, and larger, since to shrink can be done in place always.
        unsafe {
            let new = self.alloc(new_layout);
            if !new.is_null() {
                new.copy_from_nonoverlapping(block, layout.size());
                self.dealloc(block, layout);
            }
            new
        }
    }
}
