//! Large blocks: [`talc`] cuts them out of the [`BreakRegion`].

use crate::break_region::{BreakRegion, GRAIN, MIN_GROWTH};
use core::alloc::Layout;
use core::ptr::NonNull;
use talc::base::binning::{Binning, DefaultBinning};
use talc::base::{CHUNK_UNIT, Talc};

/// The heap for large blocks.
pub(crate) struct Large(Talc<TalcSource, DefaultBinning>);

impl Large {
    /// A heap without memory. It asks for some when it is used.
    pub const fn new() -> Self {
        Large(Talc::new(TalcSource { region: BreakRegion::new(), top: None, zeroed_from: 0 }))
    }

    /// How often it has called `brk`.
    pub fn calls(&self) -> usize {
        self.0.source.region.calls()
    }

    /// Whether there is memory at this address.
    pub fn contains(&self, address: *mut u8) -> bool {
        self.0.source.region.contains(address)
    }

    /// How many bytes it has got from the kernel.
    pub fn size(&self) -> usize {
        self.0.source.region.size()
    }

    /// Returns a block, and how many bytes at its start may have been written to. The others are zero, as the kernel
    /// has mapped them.
    ///
    /// # Safety
    ///
    /// The size of `layout` isn't 0.
    pub unsafe fn allocate(&mut self, layout: Layout) -> Option<(NonNull<u8>, usize)> {
        // SAFETY: as the caller says.
        let block = unsafe { self.0.allocate(layout) }?;
        let (start, size) = (block.addr().get(), layout.size());
        let used = self.0.source.zeroed_from.saturating_sub(start).min(size);
        self.0.source.mark_used(start + size);
        Some((block, used))
    }

    /// # Safety
    ///
    /// The block is from here, with this layout, and isn't used again.
    pub unsafe fn deallocate(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller says.
        unsafe { self.0.deallocate(block, layout) }
    }

    /// Changes the size of a block where it is, if that can be done. A block at the top of the heap grows together with
    /// the heap.
    ///
    /// # Safety
    ///
    /// The block is from here, with this layout, and `new_size` isn't 0.
    pub unsafe fn resize(&mut self, block: *mut u8, layout: Layout, new_size: usize) -> bool {
        let talc = &mut self.0;
        // SAFETY: as the caller says. (It holds for all that follows.)
        let mut is_done = unsafe { talc.try_realloc_in_place(block, layout, new_size) };
        if !is_done && let Some(top) = talc.source.top {
            // SAFETY: it is the end of a heap.
            let last = unsafe { talc.reserved(top) }.up_to.addr().get();
            // A block starts at a multiple of talc's unit, and behind it is a word of talc's.
            let end = (block.addr() + layout.size() + size_of::<usize>()).next_multiple_of(CHUNK_UNIT);
            if end == last && talc.source.region.look_up() == Some(top.as_ptr()) {
                let more = Layout::from_size_align(new_size - layout.size(), 1);
                // SAFETY: as above.
                is_done = more.is_ok_and(|more| acquire_from(talc, top.as_ptr(), more).is_ok())
                    && unsafe { talc.try_grow_in_place(block, layout, new_size) };
            }
        }
        if is_done {
            talc.source.mark_used(block.addr() + new_size);
        }
        is_done
    }
}

/// What talc is given: the region, and how far the memory from it has been used.
#[derive(Debug)]
struct TalcSource {
    region: BreakRegion,
    /// The end of the heap that ends where the region does, once there is one. (There are others below it if somebody
    /// else has moved the break in between.)
    top: Option<NonNull<u8>>,
    /// From this address to the end of the top heap, the memory is still zeroed, as the kernel mapped it, except for
    /// talc's note at the very end, which is not a part of any block.
    zeroed_from: usize,
}

/// The most that talc writes behind a block, or where a heap starts, in bytes: four words, and alignment.
const TALC_OVERHEAD: usize = 4 * CHUNK_UNIT;

impl TalcSource {
    /// Takes note that memory up to the address `end` is in use.
    fn mark_used(&mut self, end: usize) {
        self.zeroed_from = self.zeroed_from.max(end + TALC_OVERHEAD);
    }
}

// SAFETY: addresses, of memory that belongs to whoever has this.
unsafe impl Send for TalcSource {}

// SAFETY: it doesn't allocate, and what it hands to talc is the region's, which is nobody else's.
unsafe impl talc::source::Source for TalcSource {
    const TRACK_HEAP_END: bool = true;

    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let start = talc.source.region.look_up().ok_or(())?;
        acquire_from(talc, start, layout)
    }

    unsafe fn resize(&mut self, free: *mut u8, heap_end: *mut u8, _: bool) -> *mut u8 {
        let is_top = self.top.is_some_and(|top| top.as_ptr() == heap_end);
        if !is_top || !self.region.should_trim(heap_end.addr() - free.addr()) {
            return heap_end;
        }
        let keep = free.map_addr(|free| (free + MIN_GROWTH).next_multiple_of(GRAIN));
        // SAFETY: talc says that from `free` up nothing is in use.
        if unsafe { self.region.shrink(keep) } {
            self.top = NonNull::new(keep);
            keep
        } else {
            // Somebody else's memory is above it, most likely for ever: not to be asked about each time.
            self.top = None;
            heap_end
        }
    }
}

/// Gets memory for an allocation, from `start`, where the break is now.
fn acquire_from<B: Binning>(talc: &mut Talc<TalcSource, B>, start: *mut u8, layout: Layout) -> Result<(), ()> {
    let mut bytes = layout.size().checked_add(layout.align()).ok_or(())?.checked_add(TALC_OVERHEAD).ok_or(())?;
    match talc.source.top {
        // What is free at the top counts, if the new memory continues it.
        Some(top) if top.as_ptr() == start => {
            // SAFETY: `top` is the end of a heap.
            let free = top.addr().get() - unsafe { talc.reserved(top) }.up_to.addr().get();
            bytes = bytes.saturating_sub(free).max(1);
        }
        _ => bytes = bytes.checked_add(talc::min_first_heap_size::<B>()).ok_or(())?,
    }
    let (start, end) = talc.source.region.grow_from(start, bytes).ok_or(())?;
    match talc.source.top {
        Some(top) if top.as_ptr() == start => {
            // SAFETY: `top` is the end of a heap, and the new memory continues it.
            talc.source.top = Some(unsafe { talc.extend(top, end) });
            talc.source.zeroed_from = start.addr() + TALC_OVERHEAD;
        }
        _ => {
            // SAFETY: the memory is new, readable and writable.
            let top = unsafe { talc.claim(start, end.addr() - start.addr()) }.ok_or(())?;
            talc.source.top = Some(top);
            // SAFETY: `top` is the end of a heap.
            let used = unsafe { talc.reserved(top) }.up_to.addr().get() + TALC_OVERHEAD;
            // The first page may have been somebody else's, up to its middle.
            talc.source.zeroed_from = used.max(start.addr().next_multiple_of(GRAIN));
        }
    }
    Ok(())
}
