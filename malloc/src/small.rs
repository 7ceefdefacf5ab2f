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
//! - Block number n starts n times its size from the start of the run, so it is aligned as far as its size allows. The
//!   blocks that the header covers don't exist, and the last word is the large heap's own.
//! - A block has no header. The start of its run, and so the header, is its address rounded down to 64 KiB.
//! - Free blocks form a list: each has the address of the next one in its first bytes. The part from `unused` on has
//!   never been used, so the kernel needn't have mapped it.
//! - The runs of one size that have room form a list too. There are several sets of such lists, so that threads rarely
//!   wait for each other. A run without a block in use goes back to the large heap. A small heap keeps one, the spare,
//!   so that a program that makes and drops one block over and over doesn't get a run each time.
//! - Locks are taken in this order: that of a list, that of the empty runs, that of the large heap. So no two threads
//!   wait for each other.

use crate::large::Large;
use crate::lock::Lock;
use core::alloc::Layout;
use core::iter::successors;
use core::mem::replace;
use core::ptr::{NonNull, from_ref, null_mut, with_exposed_provenance_mut};

/// The largest small size, in bytes.
pub(crate) const MAX: usize = 1024;

/// The size of a run and its alignment, in bytes.
const RUN: usize = 64 * 1024;

/// When the heap is larger than this, in bytes, the spare goes back too. It could be at the top, and would then keep
/// all free memory below it from going back.
const SMALL_HEAP: usize = 256 * 1024;

/// The layout of a run as a block of the large heap. The large heap has a word of its own behind each block, which
/// makes 64 KiB together, so that runs lie side by side.
const RUN_LAYOUT: Layout = match Layout::from_size_align(RUN - size_of::<usize>(), RUN) {
    Ok(layout) => layout,
    Err(_) => unreachable!(),
};

/// The sizes of blocks, in bytes: multiples of 8 up to 64, then four to each doubling. So above 32 bytes,
/// rounding up adds less than a quarter. A multiple of an alignment is rounded up to a multiple of that alignment.
const SIZES: [u16; 24] =
    [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024];

/// The place in [`SIZES`] for a number of bytes, by that number divided by 8 and rounded up.
const CLASSES: [u8; MAX / 8 + 1] = {
    let mut classes = [0; MAX / 8 + 1];
    let mut eighths = 1;
    while eighths < classes.len() {
        let before = classes[eighths - 1];
        let fits = SIZES[before as usize] as usize >= 8 * eighths;
        classes[eighths] = if fits { before } else { before + 1 };
        eighths += 1;
    }
    classes
};

/// Returns the place in [`SIZES`] for blocks of this layout. None if they aren't small.
#[inline]
pub(crate) fn class_of(layout: Layout) -> Option<usize> {
    // The mask rounds up to a multiple of the alignment. An alignment above `MAX` makes the result larger than that,
    // and neither overflows, as `Layout` guarantees.
    let size = (layout.size() + layout.align() - 1) & !(layout.align() - 1);
    if size <= MAX { Some(CLASSES[size.div_ceil(8)].into()) } else { None }
}

/// A free block.
struct Block {
    next: *mut Block,
}

/// The header of a run.
pub(crate) struct Run {
    /// The neighbours in the list of runs that have room, if this is in it.
    next: *mut Run,
    previous: *mut Run,
    /// The first free block.
    free: *mut Block,
    /// Where the part that has never been used starts, in bytes from the start of the run.
    unused: u32,
    /// How many blocks are in use.
    used: u32,
    /// The set that it belongs to.
    set: usize,
    /// The place of the blocks' size in [`SIZES`].
    class: usize,
    /// The address of the run itself: what has this at a multiple of 64 KiB is a run.
    this: usize,
}

impl Run {
    fn is_full(&self) -> bool {
        self.free.is_null() && self.unused as usize + SIZES[self.class] as usize > RUN_LAYOUT.size()
    }
}

