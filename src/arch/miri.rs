//! The machine on which Miri runs programs, to find undefined behaviour. It knows no assembly, so here the program break
//! moves in an array. This takes the place of `mod.rs`, which says what the functions do.

use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

unsafe extern "Rust" {
    fn miri_write_to_stdout(bytes: &[u8]);
    fn miri_write_to_stderr(bytes: &[u8]);
}

unsafe extern "C" {
    /// Ends the program with this status.
    pub safe fn exit(status: i32) -> !;
}

const SIZE: usize = 16 << 20;
static mut MEMORY: [u8; SIZE] = [0; SIZE];
static BREAK: AtomicPtr<u8> = AtomicPtr::new((&raw mut MEMORY).cast());

pub unsafe fn brk(address: *mut u8) -> *mut u8 {
    let (start, old) = ((&raw mut MEMORY).cast::<u8>(), BREAK.load(Relaxed));
    if address >= start && address <= start.wrapping_add(SIZE) {
        if address > old {
            // New memory is zeroed.
            // SAFETY: it is in the array, and nobody uses it yet.
            unsafe { old.write_bytes(0, address.addr() - old.addr()) };
        }
        BREAK.store(start.with_addr(address.addr()), Relaxed);
    }
    BREAK.load(Relaxed)
}

pub unsafe fn write(fd: usize, bytes: *const u8, length: usize) -> isize {
    // SAFETY: the caller lets the bytes be read.
    unsafe {
        let bytes = core::slice::from_raw_parts(bytes, length);
        if fd == 1 { miri_write_to_stdout(bytes) } else { miri_write_to_stderr(bytes) }
    }
    length as isize
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
