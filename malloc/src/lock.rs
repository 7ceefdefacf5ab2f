//! The lock that keeps threads from using the heap at the same time.
//!
//! A thread that finds it free takes it without a system call. If it stays held, the thread notes that somebody waits,
//! and asks the kernel by `futex` to stop it. Who frees a lock that is waited for has one woken.

use core::cell::UnsafeCell;
use core::hint::spin_loop;
use core::ops::Range;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicU32};
use syscalls::{Sysno, syscall};

/// How often a thread spins before it looks at the lock again, as powers of two, until it waits in the kernel. To look
/// more often would only slow the one that holds the lock: the lock would go from one processor to the other for each
/// block, which takes longer than what is done with it held.
const SPINS: Range<u32> = 7..12;

/// For how long a thread waits in the kernel before it looks at the lock again, in seconds and nanoseconds.
static LIMIT: [usize; 2] = [0, 10_000_000];

// From linux/futex.h, for the threads of one process.
const FUTEX_WAIT_PRIVATE: usize = 128;
const FUTEX_WAKE_PRIVATE: usize = 129;

/// A value that one thread uses at a time.
pub(crate) struct Lock<T> {
    held: AtomicBool,
    /// 1 if a thread may be waiting in the kernel.
    waited_for: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the value is used by one thread at a time, which holds the lock.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    pub const fn new(value: T) -> Self {
        Lock { held: AtomicBool::new(false), waited_for: AtomicU32::new(0), value: UnsafeCell::new(value) }
    }

    /// Does something with the value while no other thread can.
    #[inline]
    pub fn locked<R>(&self, action: impl FnOnce(&mut T) -> R) -> R {
        if self.held.swap(true, Acquire) {
            self.wait();
        }
        // SAFETY: this thread holds the lock.
        let result = action(unsafe { &mut *self.value.get() });
        // These two are no atomic instruction, which would take as long as all that is done with the lock held. So the
        // processor may look before others see the lock free, and miss one that begins to wait just then. The next
        // who frees the lock sees that one, and if there is none, its wait has a limit.
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
            // Others may be waiting too, whom this one has to have woken when it frees the lock.
            self.waited_for.store(1, Relaxed);
            if !self.held.swap(true, Acquire) {
                return;
            }
            self.futex(FUTEX_WAIT_PRIVATE);
        }
    }

    /// Waits if the lock is still waited for, or wakes one thread. It may end early, or be refused: then `wait` goes
    /// round its loop.
    fn futex(&self, operation: usize) {
        if !cfg!(miri) {
            // SAFETY: the kernel only reads the number and the limit.
            let _ = unsafe { syscall!(Sysno::futex, self.waited_for.as_ptr(), operation, 1, &raw const LIMIT) };
        }
    }
}