/// How many sets of runs there are, a power of two. Threads that use different sets don't wait for each other.
const SETS: usize = 8;

/// The heap for small blocks. A block goes back to the set that it is from, whichever thread frees it.
pub(crate) struct Small {
    sets: [Set; SETS],
    empty: Lock<Empty>,
}

/// The blocks of all sizes, apart from those of other sets by a cache line.
#[repr(align(64))]
struct Set([Lock<Class>; SIZES.len()]);

/// The blocks of one size.
struct Class {
    /// The first run that has room.
    runs: *mut Run,
}

/// The run without a block in use that is kept, if there is one.
struct Empty {
    spare: *mut Run,
}

// SAFETY: an address, of memory that belongs to whoever has this.
unsafe impl Send for Class {}
// SAFETY: likewise.
unsafe impl Send for Empty {}

impl Small {
    /// A heap without runs.
    pub const fn new() -> Self {
        Small {
            sets: [const { Set([const { Lock::new(Class { runs: null_mut() }) }; SIZES.len()]) }; SETS],
            empty: Lock::new(Empty { spare: null_mut() }),
        }
    }

    /// Returns a block. If that takes a new run, it is from `large`. None if there is none.
    #[inline]
    pub fn allocate(&self, class: usize, large: &Lock<Large>) -> Option<NonNull<u8>> {
        let set = set_of_thread();
        let mut list = self.sets[set].0[class].lock();
        if list.runs.is_null() {
            // SAFETY: the run is new.
            unsafe { list.link(self.empty.lock().get_run(set, class, large)?) };
        }
        let run = list.runs;
        // SAFETY: the runs in the lists are this heap's, with a header, and have room: so if no block is free, one more
        // fits above the others.
        unsafe {
            let mut block = (*run).free;
            if block.is_null() {
                block = run.byte_add((*run).unused as usize).cast();
                (*run).unused += SIZES[class] as u32;
            } else {
                (*run).free = (*block).next;
            }
            (*run).used += 1;
            if (*run).is_full() {
                list.unlink(run);
            }
            NonNull::new(block.cast())
        }
    }

    /// Takes a block back. A run that isn't needed any more goes back to `large`.
    ///
    /// # Safety
    ///
    /// The block is from here, with this class, and isn't used again.
    #[inline]
    pub unsafe fn deallocate(&self, block: *mut u8, class: usize, large: &Lock<Large>) {
        let run = run_of(block);
        // SAFETY: a block that is in use is in a run, and has room for an address. The run stays in its set.
        unsafe {
            let mut list = self.sets[(*run).set].0[class].lock();
            if (*run).is_full() {
                list.link(run);
            }
            block.cast::<Block>().write(Block { next: replace(&mut (*run).free, block.cast()) });
            (*run).used -= 1;
            if (*run).used == 0 {
                list.unlink(run);
                self.empty.lock().take_run(run, large);
            }
        }
    }

    /// Returns what is wrong with freeing this block, if something is.
    ///
    /// # Safety
    ///
    /// The block is in memory of this heap, and so is the start of the 64 KiB that it is in.
    pub unsafe fn check(&self, block: *mut u8, class: usize) -> Result<(), &'static str> {
        let run = run_of(block);
        // SAFETY: as the caller says, and what has its own address there is a run.
        unsafe {
            if (*run).this != run.addr() {
                return Err("it is in no run of small blocks");
            }
            let _list = self.sets[(*run).set].0[class].lock();
            if (*run).class != class {
                return Err("its run has blocks of another size");
            }
            let offset = block.addr() - run.addr();
            let blocks = size_of::<Run>()..(*run).unused as usize;
            if !blocks.contains(&offset) || !offset.is_multiple_of(SIZES[class].into()) {
                return Err("no block starts there");
            }
            let mut free = successors((*run).free.as_ref(), |free| free.next.as_ref());
            if free.any(|free| from_ref(free).cast() == block) {
                return Err("it is free already");
            }
        }
        Ok(())
    }
}

