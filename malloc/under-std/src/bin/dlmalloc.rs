//! dlmalloc on the same source.
use program_break_malloc::BreakRegion;
use spinning_top::Spinlock;
use std::alloc::{GlobalAlloc, Layout};
use std::ptr::null_mut;

struct Break(Spinlock<BreakRegion>);

// SAFETY: the memory is the source's, and nobody else's.
unsafe impl dlmalloc::Allocator for Break {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        self.0.lock().grow(size).map_or((null_mut(), 0, 0), |(start, end)| (start, end as usize - start as usize, 0))
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        null_mut()
    }

    fn free_part(&self, start: *mut u8, old: usize, new: usize) -> bool {
        let end = start.wrapping_add(new);
        let mut source = self.0.lock();
        // SAFETY: dlmalloc doesn't use it any more.
        start.wrapping_add(old) == source.end() && unsafe { source.shrink(end) }
    }

    fn free(&self, start: *mut u8, size: usize) -> bool {
        self.free_part(start, size, 0)
    }

    fn can_release_part(&self, _: u32) -> bool {
        true
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        4096
    }
}

struct Heap(Spinlock<dlmalloc::Dlmalloc<Break>>);

// SAFETY: dlmalloc's.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller says.
        unsafe { self.0.lock().malloc(layout.size(), layout.align()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller says.
        unsafe { self.0.lock().calloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller says.
        unsafe { self.0.lock().free(block, layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as the caller says.
        unsafe { self.0.lock().realloc(block, layout.size(), layout.align(), new_size) }
    }
}

#[global_allocator]
static HEAP: Heap =
    Heap(Spinlock::new(dlmalloc::Dlmalloc::new_with_allocator(Break(Spinlock::new(BreakRegion::new())))));

fn main() {
    under_std::main();
}
