//! All blocks: large ones from the large heap, and small ones, of up to [`MAX`] bytes. The size of a small block is
//! rounded up to that of its class. The blocks of a class lie side by side in runs of 16 KiB, at multiples of 16 KiB:
//!
//! ```text
//!  multiple of 16 KiB                                                           16 KiB on
//!  |                                                                                    |
//!  | header     | block | block | block | block | block | never used yet            |word|
//!  |            |   3   |   4   |   5   |   6   |   7   |                           |    |
//!    class = 2      |       ^       |       ^       |   ^
//!    used = 3     in use    |    in use     |    in use |
//!    free ----------------------------------+           unused
//!                           +---------------+
//! ```
//!
//! - Block number n starts n times its size from the start of the run. The blocks that the header covers don't exist,
//!   and the last word is the header of what follows in the large heap.
//! - A block has no header. The start of its run is its address rounded down to 16 KiB.
//! - Free blocks form a list: each has the address of the next one in its first bytes.
//! - The runs of a class that have room form a list too. A run without a block in use goes back to the large heap. The
//!   last such run is kept until another run or a large block is made, freed or resized, unless more than 32 KiB are
//!   free right below it.
//! - Blocks of up to 64 KiB that are aligned to a page are in runs too, since a header before each would take another
//!   page. Such a run is at least 32 times as large as its blocks, and goes back as soon as none of them is in use.

use crate::break_region::HUGE_PAGE;
use crate::large::{Large, WORD};
use crate::list::{Node, push, remove};
use core::alloc::Layout;
use core::mem::replace;
use core::ptr::{null_mut, with_exposed_provenance_mut};

/// The largest size of a small block, and the size of a run of these, in bytes.
const MAX: usize = 1024;
const RUN: usize = 16 << 10;

/// The size of a page on most machines, and of the largest block that is in a run if it is aligned to a page, in bytes.
const PAGE: usize = 4096;
const MAX_ALIGNED: usize = 64 << 10;

/// How many classes there are, and how many of them are small. Their sizes are multiples of 8 bytes from 8 (not used)
/// to 64, and then four to each doubling. So above 64 bytes, rounding up adds less than a quarter.
const CLASSES: usize = 48;
const SMALL_CLASSES: usize = 24;

/// Returns the class of blocks for a layout, or `None` if they are in no run. The class's size is a multiple of the
/// alignment. For example, 24 bytes are in class 2, 64 in 7, 80 in 8, and 1,024 in 23.
pub(crate) fn class_of(layout: Layout) -> Option<usize> {
    let align = layout.align().max(8);
    let max = if align < PAGE { MAX } else { MAX_ALIGNED };
    // This doesn't overflow, as `Layout` guarantees.
    let size = (layout.size().max(16) + align - 1) & !(align - 1);
    // How many units of 8 bytes it takes beside the first. The class is their highest three bits, and 4 more for each
    // bit below these.
    let units = (size - 1) / 8;
    let shift = units.ilog2().saturating_sub(2) as usize;
    (size <= max).then_some((units >> shift) + 4 * shift)
}

/// Returns the size of the blocks of a class.
fn size_of_class(class: usize) -> usize {
    let shift = (class / 4).saturating_sub(1);
    8 * ((class - 4 * shift + 1) << shift)
}

/// Returns the size and the alignment of the runs of a class.
fn size_of_run(class: usize) -> usize {
    if class < SMALL_CLASSES { RUN } else { (32 * size_of_class(class)).next_power_of_two() }
}

/// The header of a run.
#[repr(C)]
struct Run {
    /// Links to the other runs that have room, while this run has room.
    links: Node,
    class: usize,
    /// The first free block.
    free: *mut u8,
    /// Where the part starts that has never been used, and needn't be in memory, in bytes from the start of the run.
    unused: usize,
    /// How many blocks are in use, and how many can be.
    used: usize,
    capacity: usize,
}

