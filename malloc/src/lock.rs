//! The lock that keeps threads from using the heap at the same time.
//!
//! Its state is a number. A thread that finds it free makes it held, without a system call. If it stays held, the
//! thread makes it waited for, and asks the kernel by `futex` to stop it until the number changes. The thread that
//! makes it free again asks the kernel to wake one of those that wait.

use core::cell::UnsafeCell;
use core::hint::spin_loop;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use syscalls::{Sysno, syscall};

// The states.
const FREE: u32 = 0;
const HELD: u32 = 1;
const WAITED_FOR: u32 = 2;

/// How often a thread looks whether the lock is free before it waits. What is done with the lock held is mostly shorter
/// than a system call.
const SPINS: usize = 100;

// From linux/futex.h. The threads that wait are of this process alone (128).
const FUTEX_WAIT_PRIVATE: usize = 128;
const FUTEX_WAKE_PRIVATE: usize = 1 + 128;

/// A value that one thread uses at a time.
pub(crate) struct Lock<T> {
    state: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the value is used with the lock held, and what is in it belongs to whoever has it.
unsafe impl<T> Sync for Lock<T> {}

impl<T> Lock<T> {
    pub const fn new(value: T) -> Self {
        Lock { state: AtomicU32::new(FREE), value: UnsafeCell::new(value) }
    }

    /// Does something with the value while no other thread can.
    #[inline]
    pub fn locked<R>(&self, action: impl FnOnce(&mut T) -> R) -> R {
        if !self.take() {
            self.wait();
        }
        // SAFETY: this thread holds the lock.
        let result = action(unsafe { &mut *self.value.get() });
        if self.state.swap(FREE, Release) == WAITED_FOR {
            self.futex(FUTEX_WAKE_PRIVATE, 1);
        }
        result
    }

    fn take(&self) -> bool {
        self.state.compare_exchange(FREE, HELD, Acquire, Relaxed).is_ok()
    }

    #[cold]
    fn wait(&self) {
        for _ in 0..SPINS {
            if self.state.load(Relaxed) == FREE && self.take() {
                return;
            }
            spin_loop();
        }
        // This thread can't know whether it was the last one that waited. So the state stays waited for.
        while self.state.swap(WAITED_FOR, Acquire) != FREE {
            self.futex(FUTEX_WAIT_PRIVATE, WAITED_FOR);
        }
    }

    /// Waits as long as the state is `number`, or wakes as many threads that wait. It may wait for a shorter time. If
    /// the kernel refuses, `wait` goes round its loop.
    fn futex(&self, operation: usize, number: u32) {
        if cfg!(miri) {
            return spin_loop();
        }
        // SAFETY: the kernel only reads the state. There is no limit of time (0).
        let _ = unsafe { syscall!(Sysno::futex, self.state.as_ptr(), operation, number, 0) };
    }
}
