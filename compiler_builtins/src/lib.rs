//! The functions on memory that the compiler calls in any program, for example to copy a large value. Usually the C
//! library has them: `man 3 memcpy` and so on say what they do, and what the caller guarantees. They call no function
//! of `core` that isn't inlined: LTO doesn't see the calls of a package with `no_builtins`, and may drop what is
//! called.
#![no_std]
#![no_builtins] // so that the loop in `memset` doesn't become a call of `memset`

use core::ffi::{c_char, c_int, c_void};

#[cfg(test)]
mod tests;

/// A word that needn't be aligned. It is copied in registers, without a call of `memcpy`.
#[repr(C, packed)]
struct Word(u128);

#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn memmove(dest: *mut c_void, src: *const c_void, n: usize) -> *mut c_void {
    // If `dest` is among the bytes of `src`, the last ones come first, so that each is read before it is overwritten.
    let (is_upwards, mut left) = (dest.addr().wrapping_sub(src.addr()) >= n, n);
    // SAFETY: the caller lets all `n` bytes be read and written.
    unsafe {
        #[cfg(all(target_arch = "x86_64", not(miri)))] // It has an instruction for this, after which `left` is 0.
        if is_upwards {
            core::arch::asm!("rep movsb", inout("rcx") left, inout("rdi") dest => _, inout("rsi") src => _);
        }
        let at = |left: usize, size| if is_upwards { n.wrapping_sub(left) } else { left.wrapping_sub(size) };
        while left >= size_of::<Word>() {
            let at = at(left, size_of::<Word>());
            (*dest.wrapping_byte_add(at).cast::<Word>()).0 = (*src.wrapping_byte_add(at).cast::<Word>()).0;
            left = left.wrapping_sub(size_of::<Word>());
        }
        while left > 0 {
            let at = at(left, 1);
            *dest.cast::<u8>().wrapping_add(at) = *src.cast::<u8>().wrapping_add(at);
            left = left.wrapping_sub(1);
        }
    }
    dest
}

#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn memcpy(dest: *mut c_void, src: *const c_void, n: usize) -> *mut c_void {
    // SAFETY: `memmove` asks for less.
    unsafe { memmove(dest, src, n) }
}

#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn memset(dest: *mut c_void, byte: c_int, mut n: usize) -> *mut c_void {
    // SAFETY: the caller lets all `n` bytes be written.
    unsafe {
        #[cfg(all(target_arch = "x86_64", not(miri)))] // as above, after which `n` is 0
        core::arch::asm!("rep stosb", inout("rcx") n, inout("rdi") dest => _, in("al") byte as u8);
        while n > 0 {
            n = n.wrapping_sub(1);
            *dest.cast::<u8>().wrapping_add(n) = byte as u8;
        }
    }
    dest
}

#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn memcmp(left: *const c_void, right: *const c_void, n: usize) -> c_int {
    let mut at = 0;
    // SAFETY: the caller lets all `n` bytes be read.
    unsafe {
        let byte = |bytes: *const c_void, at| *bytes.cast::<u8>().wrapping_add(at) as c_int;
        let word = |bytes: *const c_void, at| (*bytes.wrapping_byte_add(at).cast::<Word>()).0;
        while n.wrapping_sub(at) >= size_of::<Word>() && word(left, at) == word(right, at) {
            at = at.wrapping_add(size_of::<Word>());
        }
        while at < n && byte(left, at) == byte(right, at) {
            at = at.wrapping_add(1);
        }
        if at == n { 0 } else { byte(left, at).wrapping_sub(byte(right, at)) }
    }
}

#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn bcmp(left: *const c_void, right: *const c_void, n: usize) -> c_int {
    // SAFETY: `memcmp` asks for the same.
    unsafe { memcmp(left, right, n) }
}

#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn strlen(text: *const c_char) -> usize {
    let mut length = 0;
    // SAFETY: the caller lets all bytes up to the zero be read.
    while unsafe { *text.wrapping_add(length) } != 0 {
        length = length.wrapping_add(1);
    }
    length
}
