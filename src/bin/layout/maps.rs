//! What the kernel tells of this process in files: its mappings and its environment.

use core::ffi::CStr;
use syscalls::{Errno, Sysno, syscall};

/// How much of a name is kept, in bytes.
const NAME: usize = 22;

/// A part of the address space with the same rights and the same origin throughout.
#[derive(Clone, Copy)]
pub struct Mapping {
    pub start: usize,
    /// The first address past it.
    pub end: usize,
    /// As in the file: `rw-`.
    pub rights: [u8; 3],
    name: [u8; NAME],
    name_len: usize,
}

impl Mapping {
    pub const NONE: Mapping = Mapping { start: 0, end: 0, rights: [0; 3], name: [0; NAME], name_len: 0 };

    pub fn new(start: usize, end: usize, rights: [u8; 3], name: &str) -> Mapping {
        let mut mapping = Mapping { start, end, rights, ..Mapping::NONE };
        mapping.set_name(name.as_bytes());
        mapping
    }

    /// `[heap]`, a file's path (the end of it, where it is long), or nothing.
    pub fn name(&self) -> &str {
        // A path may be cut in the middle of a character, or hold any bytes.
        str::from_utf8(&self.name[..self.name_len]).unwrap_or("a file")
    }

    fn set_name(&mut self, name: &[u8]) {
        let end = &name[name.len().saturating_sub(NAME)..];
        self.name[..end.len()].copy_from_slice(end);
        self.name_len = end.len();
    }

    /// From a line of `/proc/PID/maps`: `start-end rights offset device inode name` ([`proc_pid_maps(5)`]).
    ///
    /// [`proc_pid_maps(5)`]: https://man7.org/linux/man-pages/man5/proc_pid_maps.5.html
    fn parse(line: &[u8]) -> Option<Mapping> {
        let mut fields = line.splitn(6, |&byte| byte == b' ');
        let mut addresses = fields.next()?.splitn(2, |&byte| byte == b'-').map(hex);
        let (start, end) = (addresses.next()??, addresses.next()??);
        let rights = *fields.next()?.first_chunk()?;
        let mut mapping = Mapping { start, end, rights, ..Mapping::NONE };
        mapping.set_name(fields.nth(3).unwrap_or_default().trim_ascii());
        Some(mapping)
    }
}

fn hex(text: &[u8]) -> Option<usize> {
    usize::from_str_radix(str::from_utf8(text).ok()?, 16).ok()
}

/// Calls `each` with the mappings of this process, from the lowest address up, all of them. No mapping at all is an
/// error, since this program is in some.
pub fn for_each(mut each: impl FnMut(Mapping)) -> Result<(), Errno> {
    let mut file = File::open(c"/proc/self/maps")?;
    let mut any = Err(Errno::EINVAL);
    while let Some(line) = file.next(b'\n')? {
        each(Mapping::parse(line).ok_or(Errno::EINVAL)?);
        any = Ok(());
    }
    any
}

/// Whether to draw with more than ASCII: not if the locale is called `C` or `POSIX`, and not if the environment, which
/// says so, can't be read.
pub fn is_unicode() -> bool {
    /// The variables that say it, the first one that is set and not empty (man 7 locale).
    const VARIABLES: [&[u8]; 3] = [b"LC_ALL=", b"LC_CTYPE=", b"LANG="];
    let look = || -> Result<bool, Errno> {
        let mut file = File::open(c"/proc/self/environ")?;
        let mut plain = [None; VARIABLES.len()];
        while let Some(line) = file.next(0)? {
            for (variable, plain) in VARIABLES.iter().zip(&mut plain) {
                if let Some(value @ [_, ..]) = line.strip_prefix(*variable) {
                    *plain = Some(value == b"C" || value == b"POSIX");
                }
            }
        }
        Ok(plain.into_iter().flatten().next() != Some(true))
    };
    look().unwrap_or(false)
}

/// An open file, read line by line.
struct File {
    fd: usize,
    buffer: [u8; 1024],
    /// The part of `buffer` that is read and not yet given out.
    at: usize,
    len: usize,
    /// The line that was given out last, or the start of it if it is longer than this.
    line: [u8; 512],
}

impl File {
    fn open(path: &CStr) -> Result<File, Errno> {
        const O_RDONLY: usize = 0;
        // SAFETY: the path is a C string, and the kernel only reads it.
        let fd = unsafe { syscall!(Sysno::open, path.as_ptr(), O_RDONLY) }?;
        Ok(File { fd, buffer: [0; 1024], at: 0, len: 0, line: [0; 512] })
    }

    /// The next line, up to `end` or the end of the file; nothing behind the last one.
    fn next(&mut self, end: u8) -> Result<Option<&[u8]>, Errno> {
        let mut len = 0;
        loop {
            while self.at < self.len {
                let byte = self.buffer[self.at];
                self.at += 1;
                if byte == end {
                    return Ok(Some(&self.line[..len]));
                }
                if len < self.line.len() {
                    self.line[len] = byte;
                    len += 1;
                }
            }
            // However much it is, there may be more: only a read of nothing is the end of the file.
            // SAFETY: the kernel writes into the buffer, and no further than its length.
            match unsafe { syscall!(Sysno::read, self.fd, self.buffer.as_mut_ptr(), self.buffer.len()) } {
                Ok(0) if len == 0 => return Ok(None),
                Ok(0) => return Ok(Some(&self.line[..len])),
                Ok(read) => (self.at, self.len) = (0, read),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: the descriptor is this file's own. It was read only, so that closing it loses nothing.
        let _ = unsafe { syscall!(Sysno::close, self.fd) };
    }
}
