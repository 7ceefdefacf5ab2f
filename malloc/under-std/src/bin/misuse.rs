//! Frees what is no block, in one of several ways, for the tests.
use program_break_malloc::Heap;
use std::alloc::{GlobalAlloc, Layout};

/// Also the heap that the message of a panic is from. So a panic with the lock held would wait for ever.
#[global_allocator]
static HEAP: Heap = Heap::new();

under_std::keep_glibc_off_the_break!();

fn main() {
    let mistake = std::env::args().nth(1).expect("MISTAKE");
    let (small, large) = (Layout::new::<[u64; 6]>(), Layout::new::<[u64; 100_000]>());
    // SAFETY: the blocks are from there. Only the last call, which ends the program, is wrong.
    unsafe {
        let new = |layout| HEAP.alloc(layout);
        let freed = |layout| {
            let [block, _next] = [new(layout), new(layout)];
            HEAP.dealloc(block, layout);
            block
        };
        let (wrong, layout) = match &*mistake {
            "small-twice" => (freed(small), small),
            "large-twice" => (freed(large), large),
            // It has joined the free block below it.
            "joined-twice" => {
                let [first, second, _third] = [new(large), new(large), new(large)];
                HEAP.dealloc(first, large);
                HEAP.dealloc(second, large);
                (second, large)
            }
            // It is a part of the top.
            "top-twice" => {
                let block = new(large);
                HEAP.dealloc(block, large);
                (block, large)
            }
            "inside-small" => (new(small).wrapping_add(16), small),
            "inside-large" => (HEAP.alloc_zeroed(large).wrapping_add(1600), large),
            "unaligned" => (new(large).wrapping_add(1), large),
            "header" => (new(small).map_addr(|address| address & !0xffff), small),
            "never" => (new(small).wrapping_add(480), small),
            "elsewhere" => (Box::leak(Box::new([0_u64; 6])).as_mut_ptr().cast::<u8>().wrapping_sub(1 << 40), small),
            "large-elsewhere" => ((&raw mut *Box::leak(Box::new(0_u64))).cast::<u8>().wrapping_add(1 << 40), large),
            // Their run has gone back, and is a part of a free block.
            "given-back" => {
                let blocks: Vec<_> = (0..30_000).map(|_| new(small)).collect();
                let _above = new(large);
                for freed in &blocks {
                    HEAP.dealloc(*freed, small);
                }
                (blocks[2000], small)
            }
            "small-size" => (new(small), Layout::new::<[u64; 4]>()),
            "large-size" => (new(large), Layout::new::<[u64; 100_010]>()),
            "large-as-small" => (new(large), small),
            "small-as-large" => (new(small), large),
            other => panic!("no mistake is called {other}"),
        };
        HEAP.dealloc(wrong, layout);
    }
}
