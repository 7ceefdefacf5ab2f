//! The program of Graham King's article, <https://darkcoding.net/software/how-memory-is-allocated/>, in one file and
//! for x86-64, with what its last paragraph says: free. To build it and run it:
//!
//!     rustc --edition 2024 -O -Cpanic=abort -Clink-args='-nostdlib -static -no-pie' examples/article.rs && ./article
#![no_std]
#![no_main]

use core::arch::{asm, global_asm};

// The kernel starts the program here. The `call` aligns the stack as a function expects it.
global_asm!(".globl _start", "_start: call {}", sym main);

/// The number of each system call is in rax, as in the article: 12 is brk, 1 is write, and 60 is exit.
extern "C" fn main() -> ! {
    let heap_start: u64;
    // SAFETY: besides the result, `syscall` overwrites only rcx and r11. If the kernel refuses nothing, which isn't
    // checked, as in the article, the four bytes are this program's until it frees them.
    unsafe {
        // find the program break: 0 is invalid, so brk only returns where the break is
        asm!("syscall", inout("rax") 12u64 => heap_start, in("rdi") 0u64, out("rcx") _, out("r11") _);
        // move it up by 4 bytes
        asm!("syscall", inout("rax") 12u64 => _, in("rdi") heap_start + 4, out("rcx") _, out("r11") _);
        // store something
        *(heap_start as *mut [u8; 3]) = *b"HI\n";
        // print it from there: 3 bytes, to standard output
        asm!("syscall", inout("rax") 1u64 => _, in("rdi") 1u64, in("rsi") heap_start, in("rdx") 3u64,
            out("rcx") _, out("r11") _);
        // free: move the break back down
        asm!("syscall", inout("rax") 12u64 => _, in("rdi") heap_start, out("rcx") _, out("r11") _);
        // exit (if that is refused, `ud2` ends the program, too)
        asm!("syscall", "ud2", in("rax") 60u64, in("rdi") 0u64, options(noreturn));
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
