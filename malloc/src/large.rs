//! Large blocks: parts of the [`BreakRegion`], which are found in constant time.
//!
//! ```text
//!    the region: | header | block | header | free      size | header | block | header | block | top (free)    |end|
//! ```
//!
//! - Each block has a header, the word before it: its size together with the header, and in the lowest bits, which a
//!   size doesn't need, whether the block is free and whether the one before it is.
//! - A free block has its size in its last word too (the *boundary tag*). So a block that is freed finds both of its
//!   neighbours, and coalesces with those that are free. A block that is larger than it has to be is split.
//! - Free blocks of similar sizes form a list, a *bin*. There are two bins for each power of two, and a bit for each
//!   that says whether it is empty, as in the allocator TLSF.
//! - The top is what is free below the break. It is in no bin, and is used when no other free block is large enough.
//! - Where somebody else has moved the break, a header of size 0 ends what lies below, and the heap goes on above.

use crate::break_region::{BreakRegion, PAGE_GRANULARITY};
use crate::list::{Node, push, remove};
use core::alloc::Layout;
use core::ptr::{null_mut, with_exposed_provenance_mut};

/// The size of a header, in bytes.
pub(crate) const WORD: usize = size_of::<usize>();

/// Sizes and alignments of blocks are multiples of this.
const UNIT: usize = 2 * WORD;

/// The size of the smallest block, in bytes: when it is free it has a header, links, and its size again.
const MIN: usize = 2 * UNIT;

// The lowest bits of a header.
const FREE: usize = 1;
const PREVIOUS_IS_FREE: usize = 2;

/// How many blocks of a bin are tried that may be too small, before a larger one or the top is taken.
const TRIES: usize = 8;

/// The heap for large blocks.
pub(crate) struct Large {
    pub region: BreakRegion,
    /// Where the first block starts.
    start: usize,
    /// Where the top starts, and where it ends, a word below the end of the region.
    top: usize,
    limit: usize,
    /// From here on the top is still zeroed, as the kernel mapped it.
    zeroed_from: usize,
    bins: [*mut Node; 128],
    /// A bit for each bin that isn't empty.
    used_bins: u128,
}

impl Large {
    /// A heap without memory. It asks for some when it is used.
    pub const fn new() -> Self {
        let (bins, region) = ([null_mut(); 128], BreakRegion::new());
        Large { region, start: 0, top: 0, limit: 0, zeroed_from: 0, bins, used_bins: 0 }
    }

    /// Returns a block, and how many bytes at its start may have been written to. The others are zero, as the kernel
    /// has given them.
    pub fn allocate(&mut self, layout: Layout) -> Option<(*mut u8, usize)> {
        let (size, align) = (size_of_block(layout.size()), layout.align().max(UNIT));
        let end = position(self.top, align) + size;
        let free = match self.find(size, align, TRIES) {
            Some(free) => free,
            None if end <= self.limit || self.grow(end, size + align) => self.top,
            // The kernel has none left, so it is worth a search of any length.
            None => self.find(size, align, usize::MAX)?,
        };
        let start = position(free, align);
        let written = self.zeroed_from.saturating_sub(start + WORD).min(layout.size());
        // SAFETY: there is room. From the first free byte to the end, this memory is not in use.
        unsafe {
            let end = self.remove(free);
            *word(start) = end - start;
            if start > free {
                self.release(free, start);
            }
            self.split(start, size);
            Some((word(start + WORD).cast(), written))
        }
    }

    /// Takes a block back.
    ///
    /// # Safety
    ///
    /// It is from here, and isn't used again.
    pub unsafe fn deallocate(&mut self, block: usize) {
        let mut start = block - WORD;
        // SAFETY: the block has a header, and a free one before it has its size in the last word.
        unsafe {
            let end = start + size_at(start);
            // For `is_in_use`, if this header comes to lie inside a free block.
            *word(start) |= FREE;
            if *word(start) & PREVIOUS_IS_FREE != 0 {
                start -= *word(start - WORD);
                self.remove(start);
            }
            self.release(start, end);
        }
    }

