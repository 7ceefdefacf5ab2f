//! What any program may do with its global allocator, and what it may count on.

use fastrand::Rng;
use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, realloc};
use std::hint::black_box;
use std::slice::from_raw_parts;

#[used]
#[unsafe(link_section = ".init_array")]
static FIRST: extern "C" fn() = under_std::before_the_heap;

/// A block, and the byte that fills it.
pub struct Block {
    start: *mut u8,
    layout: Layout,
    fill: u8,
}

// SAFETY: the allocator is for all threads that there are.
unsafe impl Send for Block {}

impl Block {
    pub fn new(size: usize, align: usize, fill: u8, zeroed: bool) -> Block {
        let layout = Layout::from_size_align(size, align).unwrap();
        // The compiler knows what these functions promise, and would leave the checks out.
        // SAFETY: the size isn't 0.
        let start = black_box(unsafe { if zeroed { alloc_zeroed(layout) } else { alloc(layout) } });
        let block = Block { start, layout, fill };
        block.check_and_fill(if zeroed { size } else { 0 }, 0);
        block
    }

    /// Checks where the block is, and that each of its first `size` bytes is `byte`.
    fn check_and_fill(&self, size: usize, byte: u8) {
        let Block { start, layout, fill } = *self;
        assert!(!start.is_null() && start.addr().is_multiple_of(layout.align()), "{layout:?} at {start:p}");
        // SAFETY: nobody else has this memory, and so much of it is initialised.
        let is_kept = unsafe { from_raw_parts(start, size) }.iter().all(|&found| found == byte);
        assert!(is_kept, "{layout:?}: not all of {size} bytes are {byte}");
        // SAFETY: the block has so many bytes.
        unsafe { start.write_bytes(fill, layout.size()) };
    }

    pub fn resize(&mut self, size: usize) {
        // SAFETY: the block is from this allocator, with this layout, and the size isn't 0.
        self.start = black_box(unsafe { realloc(self.start, self.layout, size) });
        let kept = size.min(self.layout.size());
        self.layout = Layout::from_size_align(size, self.layout.align()).unwrap();
        self.check_and_fill(kept, self.fill);
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check_and_fill(self.layout.size(), self.fill);
        }
        // SAFETY: the block is from this allocator, with this layout.
        unsafe { dealloc(self.start, self.layout) }
    }
}

/// Does up to 300 steps, and returns the blocks that are left. Each block is filled with the lowest byte of the number
/// of its step, and checked later. So the test fails if two overlap, or if the allocator writes to one of them.
pub fn run(random: &mut Rng) -> Vec<Block> {
    // Fewer steps and smaller blocks under Miri, which is slow.
    let (steps, bits) = if cfg!(miri) { (40, 11) } else { (300, 20) };
    let mut blocks: Vec<Block> = vec![];
    for n in 0..random.u32(1..=steps) {
        // Mostly small, and now and then as much as a MiB.
        let size = 1 + random.usize(..) % (1 << random.u32(0..=bits));
        let align = 1 << if random.u8(..21) < 20 { random.u32(0..14) } else { random.u32(14..22) };
        let which = random.usize(..blocks.len().max(1));
        match random.u8(..20) {
            0..9 => blocks.push(Block::new(size, align, n as u8, random.bool())),
            _ if blocks.is_empty() => {}
            9..13 => blocks[which].resize(size),
            _ => drop(blocks.swap_remove(which)),
        }
    }
    // No kernel has so much. A block that can't grow to that stays as it is.
    for align in [1, 16, 4096, 1 << 30, 1 << 62] {
        let most = Layout::from_size_align((1 << 63) - align, align).unwrap();
        let block = Block::new(10, align.min(4096), 1, false);
        // SAFETY: the sizes aren't 0, and the block is from this allocator, with this layout.
        let refused = unsafe { [alloc(most), alloc_zeroed(most), realloc(block.start, block.layout, most.size())] };
        assert!(black_box(refused).iter().all(|block| block.is_null()), "{most:?}");
    }
    blocks
}
