//! The allocator of `malloc/src/bin/free_list.rs`, with all that a program can ask of it, while others move the break,
//! and while the kernel refuses to.
#![no_std]
#![no_main]

extern crate alloc;
extern crate program_break as library;
// In that file, `program_break` is this program. So its `main` isn't started, and its calls can be refused.
extern crate self as program_break;

use alloc::alloc::{Layout, alloc, alloc_zeroed, dealloc, realloc};
use alloc::vec::Vec;
use core::slice::from_raw_parts;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
pub use library::{Error, current_break, stdio};

#[allow(dead_code, unused_attributes)]
#[path = "../../../../malloc/src/bin/free_list.rs"]
mod free_list;

macro_rules! entry {
    ($main:path) => {};
}
pub(crate) use entry;

static IS_REFUSED: AtomicBool = AtomicBool::new(false);

/// Calls the library's function, unless the move is to be refused.
///
/// # Safety
///
/// As the library says.
pub unsafe fn move_break(address: *mut u8) -> Result<(), Error> {
    if IS_REFUSED.load(Relaxed) {
        return Err(Error::Brk);
    }
    // SAFETY: as the caller says.
    unsafe { library::move_break(address) }
}

/// Memory that nobody else may write to.
struct Block {
    start: *mut u8,
    layout: Layout,
    fill: u8,
}

impl Block {
    /// Returns `None` if there is no memory.
    fn new(layout: Layout, fill: u8) -> Option<Block> {
        // SAFETY: no block here has a size of 0.
        let start = unsafe { if fill.is_multiple_of(2) { alloc(layout) } else { alloc_zeroed(layout) } };
        if start.is_null() {
            return None;
        }
        let block = Block { start, layout, fill };
        assert!(fill.is_multiple_of(2) || block.has(0, layout.size()), "{layout:?} isn't zeroed");
        block.fill();
        Some(block)
    }

    fn fill(&self) {
        assert!(self.start.addr().is_multiple_of(self.layout.align()), "{:p} for {:?}", self.start, self.layout);
        // SAFETY: it is this block's memory.
        unsafe { self.start.write_bytes(self.fill, self.layout.size()) };
    }

    /// Whether it starts with `count` times this byte.
    fn has(&self, byte: u8, count: usize) -> bool {
        // SAFETY: it is this block's memory, and has been written to.
        unsafe { from_raw_parts(self.start, count) }.iter().all(|&found| found == byte)
    }

    fn resize(&mut self, size: usize) {
        // SAFETY: the block is from there, with this layout.
        let start = unsafe { realloc(self.start, self.layout, size) };
        if !start.is_null() {
            let kept = size.min(self.layout.size());
            self.start = start;
            self.layout = Layout::from_size_align(size, self.layout.align()).unwrap();
            assert!(self.has(self.fill, kept), "{:?} lost something", self.layout);
            self.fill();
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        assert!(self.has(self.fill, self.layout.size()), "{:?} was written to", self.layout);
        // SAFETY: the block is from there, with this layout.
        unsafe { dealloc(self.start, self.layout) }
    }
}

/// Takes `size` bytes above the break, beside the allocator.
fn somebody_else(size: usize, fill: u8) -> &'static [u8] {
    let start = current_break().unwrap();
    // SAFETY: the break moves up, and nobody else has what lies below it.
    unsafe {
        library::move_break(start.wrapping_add(size)).unwrap();
        start.write_bytes(fill, size);
        from_raw_parts(start, size)
    }
}

library::entry!(main);

fn main() -> Result<(), Error> {
    let mut random = fastrand::Rng::with_seed(8);
    let small = Layout::from_size_align(48, 16).unwrap();
    let aligned = Layout::from_size_align(48, 8192).unwrap();
    let start = current_break()?;

    // Free neighbours become one block, in whatever order they are freed. So a block as large as all of them has room
    // there. What is left below an aligned block isn't lost, at the top and further down.
    let mut blocks: Vec<_> = (0..1_000).map(|n| Block::new(small, n as u8).unwrap()).collect();
    let above = Block::new(aligned, 1).unwrap();
    let before = current_break()?;
    while !blocks.is_empty() {
        blocks.swap_remove(random.usize(..blocks.len()));
    }
    drop(Block::new(aligned, 2));
    let large = Block::new(Layout::from_size_align(48_000, 16).unwrap(), 2).unwrap();
    assert!(large.start < above.start && current_break()? == before, "not in the room of the small ones");
    // If the break can't move down when a block is freed, it moves down when the next one is.
    IS_REFUSED.store(true, Relaxed);
    drop((blocks, large, above));
    assert!(current_break()? == before);
    IS_REFUSED.store(false, Relaxed);
    drop(Block::new(small, 0));
    assert!(current_break()? == start, "the break isn't back down");

    // What is left below somebody else's memory isn't lost.
    let below = Block::new(small, 1).unwrap();
    let other = somebody_else(1, 0);
    let above = Block::new(Layout::from_size_align(10_000, 1).unwrap(), 2).unwrap();
    let left = Block::new(small, 3).unwrap();
    assert!(left.start.addr() < other.as_ptr().addr() && other.as_ptr().addr() < above.start.addr());
    drop((below, above, left));

    // What nobody can have is refused, and all else goes on.
    for align in [1, 16, 4096, 1 << 30, 1 << 62] {
        let most = Layout::from_size_align((1 << 63) - align, align).unwrap();
        assert!(Block::new(most, 0).is_none());
    }

    // Somebody else leaves the break at any address, again and again, while there are blocks.
    let mut others = Vec::with_capacity(20);
    let mut blocks = Vec::with_capacity(200);
    for round in 0..20 {
        others.push(somebody_else(random.usize(1..10_000), round));
        for step in 0..2_000 {
            IS_REFUSED.store(random.u8(..) < 20, Relaxed);
            let (bits, which) = (random.u8(..16), random.usize(..200));
            let size = 1 + random.usize(..1 << bits);
            if which >= blocks.len() {
                let layout = Layout::from_size_align(size, 1 << random.u8(..14)).unwrap();
                blocks.extend(Block::new(layout, step as u8));
            } else if which.is_multiple_of(2) {
                blocks[which].resize(size);
            } else {
                blocks.swap_remove(which);
            }
        }
    }
    IS_REFUSED.store(false, Relaxed);
    while !blocks.is_empty() {
        blocks.swap_remove(random.usize(..blocks.len()));
    }
    for (round, bytes) in (0..).zip(&others) {
        assert!(bytes.iter().all(|&byte| byte == round), "somebody else's memory was written to");
    }
    // The break is back down, but for the bytes below the first address that a block can have.
    let kept = current_break()?.addr() - others[19].as_ptr_range().end.addr();
    assert!(kept < 16, "{kept} bytes stay above somebody else's memory");
    Ok(())
}