/// All blocks of a heap.
pub(crate) struct Blocks {
    /// Where the runs and the large blocks are from.
    pub large: Large,
    /// For each class, the runs that have room.
    runs: [*mut Node; CLASSES],
    /// The run that is kept, or null. It may have a block in use again.
    kept: *mut Run,
}

// SAFETY: the memory that the pointers lead to belongs to whoever has this.
unsafe impl Send for Blocks {}

impl Blocks {
    /// A heap without memory.
    pub const EMPTY: Self = Blocks { large: Large::EMPTY, runs: [null_mut(); CLASSES], kept: null_mut() };

    /// Returns a block, and how many bytes at its start may have been written to.
    pub fn allocate(&mut self, layout: Layout) -> Option<(*mut u8, usize)> {
        let Some(class) = class_of(layout) else { return self.large().allocate(layout) };
        if self.runs[class].is_null() {
            self.add_run(class)?;
        }
        let run = self.runs[class].cast::<Run>();
        // SAFETY: the runs in the lists have room: so if no block is free, one more fits above the others.
        unsafe {
            let mut block = (*run).free;
            if block.is_null() {
                block = run.cast::<u8>().add((*run).unused);
                (*run).unused += size_of_class(class);
            } else {
                (*run).free = *block.cast();
            }
            (*run).used = (*run).used.wrapping_add(1);
            if (*run).used == (*run).capacity {
                remove(&mut self.runs[class], run.cast());
            }
            Some((block, layout.size()))
        }
    }

    /// Adds a run, if there is room for one.
    #[cold]
    fn add_run(&mut self, class: usize) -> Option<()> {
        let size = size_of_run(class);
        let run = self.large().allocate(Layout::from_size_align(size - WORD, size).ok()?)?.0.cast::<Run>();
        if class < SMALL_CLASSES {
            // Runs lie side by side: if this one is at the start of a huge page, the next ones are in the rest of it.
            self.large.region.advise_huge_pages(run.addr(), run.addr() + HUGE_PAGE);
        }
        let unused = size_of::<Run>().next_multiple_of(size_of_class(class));
        let capacity = (size - WORD - unused) / size_of_class(class);
        // SAFETY: the run is new, and large enough for a header.
        unsafe {
            let links = Node { next: null_mut(), previous: null_mut() };
            *run = Run { links, class, free: null_mut(), unused, used: 0, capacity };
            push(&mut self.runs[class], run.cast());
        }
        Some(())
    }

    /// Takes a block back.
    /// Safety: the block is from this heap, with this layout, and isn't used again.
    pub unsafe fn deallocate(&mut self, block: usize, layout: Layout) {
        // SAFETY: a block that isn't in a run is one of the large heap. One in a run has room for an address.
        unsafe {
            let Some(class) = class_of(layout) else { return self.large().deallocate(block) };
            let run = with_exposed_provenance_mut::<Run>(block & !(size_of_run(class) - 1));
            if (*run).used == (*run).capacity {
                push(&mut self.runs[class], run.cast());
            }
            let block = with_exposed_provenance_mut::<u8>(block);
            *block.cast() = replace(&mut (*run).free, block);
            // If a block is freed twice, this must not panic, since the heap is locked.
            (*run).used = (*run).used.wrapping_sub(1);
            if (*run).used == 0 {
                if self.kept != run {
                    self.give_back_kept();
                    self.kept = run;
                }
                if class >= SMALL_CLASSES || self.large.free_before(run.addr()) > 2 * RUN {
                    self.give_back_kept();
                }
            }
        }
    }

    /// Gives the kept run back to the large heap, unless a block of that run is in use again.
    fn give_back_kept(&mut self) {
        let run = replace(&mut self.kept, null_mut());
        // SAFETY: it is null or a run, and a run without a block in use isn't used again.
        unsafe {
            if !run.is_null() && (*run).used == 0 {
                remove(&mut self.runs[(*run).class], run.cast());
                self.large.deallocate(run.addr());
            }
        }
    }

    /// Returns the large heap, for a large block or a run. The kept run goes back to it first, to make room.
    pub fn large(&mut self) -> &mut Large {
        self.give_back_kept();
        &mut self.large
    }
}
