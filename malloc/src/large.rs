//! Large blocks: parts of the [`BreakRegion`].
//!
//! ```text
//!    the region: | header | block | header | free      size | header | block | header | block | top (free)    |end|
//! ```
//!
//! - Each block has a header, the word before it: its size together with the header, and in the lowest bits, which a
//!   size doesn't need, whether the block is free and whether the one before it is.
//! - A free block has its size in its last word too (the *boundary tag*). So a block that is freed finds both of its
//!   neighbours, and coalesces with those that are free.
//! - Free blocks of similar sizes form a list, a *bin*.
//! - The top is what is free below the break. It is in no bin, and is used when no other free block is found.
//! - Where somebody else has moved the break, a header of size 0 ends what lies below, and the heap goes on above.

use crate::break_region::{BreakRegion, PAGE_GRANULARITY};
use crate::list::{Node, bin_of, push, remove};
use core::alloc::Layout;
use core::iter::successors;
use core::ptr::{null_mut, with_exposed_provenance_mut};

/// The size of a header, in bytes.
pub(crate) const WORD: usize = size_of::<usize>();
/// Sizes and alignments of blocks are multiples of this.
const UNIT: usize = 2 * WORD;
/// The size of the smallest block, in bytes: when it is free it has a header, links, and its size again.
const MIN_BLOCK: usize = 2 * UNIT;

// The lowest bits of a header.
const FREE: usize = 1;
const PREVIOUS_IS_FREE: usize = 2;

/// How many blocks of a bin are tried that may be too small, before a larger one or the top is taken.
const TRIES: usize = 8;

/// The heap for large blocks.
pub(crate) struct Large {
    pub region: BreakRegion,
    /// Where the top starts. It ends a word below the end of the region.
    top: usize,
    /// From here on the top is still zeroed, as the kernel mapped it.
    zeroed_from: usize,
    bins: [*mut Node; 128],
}

impl Large {
    /// A heap without memory. It asks for some when it is used.
    pub const EMPTY: Self = Large { region: BreakRegion::EMPTY, top: 0, zeroed_from: 0, bins: [null_mut(); 128] };

    /// Returns a block, and how many bytes at its start may have been written to. The others are zero.
    pub fn allocate(&mut self, layout: Layout) -> Option<(*mut u8, usize)> {
        let (size, align) = (size_of_block(layout.size()), layout.align().max(UNIT));
        let end = first_aligned(self.top, align) + size + WORD;
        let free = match self.find(size, align, TRIES) {
            Some(free) => free,
            None if end <= self.region.end || self.grow(end, size + align) => self.top,
            // The kernel has none left, so it is worth a search of any length.
            None => self.find(size, align, usize::MAX)?,
        };
        let start = first_aligned(free, align);
        let written = self.zeroed_from.saturating_sub(start + WORD).min(layout.size());
        // SAFETY: there is room. From the first free byte to the end, this memory is not in use.
        unsafe {
            *word(start) = self.remove(free) - start;
            if start > free {
                self.make_free(free, start);
            }
            self.split(start, start + size);
            Some((word(start + WORD).cast(), written))
        }
    }

    /// Takes a block back.
    /// Safety: the block is from this heap, and isn't used again.
    pub unsafe fn deallocate(&mut self, block: usize) {
        let start = block - WORD;
        // SAFETY: the block has a header, and what is free right before it is a block too.
        unsafe {
            let (end, free) = (end_of(start, *word(start)), self.free_before(block));
            if free > 0 {
                self.remove(start.wrapping_sub(free));
            }
            self.make_free(start.wrapping_sub(free), end);
        }
    }

    /// Resizes a block where it is, at the top together with the heap. Returns whether it could get the new size.
    /// Safety: the block is from this heap, and its bytes from `new_size` on aren't used again.
    pub unsafe fn resize(&mut self, block: usize, new_size: usize) -> bool {
        let (start, size) = (block - WORD, size_of_block(new_size));
        let new_end = start + size;
        // SAFETY: blocks have headers, and what comes after this block is the top, or a block too.
        unsafe {
            let end = end_of(start, *word(start));
            if end == self.top && new_end + WORD > self.region.end {
                // If others have moved the break, this makes a top above them, for the block that replaces this one.
                self.grow(new_end + WORD, size);
            }
            // The block takes all that is free after it, and `split` gives back what it doesn't need.
            if end == self.top || *word(end) & FREE != 0 {
                *word(start) = self.remove(end).wrapping_sub(start) | *word(start) & PREVIOUS_IS_FREE;
            }
            let fits = new_end <= end_of(start, *word(start));
            if fits && size / 2 <= end.wrapping_sub(start) {
                // This is how a block grows that is filled. One that grows by more may only be reserved.
                self.region.advise_huge_pages(end, new_end);
            }
            self.split(start, if fits { new_end } else { end });
            fits
        }
    }

