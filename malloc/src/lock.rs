//! The lock that keeps threads from using the heap at the same time.
//!
//! A thread that finds it free takes it without a system call. If it stays held, the thread notes that somebody waits,
//! and asks the kernel by `futex` to stop it until that changes. Who frees a lock that is waited for has one woken.

use core::cell::UnsafeCell;
use core::hint::spin_loop;
use core::ops::Range;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use syscalls::{Sysno, syscall};

// The states.
const FREE: u32 = 0;
const HELD: u32 = 1;
const WAITED_FOR: u32 = 2;

/// How often a thread spins before it looks at the lock again, as powers of two, until it waits in the kernel. To look
/// more often would only slow the one that holds the lock: the lock would go from one processor to the other for each
/// block, which takes longer than what is done with it held.
const SPINS: Range<u32> = 7..12;

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
        for power in SPINS {
            (0..1 << power).for_each(|_| spin_loop());
            if self.state.load(Relaxed) == FREE && self.take() {
                return;
            }
        }
        // This thread can't know whether others wait too. So when it gets the lock, that stays waited for.
        while self.state.swap(WAITED_FOR, Acquire) != FREE {
            self.futex(FUTEX_WAIT_PRIVATE, WAITED_FOR);
        }
    }

    /// Waits as long as the state is `number`, or wakes so many threads. It may end early, or be refused: then `wait`
    /// goes round its loop.
    fn futex(&self, operation: usize, number: u32) {
        if cfg!(miri) {
            return spin_loop();
        }
        // SAFETY: the kernel only reads the state. There is no limit of time (0).
        let _ = unsafe { syscall!(Sysno::futex, self.state.as_ptr(), operation, number, 0) };
    }
}
