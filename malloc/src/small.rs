//! Small blocks: cut out of runs, each of which has blocks of one size.
//!
//! Most of what a program allocates is small. So sizes of up to [`MAX`] bytes are rounded up to one of [`SIZES`], and
//! blocks of one size lie side by side in a run, 64 KiB at a multiple of 64 KiB:
//!
//! ```text
//!  multiple of 64 KiB                                                           64 KiB on
//!  |                                                                                    |
//!  | header     | block | block | block | block | block | never used yet            |word|
//!  |            |   3   |   4   |   5   |   6   |   7   |                           |    |
//!    size = 16      |       ^       |       ^       |   ^
//!    used = 3     in use    |    in use     |    in use |
//!    free ----------------------------------+           unused
//!                           +---------------+
//! ```
//!
//! - Block number n starts n times its size from the start of the run. The blocks that the header covers don't exist,
//!   and the last word is the header of what follows in the large heap.
//! - A block has no header. The start of its run, and so the header, is its address rounded down to 64 KiB.
//! - Free blocks form a list: each has the address of the next one in its first bytes. The part from `unused` on has
//!   never been used, so the kernel needn't have mapped it.
//! - The runs of one size that have room form a list too. A run without a block in use goes back to the large heap.
//! - Where there is no room for another run, a small block is one of the large heap's (or of a run of larger blocks).
//!   The address tells: sizes are multiples of twice the alignment, and so are the addresses of blocks in runs, but
//!   those of blocks elsewhere are not.

use crate::large::Large;
use crate::list::{Node, push, remove};
use core::alloc::Layout;
use core::mem::replace;
use core::ptr::{NonNull, null_mut, with_exposed_provenance_mut};

/// The sizes of blocks, in bytes: multiples of 16 up to 128, then four to each doubling. So above 64 bytes, rounding up
/// adds less than a quarter. A multiple of a power of two is rounded up to a multiple of that.
const SIZES: [u32; 20] =
    [16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, MAX as u32];

/// The largest small size, in bytes.
const MAX: usize = 1024;

/// The size of a run, and its alignment, in bytes.
const RUN: usize = 64 << 10;

/// Returns which small blocks a layout is for: the place of their size in [`SIZES`], and their least alignment. That
/// bit is set in the address of a block that is in no run. `None` if they aren't small.
#[inline]
pub(crate) fn class_of(layout: Layout) -> Option<(usize, usize)> {
    let align = layout.align().max(8);
    // How many units of 16 bytes it takes beside the first, when the size is rounded up to a multiple of twice the
    // alignment. That doesn't overflow, as `Layout` guarantees.
    let units = (((layout.size() + 2 * align - 1) & !(2 * align - 1)) - 1) / 16;
    // From the ninth size on, by the power of two and the two bits below its own.
    let power = units.max(8).ilog2() as usize;
    let size = if units < 8 { units } else { 4 * power + (units >> (power - 2)) - 8 };
    (units < MAX / 16).then_some((size, align))
}

/// Returns the layout of the large block that a small one in no run lies in, `align` bytes from the start.
fn around((size, align): (usize, usize)) -> Layout {
    // SAFETY: the alignment is a power of two, and both are small.
    unsafe { Layout::from_size_align_unchecked(SIZES[size] as usize + align, 2 * align) }
}

/// A free block.
struct Free {
    next: *mut Free,
    /// The complement of this block's address, as long as it is free. (For [`Small::check`].)
    this: usize,
}

/// The header of a run.
#[repr(C)]
struct Run {
    /// Links to the other runs in the list, if this is in it: if it has room.
    links: Node,
    /// The first free block.
    free: *mut Free,
    /// Where the part that has never been used starts, in bytes from the start of the run.
    unused: u32,
    /// How many blocks are in use, and how many can be.
    used: u32,
    capacity: u32,
    /// The place of the blocks' size in [`SIZES`].
    size: u32,
    /// The address of the run itself: what has this at a multiple of 64 KiB is a run. (For [`Small::check`].)
    this: usize,
}

/// The heap for small blocks.
pub(crate) struct Small {
    /// Where the runs are from.
    pub large: Large,
    /// For each of [`SIZES`], the runs that have room.
    runs: [*mut Node; SIZES.len()],
    /// Whether a block of a run has ever been handed out as a smaller one.
    has_lent: bool,
}

impl Small {
    /// A heap without runs.
    pub const fn new() -> Self {
        Small { large: Large::new(), runs: [null_mut(); SIZES.len()], has_lent: false }
    }

