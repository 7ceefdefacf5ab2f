//! The mappings of this process, as the kernel reports them in `/proc/self/maps` (`man 5 proc_pid_maps`).

use program_break::exit;
use program_break::stdio::{LineWriter, STDERR};
use syscalls::{Errno, Sysno, syscall};

/// A part of the address space that has the same permissions and the same origin throughout.
pub struct Mapping<'a> {
    pub start: usize,
    /// The first address past it.
    pub end: usize,
    /// As in the file: `rw-`.
    pub permissions: &'a str,
    /// `[stack]`, a file's path, or nothing.
    pub name: &'a str,
}

/// Reads the file into `buffer`, and returns the mappings from the highest address down. If the file can't be read,
/// reports the error number and ends the program.
pub fn read(buffer: &mut [u8]) -> impl Iterator<Item = Mapping<'_>> + Clone {
    let length = read_file(buffer).unwrap_or_else(|errno| {
        // If this can't be written either, the exit status reports the failure.
        let _ = writeln!(LineWriter::new(STDERR), "layout: /proc/self/maps: errno {}", errno.into_raw());
        exit(72) // EX_OSFILE in `sysexits.h`: a file of the system's can't be read
    });
    let lines = buffer[..length].trim_ascii_end().rsplit(|&byte| byte == b'\n');
    lines.map(|line| parse(line).expect("a line of /proc/self/maps"))
}

/// Returns how many bytes there are in the file. Fails with `EFBIG` if the buffer is too small.
fn read_file(buffer: &mut [u8]) -> Result<usize, Errno> {
    const AT_FDCWD: isize = -100;
    const O_RDONLY: usize = 0;
    // SAFETY: the path is a C string, and the kernel only reads it.
    let fd = unsafe { syscall!(Sysno::openat, AT_FDCWD, c"/proc/self/maps".as_ptr(), O_RDONLY) }?;
    let mut length = 0;
    while length < buffer.len() {
        let rest = &mut buffer[length..];
        // SAFETY: the kernel writes into the rest of the buffer, and no further than its length.
        match unsafe { syscall!(Sysno::read, fd, rest.as_mut_ptr(), rest.len()) }? {
            // SAFETY: the descriptor is this function's own, and isn't used again.
            0 => return unsafe { syscall!(Sysno::close, fd) }.map(|_| length),
            read => length += read,
        }
    }
    Err(Errno::EFBIG)
}

/// Takes a line apart: `start-end permissions offset device inode name`.
fn parse(line: &[u8]) -> Option<Mapping<'_>> {
    // The path of a file can have any bytes in it. The program's own, which may be such a path, isn't shown.
    let mut fields = line.utf8_chunks().next()?.valid().split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let permissions = fields.next()?.get(..3)?;
    let name = fields.nth(3).unwrap_or("");
    let hex = |text| usize::from_str_radix(text, 16).ok();
    Some(Mapping { start: hex(start)?, end: hex(end)?, permissions, name })
}