impl Class {
    /// Puts a run first in the list.
    ///
    /// # Safety
    ///
    /// The run is of this class, and not in the list.
    unsafe fn link(&mut self, run: *mut Run) {
        // SAFETY: the runs in the lists are this heap's, with a header.
        unsafe {
            (*run).next = replace(&mut self.runs, run);
            (*run).previous = null_mut();
            if let Some(next) = (*run).next.as_mut() {
                next.previous = run;
            }
        }
    }

    /// Takes a run out of the list.
    ///
    /// # Safety
    ///
    /// The run is in it.
    unsafe fn unlink(&mut self, run: *mut Run) {
        // SAFETY: the runs in the lists are this heap's, with a header.
        unsafe {
            let (next, previous) = ((*run).next, (*run).previous);
            if let Some(next) = next.as_mut() {
                next.previous = previous;
            }
            match previous.as_mut() {
                Some(previous) => previous.next = next,
                None => self.runs = next,
            }
        }
    }
}

impl Empty {
    /// Returns the spare, or a new run, for blocks of a class.
    #[cold]
    fn get_run(&mut self, set: usize, class: usize, large: &Lock<Large>) -> Option<*mut Run> {
        let mut run = replace(&mut self.spare, null_mut());
        if run.is_null() {
            // SAFETY: its size isn't 0.
            run = unsafe { large.lock().allocate(RUN_LAYOUT) }?.0.cast().as_ptr();
        }
        let unused = size_of::<Run>().next_multiple_of(SIZES[class].into()) as u32;
        let this = run.expose_provenance();
        let header =
            Run { next: null_mut(), previous: null_mut(), free: null_mut(), unused, used: 0, set, class, this };
        // SAFETY: nothing else is in a run that is new, or that was the spare.
        unsafe { run.write(header) };
        Some(run)
    }

    /// Takes a run that has no block in use any more, as the spare. If there is one already, the higher one goes back.
    ///
    /// # Safety
    ///
    /// The run is in no list, and isn't used again.
    #[cold]
    unsafe fn take_run(&mut self, run: *mut Run, large: &Lock<Large>) {
        let higher = run.max(self.spare);
        self.spare = if self.spare.is_null() { run } else { run.min(self.spare) };
        if higher != self.spare {
            // SAFETY: it is empty, and isn't the spare.
            unsafe { give_back(higher, large) };
        }
        if large.lock().size() > SMALL_HEAP {
            // SAFETY: it is empty, and isn't the spare any more.
            unsafe { give_back(replace(&mut self.spare, null_mut()), large) };
        }
    }
}

/// Gives a run back to the large heap.
///
/// # Safety
///
/// It isn't used again.
unsafe fn give_back(run: *mut Run, large: &Lock<Large>) {
    // SAFETY: as the caller says.
    unsafe {
        (*run).this = 0;
        large.lock().deallocate(run.cast(), RUN_LAYOUT);
    }
}

/// Returns the set that the calling thread takes new blocks from. `core` can't tell threads apart, but each has a stack
/// of its own. So this is a hash of the stack's address, in units of 2 MiB. (The factor is 2 to the power of 64 divided
/// by the golden ratio. It spreads neighbours.) Nothing depends on the result being the same each time.
#[inline]
fn set_of_thread() -> usize {
    let on_stack = 0_u8;
    (((&raw const on_stack).addr() >> 21).wrapping_mul(0x9e37_79b9_7f4a_7c15)) >> (usize::BITS - SETS.ilog2())
}

/// Returns the run that a block is in. (Its address is exposed, since a pointer to the block alone may not be used for
/// anything beside the block.)
#[inline]
pub(crate) fn run_of(block: *mut u8) -> *mut Run {
    with_exposed_provenance_mut(block.addr() & !(RUN - 1))
}