    /// Returns a block, and how many bytes at its start may have been written to.
    #[inline]
    pub fn allocate(&mut self, layout: Layout) -> Option<(NonNull<u8>, usize)> {
        let Some((mut size, align)) = class_of(layout) else { return self.large.allocate(layout) };
        if self.runs[size].is_null() && self.add_run(size).is_none() {
            // A larger block does too, if it is aligned well enough.
            let mut larger = (size..SIZES.len()).filter(|&larger| SIZES[larger].is_multiple_of(2 * align as u32));
            let Some(larger) = larger.find(|&larger| !self.runs[larger].is_null()) else {
                let (block, _) = self.large.allocate(around((size, align)))?;
                // SAFETY: this is in the block.
                return Some((unsafe { block.byte_add(align) }, layout.size()));
            };
            (size, self.has_lent) = (larger, true);
        }
        let run = self.runs[size].cast::<Run>();
        // SAFETY: the runs in the lists have room: so if no block is free, one more fits above the others.
        unsafe {
            let mut block = (*run).free;
            if block.is_null() {
                block = run.byte_add((*run).unused as usize).cast();
                (*run).unused += SIZES[size];
            } else {
                (*run).free = (*block).next;
            }
            (*block).this = 0;
            (*run).used += 1;
            if (*run).used == (*run).capacity {
                remove(&mut self.runs[size], run.cast());
            }
            Some((NonNull::new_unchecked(block.cast()), layout.size()))
        }
    }

    /// Adds a run, if there is room for one.
    #[cold]
    fn add_run(&mut self, size: usize) -> Option<()> {
        let layout = Layout::from_size_align(RUN - size_of::<usize>(), RUN).ok()?;
        let run = self.large.allocate(layout)?.0.as_ptr().cast::<Run>();
        let unused = (size_of::<Run>() as u32).next_multiple_of(SIZES[size]);
        // SAFETY: it is new, and large enough for a header.
        unsafe {
            (*run).free = null_mut();
            (*run).unused = unused;
            (*run).used = 0;
            (*run).capacity = (RUN as u32 - size_of::<usize>() as u32 - unused) / SIZES[size];
            (*run).size = size as u32;
            (*run).this = run.addr();
            push(&mut self.runs[size], run.cast());
        }
        Some(())
    }

    /// Takes a block back. A run without a block in use goes back to the large heap.
    ///
    /// # Safety
    ///
    /// The block is from here, with this layout, and isn't used again.
    #[inline]
    pub unsafe fn deallocate(&mut self, block: usize, layout: Layout) {
        if let Some((block, _)) = large_block(block, layout) {
            // SAFETY: as the caller says.
            return unsafe { self.large.deallocate(block) };
        }
        let (run, block) = (run_of(block), with_exposed_provenance_mut::<Free>(block));
        // SAFETY: it is in a run.
        unsafe {
            let runs = &mut self.runs[(*run).size as usize];
            if (*run).used == (*run).capacity {
                push(runs, run.cast());
            }
            *block = Free { next: replace(&mut (*run).free, block), this: !block.addr() };
            (*run).used -= 1;
            if (*run).used == 0 {
                remove(runs, run.cast());
                (*run).this = 0;
                self.large.deallocate(run.addr());
            }
        }
    }

    /// Returns what is wrong with freeing this block, if that can be seen.
    pub fn check(&self, block: usize, layout: Layout) -> Result<(), &'static str> {
        if let Some((block, layout)) = large_block(block, layout) {
            return self.large.check(block, layout);
        } else if !self.large.contains(block) {
            return Err("it is not in this heap");
        }
        let run = run_of(block);
        // SAFETY: it is read only if it is in this heap, and what has its own address there is a run.
        unsafe {
            if !self.large.contains(run.addr()) || (*run).this != run.addr() {
                return Err("it is in no run of small blocks");
            }
            let (size, offset) = ((*run).size as usize, (block - run.addr()) as u32);
            let class = class_of(layout).map_or(0, |(size, _)| size);
            if size != class && !(self.has_lent && size > class) {
                Err("its run has blocks of another size")
            } else if !(size_of::<Run>() as u32..(*run).unused).contains(&offset) || offset % SIZES[size] != 0 {
                Err("no block starts there")
            } else if (*with_exposed_provenance_mut::<Free>(block)).this == !block {
                Err("it is free already")
            } else {
                Ok(())
            }
        }
    }
}

/// Returns the large block that this one is or lies in, unless it is in a run, and the layout of that.
#[inline]
fn large_block(block: usize, layout: Layout) -> Option<(usize, Layout)> {
    match class_of(layout) {
        None => Some((block, layout)),
        Some((size, align)) if block & align != 0 => Some((block - align, around((size, align)))),
        Some(_) => None,
    }
}

/// Returns the run that a block is in.
fn run_of(block: usize) -> *mut Run {
    with_exposed_provenance_mut(block & !(RUN - 1))
}
