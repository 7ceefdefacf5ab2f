//! The lock that keeps threads from using the heap at the same time.
//!
//! A thread that finds it free takes it without a system call. One that finds it held looks again a few times. Then it
//! notes that somebody waits, and asks the kernel by `futex` to let it sleep as long as that note is there. The thread
//! that frees the lock removes the note, and has one thread woken.

use core::cell::UnsafeCell;
use core::hint::spin_loop;
use core::ops::Range;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicU32};
use syscalls::{Sysno, syscall};

/// Before a thread waits in the kernel, it looks at the lock a few times. This is how often it spins before each look,
/// as powers of two. To look more often would only slow down the thread that holds the lock: the lock would go from one
/// processor to the other for each block, which takes longer than what is done while it is held.
const SPINS: Range<u32> = 7..12;

/// For how long a thread waits in the kernel before it looks at the lock again, in seconds and nanoseconds.
static LIMIT: [usize; 2] = [0, 10_000_000];

// From linux/futex.h, for the threads of one process.
const FUTEX_WAIT_PRIVATE: usize = 128;
const FUTEX_WAKE_PRIVATE: usize = 129;

/// A value that one thread uses at a time.
pub(crate) struct Lock<T> {
    held: AtomicBool,
    /// The note: 1 if a thread may be waiting in the kernel.
    waited_for: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the value is used by one thread at a time, which holds the lock.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    pub const fn new(value: T) -> Self {
        Lock { held: AtomicBool::new(false), waited_for: AtomicU32::new(0), value: UnsafeCell::new(value) }
    }

    /// Does something with the value while no other thread can. It must not panic, since a panic allocates, and would
    /// wait for this lock for ever.
    #[inline]
    pub fn locked<R>(&self, action: impl FnOnce(&mut T) -> R) -> R {
        if self.held.swap(true, Acquire) {
            self.wait();
        }
        // SAFETY: this thread holds the lock.
        let result = action(unsafe { &mut *self.value.get() });
        // This is a store, and then a load. One instruction for both (a swap) would take as long as all that is done
        // with the lock held. But the processor may load before others see its store, and so miss a thread that begins
        // to wait just then. The next thread that frees the lock sees that one. If there is none, its wait has a limit.
        self.held.store(false, Release);
        if self.waited_for.load(Relaxed) == 1 {
            self.waited_for.store(0, Relaxed);
            self.futex(FUTEX_WAKE_PRIVATE);
        }
        result
    }

    #[cold]
    fn wait(&self) {
        for power in SPINS {
            (0..1 << power).for_each(|_| spin_loop());
            if !self.held.load(Relaxed) && !self.held.swap(true, Acquire) {
                return;
            }
        }
        loop {
            // Others may be waiting too. The note that this thread leaves when it gets the lock is for them.
            self.waited_for.store(1, Relaxed);
            if !self.held.swap(true, Acquire) {
                return;
            }
            self.futex(FUTEX_WAIT_PRIVATE);
        }
    }

    /// Waits if the note is still there, or wakes one thread. The wait may end early, or the kernel may refuse it: then
    /// `wait` goes round its loop again.
    fn futex(&self, operation: usize) {
        if !cfg!(miri) {
            // SAFETY: the kernel only reads the note and, if it waits, the limit.
            let _ = unsafe { syscall!(Sysno::futex, self.waited_for.as_ptr(), operation, 1, &raw const LIMIT) };
        }
    }
}
