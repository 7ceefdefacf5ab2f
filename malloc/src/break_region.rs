//! Gets the memory: moves the program break up when no room is left, and down when much is free at the top.

use crate::lock::Lock;
use core::ptr::with_exposed_provenance_mut;
use program_break::{current_break, move_break};
use syscalls::{Sysno, syscall};

/// The break is moved to a multiple of this many bytes, the largest size of a page on the supported architectures. At
/// least this much free memory stays below the break when it moves down.
pub(crate) const PAGE_GRANULARITY: usize = 64 << 10;

/// The break moves down when the top of the heap has this many free bytes that have been used before, in addition to a
/// quarter of the heap. The threshold starts at `TRIM_MIN`. If the break has to move up again after a trim, the trim
/// wasn't worth it, and the threshold becomes twice what was trimmed, up to `TRIM_MAX`. So a program that makes and
/// drops the same blocks over and over soon makes no more system calls.
const TRIM_MIN: usize = 128 << 10;
const TRIM_MAX: usize = 64 << 20;

/// The break moves up by what is needed, or by half of the heap but at most this many bytes, whichever is more.
const MAX_RESERVE: usize = 32 << 20;

/// A heap of at least this many bytes asks for huge pages for runs, and where blocks have grown: the kernel gives 2 MiB
/// at the first access. Other blocks may be reserved and never filled.
const HUGE_FROM: usize = 4 << 20;
pub(crate) const HUGE_PAGE: usize = 2 << 20;
const MADV_HUGEPAGE: usize = 14;

/// Held from looking up the break until it is moved, since a program can have several heaps.
static BREAK: Lock<()> = Lock::new(());

/// The memory that the heap has got by moving the break.
pub(crate) struct BreakRegion {
    /// Where this region left the break; 0 before the first time.
    pub end: usize,
    /// How many bytes it has.
    size: usize,
    pub brk_calls: usize,
    trim_threshold: usize,
    /// The sum of what was free at the top when the break moved down, since it last moved up.
    trimmed: usize,
    /// How often the break might have moved down since it last moved.
    waited: usize,
}

impl BreakRegion {
    /// A region that has no memory yet.
    pub const EMPTY: Self =
        BreakRegion { end: 0, size: 0, brk_calls: 0, trim_threshold: TRIM_MIN, trimmed: 0, waited: 0 };

    /// Moves the break up to `end` at least; or, the first time or if others have moved it, by at least `anew` bytes.
    /// Returns where the new memory starts. If the kernel refuses, returns `None`, and the break stays where it is.
    pub fn grow(&mut self, end: usize, anew: usize) -> Option<usize> {
        BREAK.locked(|()| {
            self.brk_calls += 1;
            let start = current_break().ok()?.expose_provenance();
            let bytes = if start == self.end { end - self.end } else { anew };
            let granularity = if self.size + bytes < HUGE_FROM { PAGE_GRANULARITY } else { HUGE_PAGE };
            let reserve = (self.size / 2).min(MAX_RESERVE);
            for (bytes, granularity) in [(bytes.max(reserve), granularity), (bytes, PAGE_GRANULARITY)] {
                let end = start.checked_add(bytes)?.checked_next_multiple_of(granularity)?;
                self.brk_calls += 1;
                // SAFETY: the break moves up, so no memory is taken away.
                if unsafe { move_break(with_exposed_provenance_mut(end)) }.is_ok() {
                    self.trim_threshold = self.trim_threshold.max((2 * self.trimmed).min(TRIM_MAX));
                    (self.trimmed, self.waited) = (0, 0);
                    self.size += end - start;
                    self.end = end;
                    return Some(start);
                }
            }
            None
        })
    }

    /// Asks the kernel for huge pages where whole ones fit between `start` and `end`. The kernel may refuse.
    pub fn advise_huge_pages(&self, start: usize, end: usize) {
        let start = start.next_multiple_of(HUGE_PAGE);
        let end = end.min(self.end) & !(HUGE_PAGE - 1);
        if self.size >= HUGE_FROM && start < end && !cfg!(miri) {
            // Where pages are larger than 4 KiB, huge pages may have 512 MiB. The kernel refuses this call there, since
            // `start - 4096` is no multiple of such a page.
            // SAFETY: the call doesn't change what is in the memory.
            let _ = unsafe { syscall!(Sysno::madvise, start - 4096, end - start + 4096, MADV_HUGEPAGE) };
        }
    }

    /// Moves the break down if that is worth it, and if nobody else has memory above this region. While somebody has,
    /// the break is looked up only at the first attempt, the second, the fourth, the eighth and so on.
    /// Safety: the memory from `top` up to the end is this region's, and `used` bytes of it have been used. From
    /// [`PAGE_GRANULARITY`] bytes above `top` on, it isn't used again.
    pub unsafe fn trim(&mut self, top: usize, used: usize) {
        if used < self.trim_threshold + self.size / 4 {
            return;
        }
        self.waited += 1;
        if !self.waited.is_power_of_two() {
            return;
        }
        BREAK.locked(|()| {
            self.brk_calls += 1;
            if current_break() != Ok(with_exposed_provenance_mut(self.end)) {
                return;
            }
            let end = (top + PAGE_GRANULARITY).next_multiple_of(PAGE_GRANULARITY);
            self.brk_calls += 1;
            // SAFETY: the caller doesn't use it, and nobody else has any above it, since the break is the region's end.
            if unsafe { move_break(with_exposed_provenance_mut(end)) }.is_ok() {
                self.trimmed += self.end - top;
                self.waited = 0;
                self.size -= self.end - end;
                self.end = end;
            }
        });
    }
}
