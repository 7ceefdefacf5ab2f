//! A heap for Rust's `alloc` crate, whose every byte comes from the program break: how a `malloc` gets its memory from
//! the kernel.
//!
//! ```ignore
//! #[global_allocator]
//! static HEAP: program_break_malloc::Heap = program_break_malloc::Heap::new();
//! ```
//!
//! `break_region.rs` gets the memory, `large.rs` cuts large blocks out of it, and `blocks.rs` cuts small blocks out of
//! large ones. `bin/bump.rs` is where to begin: the smallest allocator on the program break.

#![no_std]

mod blocks;
mod break_region;
mod large;
mod list;
mod lock;

use blocks::{Blocks, class_of};
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::null_mut;
use lock::Lock;

/// A global allocator on the program break.
///
/// # Threads
///
/// Threads may share a heap, but only one can use it at a time. The others wait, and soon do so in the kernel, so that
/// this one can run. Neither their order nor how long they wait is guaranteed, whatever their priorities. The heap is
/// not for signal handlers, nor for the child of a `fork` in a program with threads: they might wait for ever.
///
/// # Others on the break
///
/// A program may have several heaps, and may move the break itself while no other thread uses a heap. The heap looks up
/// where the break is each time before it moves it, and leaves alone what others have put above its memory. The others
/// have to do the same. glibc's `malloc` doesn't: it goes on from where it left the break, and takes away what was put
/// there since. So a program with glibc has to keep that off the break before it uses the heap, by `M_MMAP_THRESHOLD`
/// 0, `M_MMAP_MAX` `INT_MAX` and `M_TRIM_THRESHOLD` -1 (`man 3 mallopt`). std allocates before `main`, so where the
/// heap is the global allocator, a function in the section `.init_array` has to do that. musl has no such settings, so
/// the heap is not for programs that are linked with musl.
///
/// The memory of a heap that is dropped doesn't go back to the kernel.
///
/// # Errors
///
/// When no memory is left, `try_reserve` returns an error. Where Rust can't return one, a freestanding program panics
/// with a message that has the number of bytes, and exits with status 70. (With std, it prints a message and aborts.) A
/// block of up to 1 KiB, or of up to 64 KiB if it is aligned to a page, may move when its size changes, and so may a
/// block that becomes that small. So `realloc` can fail even when it makes a block smaller.
///
/// As [`GlobalAlloc`] says, it is undefined behaviour to free or resize anything but a block in use, for example to
/// free a block twice, or to give another layout than the block has. The heap doesn't check that.
pub struct Heap(Lock<Blocks>);

impl Heap {
    /// A heap without memory. It asks for some when it is used.
    #[expect(clippy::new_without_default, reason = "a heap is a static, which can't be made by Default")]
    pub const fn new() -> Self {
        Heap(Lock::new(Blocks::EMPTY))
    }

    /// How often this heap has called `brk` so far.
    pub fn brk_calls(&self) -> usize {
        self.0.locked(|blocks| blocks.large.region.brk_calls)
    }
}

// SAFETY: no two blocks overlap. The layout says whether a block is in a run or is a large one.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.locked(|blocks| blocks.allocate(layout)).map_or(null_mut(), |(block, _)| block)
    }

    /// Zeroes what may have been written to. In a large block, what the kernel has just provided is zero already.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some((block, written)) = self.0.locked(|blocks| blocks.allocate(layout)) else { return null_mut() };
        // SAFETY: this is in the new block.
        unsafe { block.write_bytes(0, written) };
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller has it from here, with this layout.
        self.0.locked(|blocks| unsafe { blocks.deallocate(block.expose_provenance(), layout) });
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller sees to it that the size is right for a layout.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        let address = block.expose_provenance();
        let stays = match (class_of(layout), class_of(new_layout)) {
            // SAFETY: the caller has the large block from here.
            (None, None) => self.0.locked(|blocks| unsafe { blocks.large().resize(address, new_size) }),
            (old, new) => old == new,
        };
        if stays {
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