    /// Changes the size of a block where it is, if that can be done. A block at the top of the heap grows together with
    /// the heap.
    ///
    /// # Safety
    ///
    /// The block is from here.
    pub unsafe fn resize(&mut self, block: usize, new_size: usize) -> bool {
        let (start, size) = (block - WORD, size_of_block(new_size));
        // SAFETY: blocks have headers, and what comes after this block is the top, or a block too.
        unsafe {
            let old_size = size_at(start);
            let end = start + old_size;
            if size > old_size {
                if end == self.top && start + size > self.limit {
                    // If others have moved the break, the heap grows above them, for the block that replaces this one.
                    // Then what comes after this one is no longer the top.
                    self.grow(start + size, size);
                }
                // The block takes all that is free after it, and `split` gives back what it doesn't need.
                if end == self.top || *word(end) & FREE != 0 {
                    *word(start) += self.remove(end) - end;
                }
            }
            let fits = size <= size_at(start);
            if fits && size <= 2 * old_size {
                // This is how a block grows that is filled. One that grows by more may only be reserved.
                self.region.advise_huge_pages(end, start + size);
            }
            self.split(start, if fits { size } else { old_size });
            fits
        }
    }

    /// Returns how many bytes are free right before a block.
    ///
    /// # Safety
    ///
    /// The block is from here.
    pub unsafe fn free_before(&self, block: usize) -> usize {
        let start = block - WORD;
        // SAFETY: the block has a header, and a free one before it has its size in the last word.
        unsafe { if *word(start) & PREVIOUS_IS_FREE != 0 { *word(start - WORD) } else { 0 } }
    }

    /// Whether this is a block in use with this layout, as far as that can be seen.
    pub fn is_in_use(&self, block: usize, layout: Layout) -> bool {
        let (start, size) = (block.wrapping_sub(WORD), size_of_block(layout.size()));
        let is_here = self.contains(start) && block.is_multiple_of(layout.align().max(UNIT));
        // What is left of a free block belongs to this one if it is too small for another.
        // SAFETY: it is in this heap.
        is_here && unsafe { *word(start) & FREE == 0 && (size..size + MIN).contains(&size_at(start)) }
    }

    /// Whether this address lies between the start of this heap and its end.
    pub fn contains(&self, address: usize) -> bool {
        (self.start..self.limit).contains(&address)
    }

    /// Finds a free block with room for a block of this size and alignment. In each bin it tries at most `tries`.
    fn find(&self, size: usize, align: usize, tries: usize) -> Option<usize> {
        let mut bins = self.used_bins & (u128::MAX << bin_of(size));
        while bins != 0 {
            let mut node = self.bins[bins.trailing_zeros() as usize];
            for _ in 0..tries {
                // SAFETY: a block in a bin has a header, and links.
                let Some(Node { next, .. }) = (unsafe { node.as_ref() }) else { break };
                let start = node.addr() - WORD;
                // SAFETY: as above.
                if position(start, align) + size <= start + unsafe { size_at(start) } {
                    return Some(start);
                }
                node = *next;
            }
            bins &= bins - 1;
        }
        None
    }

    /// Moves the break up, so that the top ends at `end` at least; or if others have moved it, starts a new top
    /// with room for `anew` bytes. Returns whether that could be done.
    fn grow(&mut self, end: usize, anew: usize) -> bool {
        let Some(new) = self.region.grow(end + WORD, anew + 2 * MIN) else { return false };
        if new.start != self.limit + WORD {
            let (top, limit) = (self.top, self.limit);
            self.top = new.start.next_multiple_of(UNIT) + WORD;
            // The first page may have been somebody else's, up to its middle.
            self.zeroed_from = new.start.next_multiple_of(PAGE_GRANULARITY);
            if self.start == 0 {
                self.start = self.top;
            } else {
                // SAFETY: the limit is the last word of what the region had before. What is below it and was the top
                // lies after a block in use.
                unsafe {
                    *word(limit) = 0;
                    if top < limit {
                        self.release(top, limit);
                    }
                }
            }
        }
        self.limit = new.end - WORD;
        true
    }

