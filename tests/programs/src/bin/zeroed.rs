//! This has zeroed data and no other, and panics in a thread, where it can make one.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicI32, Ordering::Relaxed};
use program_break::Error;
use syscalls::{Sysno, syscall};

program_break::entry!(main);

static COUNT: AtomicI32 = AtomicI32::new(0);

fn main() -> Result<(), Error> {
    let flags = 0x14900; // CLONE_VM, CLONE_SIGHAND, CLONE_VFORK and CLONE_THREAD
    // SAFETY: the thread uses this stack. VFORK lets `main` go on only when the thread, and so the program, has ended.
    match unsafe { syscall!(Sysno::clone, flags, 0) } {
        Ok(1..) => Ok(()),
        _ => panic!("{} is too much", COUNT.fetch_add(1, Relaxed) + COUNT.load(Relaxed) + 41),
    }
}
