//! What the kernel reports of this process: its mappings and its environment, from files ([`proc(5)`]), and how far its
//! addresses go.
//!
//! [`proc(5)`]: https://man7.org/linux/man-pages/man5/proc.5.html

use core::ffi::CStr;
use syscalls::{Errno, Sysno, syscall};

/// How many bits an address of user memory can have, from the fewest up, depending on the processor and on how the
/// kernel was built. As many addresses at the other end are the kernel's. From the kernel's documentation:
/// `arch/x86/x86_64/mm.rst`, `arch/arm64/memory.rst`, `arch/riscv/vm-layout.rst`.
const USER_BITS: &[u32] = if cfg!(target_arch = "x86_64") {
    &[47, 56]
} else if cfg!(target_arch = "aarch64") {
    &[36, 39, 42, 47, 48, 52]
} else {
    &[38, 47, 56]
};

/// Returns the first address past user memory. The stack may be far below: the kernel keeps to fewer bits than there
/// are, unless a program asks for a higher address.
pub fn user_end() -> usize {
    let variable = 0_u8;
    let stack = (&raw const variable).addr();
    // `munmap` fails past the end of user memory. Before it, nothing needs to be mapped.
    let is_user_memory = |address: usize| {
        // SAFETY: at these powers of two, the kernel maps nothing above the stack, and neither does this program.
        address <= stack || unsafe { syscall!(Sysno::munmap, address, 1) }.is_ok()
    };
    let bits = USER_BITS.iter().rev().find(|bits| is_user_memory(1 << (*bits - 1)));
    1 << bits.unwrap_or(&USER_BITS[0])
}

/// A part of the address space that has the same rights and the same origin throughout.
#[derive(Clone, Copy)]
pub struct Mapping<'a> {
    pub start: usize,
    /// The first address past it.
    pub end: usize,
    /// As in the file: `rw-`.
    pub rights: &'a str,
    /// `[heap]`, a file's path, or nothing.
    pub name: &'a str,
}

/// Reads the mappings of this process into `buffer`, and returns them from the highest address down.
pub fn read_mappings(buffer: &mut [u8]) -> Result<impl Iterator<Item = Mapping<'_>>, Errno> {
    let text = read(c"/proc/self/maps", buffer)?;
    // This program is in some mappings, so without any the file is not what it should be.
    let lines = text.trim_ascii_end().rsplit(|&byte| byte == b'\n');
    if lines.clone().any(|line| parse(line).is_none()) { Err(Errno::EINVAL) } else { Ok(lines.filter_map(parse)) }
}

/// Takes a line apart: `start-end rights offset device inode name`.
fn parse(line: &[u8]) -> Option<Mapping<'_>> {
    // A path can have any bytes in it. It is cut at the first that isn't ASCII, since not every terminal
    // shows such a character, or shows it in one column.
    let text = str::from_utf8(line.split(|byte| !byte.is_ascii()).next()?).ok()?;
    let mut fields = text.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let rights = fields.next()?.get(..3)?;
    let name = fields.nth(3).unwrap_or("").trim();
    let hex = |text| usize::from_str_radix(text, 16).ok();
    Some(Mapping { start: hex(start)?, end: hex(end)?, rights, name })
}

/// Returns whether to draw with more than ASCII. That is false if the locale is `C` or `POSIX`, if the environment
/// names no locale, or if the environment can't be read.
pub fn is_unicode(buffer: &mut [u8]) -> bool {
    let Ok(environment) = read(c"/proc/self/environ", buffer) else { return false };
    // The first of these that is set, and not empty (man 7 locale).
    let values = [&b"LC_ALL="[..], b"LC_CTYPE=", b"LANG="].map(|variable| {
        let mut values = environment.split(|&byte| byte == 0).filter_map(|line| line.strip_prefix(variable));
        values.find(|value| !value.is_empty())
    });
    !matches!(values.into_iter().flatten().next(), None | Some(b"C" | b"POSIX"))
}

/// Reads a whole file. Fails with `EFBIG` if it is larger than the buffer.
fn read<'a>(path: &CStr, buffer: &'a mut [u8]) -> Result<&'a [u8], Errno> {
    const AT_FDCWD: isize = -100;
    const O_RDONLY: usize = 0;
    // SAFETY: the path is a C string, and the kernel only reads it.
    let fd = unsafe { syscall!(Sysno::openat, AT_FDCWD, path.as_ptr(), O_RDONLY) }?;
    let mut len = 0;
    let result = loop {
        let rest = &mut buffer[len..];
        // SAFETY: the kernel writes into the rest of the buffer, and no further than its length.
        match unsafe { syscall!(Sysno::read, fd, rest.as_mut_ptr(), rest.len()) } {
            Ok(0) => break if rest.is_empty() { Err(Errno::EFBIG) } else { Ok(()) },
            Ok(read) => len += read,
            Err(errno) => break Err(errno),
        }
    };
    // SAFETY: the descriptor is this function's own. It was only read, so nothing is lost if closing it fails.
    let _ = unsafe { syscall!(Sysno::close, fd) };
    result.map(|()| &buffer[..len])
}