    /// Makes a block in use as small as it can be with this size. What is left is free.
    ///
    /// # Safety
    ///
    /// The block is at least so large, and what is split off isn't used.
    unsafe fn split(&mut self, start: usize, size: usize) {
        // SAFETY: the block has a header.
        unsafe {
            let rest = size_at(start) - size;
            if rest >= MIN {
                *word(start) -= rest;
                self.release(start + size, start + size + rest);
            }
            self.zeroed_from = self.zeroed_from.max(start + size_at(start));
        }
    }

    /// Makes memory free: a part of the top, which may go back to the kernel, or a block in a bin. It coalesces with
    /// what is free after it.
    ///
    /// # Safety
    ///
    /// It is nobody's, and lies after a block in use, and before the top or another block.
    unsafe fn release(&mut self, start: usize, mut end: usize) {
        // SAFETY: from the top on, all is free. Any other block has a header, and has room for what is written here.
        unsafe {
            if end == self.top {
                self.top = start;
                self.region.trim(start, self.zeroed_from.saturating_sub(start));
                self.limit = self.region.end - WORD;
                self.zeroed_from = self.zeroed_from.min(self.region.end);
                return;
            }
            if *word(end) & FREE != 0 {
                end = self.remove(end);
            }
            let (size, bin) = (end - start, bin_of(end - start));
            *word(start) = size | FREE;
            *word(end - WORD) = size;
            *word(end) |= PREVIOUS_IS_FREE;
            push(&mut self.bins[bin], word(start + WORD).cast());
            self.used_bins |= 1 << bin;
        }
    }

    /// Takes a free block out of its bin, or what is free at the top, and returns its end.
    ///
    /// # Safety
    ///
    /// The block is in a bin, or this is the top.
    unsafe fn remove(&mut self, start: usize) -> usize {
        if start == self.top {
            self.top = self.limit;
            return self.limit;
        }
        // SAFETY: a free block has a header, and links to the others in its bin.
        unsafe {
            let end = start + size_at(start);
            let bin = bin_of(end - start);
            *word(end) &= !PREVIOUS_IS_FREE;
            remove(&mut self.bins[bin], word(start + WORD).cast());
            if self.bins[bin].is_null() {
                self.used_bins &= !(1 << bin);
            }
            end
        }
    }
}

/// Returns a pointer to a word of the heap.
fn word(address: usize) -> *mut usize {
    with_exposed_provenance_mut(address)
}

/// Returns the size of a block.
///
/// # Safety
///
/// A block starts there.
unsafe fn size_at(start: usize) -> usize {
    // SAFETY: a block starts with its header.
    unsafe { *word(start) & !(UNIT - 1) }
}

/// Returns the size of the block for so many bytes, of which there are at most `isize::MAX`.
fn size_of_block(bytes: usize) -> usize {
    (bytes + WORD).next_multiple_of(UNIT).max(MIN)
}

/// Returns where the first block with this alignment starts in what is free from `start` on. What lies between is
/// empty, or large enough for a free block.
fn position(start: usize, align: usize) -> usize {
    let first = |from: usize| ((from + WORD + align - 1) & !(align - 1)) - WORD;
    if first(start) == start { start } else { first(start + MIN) }
}

/// Returns the bin for free blocks of this size. A bin begins at a power of two, or at one and a half times that, and
/// ends where the next one begins.
fn bin_of(size: usize) -> usize {
    let power = size.ilog2() as usize;
    2 * power + (size >> (power - 1) & 1)
}
