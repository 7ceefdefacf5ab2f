//! Getting the memory: moves the program break up when there is no room left, and down when the top of the heap is
//! free.

use core::ptr::null_mut;
use program_break::{current_break, move_break};
use syscalls::{Sysno, syscall};

/// The break is moved to a multiple of this many bytes. The kernel maps whole pages, which have 4 KiB on most machines
/// and 64 KiB on some, so this is right on all.
pub(crate) const GRAIN: usize = 64 * 1024;

/// How far the break moves up at the least, and how much free memory stays below it when it moves down, in bytes. So
/// small allocations rarely need a system call.
pub(crate) const MIN_GROWTH: usize = 64 * 1024;

/// The trim threshold is how much free memory at the top of the heap is worth a system call, in bytes. This is where it
/// starts. Each time that the break moves up again after it moved down, the threshold doubles, but not more than
/// [`MAX_DOUBLED`] times: a program that makes and drops one block over and over soon makes no more system calls.
const TRIM_THRESHOLD: usize = 128 * 1024;
const MAX_DOUBLED: u32 = 3;

/// From this size on, in bytes, the heap asks for huge pages: the kernel then maps 2 MiB at the first touch, in place
/// of 4 KiB.
const HUGE_FROM: usize = 4 << 20;
const HUGE_PAGE: usize = 2 << 20;

/// The memory between the program break as it was and as it is.
///
/// Somebody else may move the break too. So it is looked up each time, and memory that isn't right above this region is
/// left alone. The others have to do the same. glibc's `sbrk` doesn't: it goes on from where it left the break, and
/// takes away what was put there since. And nothing helps against another *thread* that moves the break at the same
/// moment: the kernel has no call for that.
#[derive(Debug)]
pub struct BreakRegion {
    /// Where it was when it got its first memory.
    start: *mut u8,
    end: *mut u8,
    /// How many bytes it has.
    size: usize,
    /// How often it has called `brk`.
    calls: usize,
    /// How often the trim threshold has doubled.
    doubled: u32,
    /// Whether the last move was down.
    is_trimmed: bool,
}

// SAFETY: an address, of memory that belongs to whoever has this.
unsafe impl Send for BreakRegion {}

impl BreakRegion {
    /// A region that has no memory yet.
    pub const fn new() -> Self {
        BreakRegion { start: null_mut(), end: null_mut(), size: 0, calls: 0, doubled: 0, is_trimmed: false }
    }

    /// Moves the break up by at least `bytes`. Returns where the new memory starts and ends. If it starts where this
    /// region ended, it continues the region.
    ///
    /// # Errors
    ///
    /// Returns `None` if the kernel refuses. Then nothing has changed.
    pub fn grow(&mut self, bytes: usize) -> Option<(*mut u8, *mut u8)> {
        let start = self.look_up()?;
        self.grow_from(start, bytes)
    }

    /// Returns where the break is now.
    pub(crate) fn look_up(&mut self) -> Option<*mut u8> {
        self.calls += 1;
        current_break().ok()
    }

    /// [`grow`](Self::grow), from `start`, where the break is now.
    pub(crate) fn grow_from(&mut self, start: *mut u8, bytes: usize) -> Option<(*mut u8, *mut u8)> {
        let grain = if self.size.saturating_add(bytes) < HUGE_FROM { GRAIN } else { HUGE_PAGE };
        for (bytes, grain) in [(bytes.max(MIN_GROWTH), grain), (bytes, GRAIN)] {
            let end = start.with_addr(start.addr().checked_add(bytes)?.checked_next_multiple_of(grain)?);
            self.calls += 1;
            // SAFETY: the break moves up, so no memory is taken away.
            if unsafe { move_break(end) }.is_ok() {
                if grain == HUGE_PAGE {
                    prefer_huge_pages(start, end);
                }
                if self.is_trimmed {
                    self.doubled = (self.doubled + 1).min(MAX_DOUBLED);
                    self.is_trimmed = false;
                }
                self.size += end.addr() - start.addr();
                self.end = end;
                if self.start.is_null() {
                    self.start = start;
                }
                return Some((start, end));
            }
        }
        None
    }

    /// Moves the break down to `address`, if it is where this region ends. Returns whether it did.
    ///
    /// # Safety
    ///
    /// The memory from `address` up to that end is this region's, and isn't used again.
    pub unsafe fn shrink(&mut self, address: *mut u8) -> bool {
        if self.look_up() != Some(self.end) {
            return false;
        }
        self.calls += 1;
        // SAFETY: the caller doesn't use it, and nobody else has any above it, since the break is its end.
        let is_moved = unsafe { move_break(address) }.is_ok();
        if is_moved {
            self.size -= self.end.addr() - address.addr();
            self.end = address;
            self.is_trimmed = true;
        }
        is_moved
    }

    /// Where this region left the break; null before the first time.
    pub fn end(&self) -> *mut u8 {
        self.end
    }

    /// Whether there is memory at this address, of this region or of others who have moved the break.
    pub(crate) fn contains(&self, address: *mut u8) -> bool {
        (self.start..self.end).contains(&address)
    }

    /// How many bytes it has.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// How often it has called `brk`.
    pub(crate) fn calls(&self) -> usize {
        self.calls
    }

    /// Whether so many free bytes at the top are worth a system call.
    pub(crate) fn should_trim(&self, free: usize) -> bool {
        free >= (TRIM_THRESHOLD << self.doubled) + self.size / 8
    }
}

impl Default for BreakRegion {
    fn default() -> Self {
        Self::new()
    }
}

/// Asks the kernel to map the memory from `start` to `end` by the huge page, where a whole one fits.
fn prefer_huge_pages(start: *mut u8, end: *mut u8) {
    const MADV_HUGEPAGE: usize = 14;
    // From 4 KiB below a multiple of 64 KiB. So a kernel with larger pages refuses it: its huge pages would have up to
    // 512 MiB.
    let start = start.addr().next_multiple_of(GRAIN) - 4096;
    // This is only advice. A kernel that is built without huge pages refuses it, and that changes nothing.
    // SAFETY: the call doesn't change what is in the memory.
    let _ = unsafe { syscall!(Sysno::madvise, start, end.addr() - start, MADV_HUGEPAGE) };
}
