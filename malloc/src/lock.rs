//! The lock that keeps threads from using the heap at the same time.
//!
//! A thread that finds it unlocked takes it without a system call. One that finds it locked looks again a few times.
//! Then it marks the lock as contended, and sleeps in the kernel while the lock has that mark (`man 2 futex`). A thread
//! that unlocks a lock with the mark asks the kernel to wake one of the threads that wait.

use core::cell::UnsafeCell;
use core::hint::spin_loop;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use syscalls::{Sysno, syscall};

// The states of a lock. One that is contended is locked, and others wait for it.
const UNLOCKED: u32 = 0;
const LOCKED: u32 = 1;
const CONTENDED: u32 = 2;

// From linux/futex.h, for the threads of one process.
const FUTEX_WAIT_PRIVATE: usize = 128;
const FUTEX_WAKE_PRIVATE: usize = 129;

/// A value that one thread uses at a time.
pub(crate) struct Lock<T> {
    state: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the value is used by one thread at a time, which holds the lock.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    pub const fn new(value: T) -> Self {
        Lock { state: AtomicU32::new(UNLOCKED), value: UnsafeCell::new(value) }
    }

    /// Does something with the value while no other thread can. It must not panic, since a panic allocates, and would
    /// wait for this lock for ever.
    #[inline]
    pub fn locked<R>(&self, action: impl FnOnce(&mut T) -> R) -> R {
        if self.state.compare_exchange(UNLOCKED, LOCKED, Acquire, Relaxed).is_err() {
            self.wait();
        }
        // SAFETY: this thread holds the lock.
        let result = action(unsafe { &mut *self.value.get() });
        if self.state.swap(UNLOCKED, Release) == CONTENDED {
            self.futex(FUTEX_WAKE_PRIVATE, 1);
        }
        result
    }

    #[cold]
    fn wait(&self) {
        // The thread spins 2^`power` times before each look. To look more often would slow down the thread that holds
        // the lock: the memory of the lock would go from one processor to the other and back each time.
        for power in 7..12 {
            (0..1 << power).for_each(|_| spin_loop());
            if self.state.compare_exchange(UNLOCKED, LOCKED, Acquire, Relaxed).is_ok() {
                return;
            }
        }
        // When this thread gets the lock, others may still be waiting for it. So the mark stays.
        while self.state.swap(CONTENDED, Acquire) != UNLOCKED {
            self.futex(FUTEX_WAIT_PRIVATE, CONTENDED);
        }
    }

    /// Waits while the lock is in the state `value`, or wakes `value` threads. A wait may end early.
    fn futex(&self, operation: usize, value: u32) {
        if !cfg!(miri) {
            // SAFETY: the kernel only reads the state. The last 0 is a null pointer: the wait has no limit.
            let _ = unsafe { syscall!(Sysno::futex, self.state.as_ptr(), operation, value, 0) };
        }
    }
}
