//! A machine for Miri, which finds undefined behaviour, but knows no assembly. This takes the place of `mod.rs`, which
//! says what the functions do. Miri itself has C's `write` and `exit`. The program break moves in an array.

use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

unsafe extern "C" {
    pub fn write(fd: i32, bytes: *const u8, length: usize) -> isize;
    /// Ends the program with this status.
    pub safe fn exit(status: i32) -> !;
}

static mut MEMORY: [u8; 16 << 20] = [0; 16 << 20];
static BREAK: AtomicPtr<u8> = AtomicPtr::new((&raw mut MEMORY).cast());

pub unsafe fn brk(address: *mut u8) -> *mut u8 {
    let (start, old) = ((&raw mut MEMORY).cast::<u8>(), BREAK.load(Relaxed));
    if (start.addr()..=start.addr() + (16 << 20)).contains(&address.addr()) {
        // SAFETY: what is above the break is in the array, and nobody uses it.
        unsafe { old.write_bytes(0, address.addr().saturating_sub(old.addr())) };
        BREAK.store(start.with_addr(address.addr()), Relaxed);
    }
    BREAK.load(Relaxed)
}

#[doc(hidden)]
#[macro_export]
macro_rules! _start {
    ($start:path) => {
        // Miri starts a program here.
        #[unsafe(no_mangle)]
        fn miri_start(_: isize, _: *const *const u8) -> isize {
            $start()
        }
    };
}
