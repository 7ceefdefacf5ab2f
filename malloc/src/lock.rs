//! What keeps threads from using the heap at the same time.

use spinning_top::lock_api::RawMutex;

/// A lock, or none. Only this module implements it: for all that implements `RawMutex`, and for [`NoLock`].
pub trait Lock {
    #[doc(hidden)]
    fn locked<T>(&self, action: impl FnOnce() -> T) -> T;
}

impl<L: RawMutex> Lock for L {
    fn locked<T>(&self, action: impl FnOnce() -> T) -> T {
        self.lock();
        let result = action();
        // SAFETY: it was locked above, in this thread.
        unsafe { self.unlock() };
        result
    }
}

/// In place of a lock in a [`Heap`](crate::Heap) that one thread has to itself. (It isn't a `RawMutex`, which anybody
/// could take for a lock.)
pub struct NoLock(pub(crate) ());

impl Lock for NoLock {
    fn locked<T>(&self, action: impl FnOnce() -> T) -> T {
        action()
    }
}
