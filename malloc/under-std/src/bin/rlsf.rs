//! rlsf on the same source. It has no way to give a part of its memory back.
use program_break_malloc::BreakRegion;
use rlsf::{FlexSource, FlexTlsf};
use spinning_top::Spinlock;
use std::alloc::{GlobalAlloc, Layout};
use std::ptr::{NonNull, null_mut, slice_from_raw_parts_mut};

struct Break(BreakRegion);

// SAFETY: the memory is the source's, and nobody else's.
unsafe impl FlexSource for Break {
    unsafe fn alloc(&mut self, min_size: usize) -> Option<NonNull<[u8]>> {
        let (start, end) = self.0.grow(min_size)?;
        NonNull::new(slice_from_raw_parts_mut(start, end as usize - start as usize))
    }

    unsafe fn realloc_inplace_grow(&mut self, memory: NonNull<[u8]>, min_new_len: usize) -> Option<usize> {
        let start = memory.as_ptr() as *mut u8;
        if start.wrapping_add(memory.len()) != program_break::current_break().ok()? {
            return None;
        }
        self.0.grow(min_new_len - memory.len()).map(|(_, end)| end as usize - start as usize)
    }

    fn supports_realloc_inplace_grow(&self) -> bool {
        true
    }

    fn min_align(&self) -> usize {
        4096
    }
}

type Tlsf = FlexTlsf<Break, usize, usize, { usize::BITS as usize - 5 }, { usize::BITS as usize }>;

struct Heap(Spinlock<Tlsf>);

// SAFETY: rlsf's.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.lock().allocate(layout).map_or(null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller says.
        unsafe { self.0.lock().deallocate(NonNull::new_unchecked(block), layout.align()) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as the caller says.
        unsafe {
            let new = Layout::from_size_align_unchecked(new_size, layout.align());
            self.0.lock().reallocate(NonNull::new_unchecked(block), new).map_or(null_mut(), NonNull::as_ptr)
        }
    }
}

#[global_allocator]
static HEAP: Heap = Heap(Spinlock::new(FlexTlsf::new(Break(BreakRegion::new()))));

fn main() {
    under_std::main();
}