    /// Returns how many bytes are free right before a block.
    /// Safety: the block is from this heap.
    pub unsafe fn free_before(&self, block: usize) -> usize {
        // SAFETY: the block has a header, and a free one before it has its size in the last word.
        unsafe { if *word(block - WORD) & PREVIOUS_IS_FREE != 0 { *word(block - 2 * WORD) } else { 0 } }
    }

    /// Finds a free block with room for a block of this size and alignment. In each bin it tries at most `tries`.
    fn find(&self, size: usize, align: usize, tries: usize) -> Option<usize> {
        // SAFETY: a block in a bin has a header and links.
        self.bins[bin_of(size)..].iter().find_map(|bin| unsafe {
            let nodes = successors(bin.as_ref(), |node| node.next.as_ref());
            let mut starts = nodes.take(tries).map(|node| (&raw const *node).addr() - WORD);
            starts.find(|&start| first_aligned(start, align) + size <= end_of(start, *word(start)))
        })
    }

    /// Moves the break up, so that the region ends at `end` at least; or, the first time or if others have moved it,
    /// starts a new top with room for `anew` bytes. Returns whether that could be done.
    fn grow(&mut self, end: usize, anew: usize) -> bool {
        let (old_top, old_end) = (self.top, self.region.end);
        let Some(start) = self.region.grow(end, anew + 2 * MIN_BLOCK) else { return false };
        if start != old_end {
            self.top = start.next_multiple_of(UNIT) + WORD;
            // The first page may have been somebody else's, up to its middle.
            self.zeroed_from = start.next_multiple_of(PAGE_GRANULARITY);
            if old_end != 0 {
                // SAFETY: the old top ended here, a word below the old end. What was the top lies after a block in use.
                unsafe {
                    *word(old_end - WORD) = 0;
                    if old_top < old_end - WORD {
                        self.make_free(old_top, old_end - WORD);
                    }
                }
            }
        }
        true
    }

    /// Shrinks a block in use to `end`, and frees the rest if that is large enough for a block.
    /// Safety: the block reaches that far, and what is split off isn't used.
    unsafe fn split(&mut self, start: usize, end: usize) {
        // SAFETY: the block has a header.
        unsafe {
            let old_end = end_of(start, *word(start));
            if old_end.saturating_sub(end) >= MIN_BLOCK {
                *word(start) -= old_end - end;
                self.make_free(end, old_end);
            }
            self.zeroed_from = self.zeroed_from.max(end_of(start, *word(start)));
        }
    }

    /// Makes memory a part of the top, which may go back to the kernel, or a free block, with what is free after it.
    /// Safety: nobody uses the memory, which lies after a block in use. It ends where the top or another block starts,
    /// and has at least [`MIN_BLOCK`] bytes if that is a block.
    unsafe fn make_free(&mut self, start: usize, mut end: usize) {
        // SAFETY: from the top on, all is free. Any other block has a header, and has room for what is written here.
        unsafe {
            if end == self.top {
                self.top = start;
                self.region.trim(start, self.zeroed_from.saturating_sub(start));
                self.zeroed_from = self.zeroed_from.min(self.region.end);
                return;
            }
            if *word(end) & FREE != 0 {
                end = self.remove(end);
            }
            let size = end.wrapping_sub(start);
            *word(start) = size | FREE;
            *word(end - WORD) = size;
            *word(end) |= PREVIOUS_IS_FREE;
            push(&mut self.bins[bin_of(size)], word(start + WORD).cast());
        }
    }

    /// Takes a free block out of its bin, or what is free at the top, and returns its end.
    /// Safety: `start` is where the top starts, or where a block in a bin starts.
    unsafe fn remove(&mut self, start: usize) -> usize {
        if start == self.top {
            self.top = self.region.end - WORD;
            return self.top;
        }
        // SAFETY: a free block has a header, and links to the others in its bin.
        unsafe {
            let end = end_of(start, *word(start));
            *word(end) &= !PREVIOUS_IS_FREE;
            remove(&mut self.bins[bin_of(end.wrapping_sub(start))], word(start + WORD).cast());
            end
        }
    }
}

/// Returns a pointer to a word of the heap.
fn word(address: usize) -> *mut usize {
    with_exposed_provenance_mut(address)
}

/// Returns where a block with this header ends. If the header was overwritten by mistake, this can be any address.
fn end_of(start: usize, header: usize) -> usize {
    start.wrapping_add(header & !(UNIT - 1))
}

/// Returns the size of the block for so many bytes, of which there are at most `isize::MAX`.
fn size_of_block(bytes: usize) -> usize {
    (bytes + WORD).next_multiple_of(UNIT).max(MIN_BLOCK)
}

/// Returns where the first block with this alignment starts in what is free from `start` on. What lies between is
/// empty, or large enough for a free block.
fn first_aligned(start: usize, align: usize) -> usize {
    let first = |from: usize| ((from + WORD + align - 1) & !(align - 1)) - WORD;
    if first(start) == start { start } else { first(start + MIN_BLOCK) }
}
