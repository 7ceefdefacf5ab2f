//! Frees what is no block, in one of several ways, for the tests.
use program_break_malloc::Heap;
use std::alloc::{GlobalAlloc, Layout};

static HEAP: Heap = Heap::new();

fn main() {
    let mistake = std::env::args().nth(1).expect("MISTAKE");
    let layout = Layout::new::<[u64; 6]>();
    // SAFETY: the blocks are from there. Only the last call, which ends the program, is wrong.
    unsafe {
        let first = HEAP.alloc(Layout::new::<[u64; 250]>());
        let (block, other) = (HEAP.alloc(layout), HEAP.alloc(layout));
        let (wrong, layout) = match &*mistake {
            "twice" => {
                HEAP.dealloc(other, layout);
                (other, layout)
            }
            "inside" => (block.wrapping_add(8), layout),
            "header" => (block.map_addr(|address| address & !0xffff), layout),
            "never" => (other.wrapping_add(48), layout),
            "elsewhere" => (Box::into_raw(Box::new([0_u64; 6])).cast(), layout),
            // The second run goes back first, while the heap is large, and its memory is what is kept at the top.
            "given-back" => {
                let blocks: Vec<_> = (0..30_000).map(|_| HEAP.alloc(layout)).collect();
                for freed in &blocks {
                    HEAP.dealloc(*freed, layout);
                }
                (blocks[2000], layout)
            }
            "size" => (block, Layout::new::<[u64; 5]>()),
            "large" => (HEAP.alloc(Layout::new::<[u64; 100_000]>()), layout),
            // The 64 KiB that it is in start below the heap.
            "first" => (first, layout),
            other => panic!("no mistake is called {other}"),
        };
        HEAP.dealloc(wrong, layout);
    }
}
