//! The lock that threads wait at: a spin lock, since `core` has no other.

use core::hint::spin_loop;
use spinning_top::RawSpinlock;
use spinning_top::lock_api::Mutex;
use spinning_top::relax::Relax;
use syscalls::{Sysno, syscall};

/// A spin lock that lets other threads run when it takes long, since the kernel may have stopped the one that holds it.
pub(crate) type Lock<T> = Mutex<RawSpinlock<Patience>, T>;

#[derive(Default)]
pub(crate) struct Patience {
    turns: u32,
}

impl Relax for Patience {
    #[cold]
    fn relax(&mut self) {
        self.turns = self.turns.saturating_add(1);
        if self.turns < 100 {
            spin_loop();
        } else {
            // SAFETY: the call only lets others run. It never fails on Linux.
            let _ = unsafe { syscall!(Sysno::sched_yield) };
        }
    }
}
