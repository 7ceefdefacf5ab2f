//! No contestant: glibc's malloc with a count of the bytes that are alive, at most.
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

struct Count;
static ALIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is the system's.
unsafe impl GlobalAlloc for Count {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let alive = ALIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(alive, Relaxed);
        // SAFETY: as the caller says.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        ALIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller says.
        unsafe { System.dealloc(block, layout) }
    }

    // In one piece, so that the old block and the new one aren't counted together.
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let alive =
            ALIVE.fetch_add(new_size.wrapping_sub(layout.size()), Relaxed).wrapping_add(new_size) - layout.size();
        PEAK.fetch_max(alive, Relaxed);
        // SAFETY: as the caller says.
        unsafe { System.realloc(block, layout, new_size) }
    }
}

#[global_allocator]
static COUNT: Count = Count;

fn main() {
    under_std::main();
    println!("{}", PEAK.load(Relaxed) / 1024);
}
