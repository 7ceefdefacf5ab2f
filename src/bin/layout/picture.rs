//! The picture: the address space from the top down, and what has moved since the last one.

use crate::proc::{self, Mapping};
use core::fmt::{self, Display, Write};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use program_break::stdio::LineWriter;
use syscalls::Errno;

/// How many bits an address of user memory can have, from the fewest up. The kernel's addresses are as many, at the
/// other end. From the kernel's own documentation: `arch/x86/x86_64/mm.rst`, `arch/arm64/memory.rst`,
/// `arch/riscv/vm-layout.rst`.
const USER_BITS: &[u32] = if cfg!(target_arch = "x86_64") {
    &[47, 56]
} else if cfg!(target_arch = "aarch64") {
    &[36, 39, 42, 47, 48, 52]
} else {
    &[38, 47, 56]
};

/// A page has this many bytes, or a multiple of it.
const PAGE: usize = 4096;

/// How wide the picture is, from border to border.
const WIDTH: usize = 45;

/// The number of the next picture. (This is data that isn't zeroed, so that there is some to be seen.)
static NUMBER: AtomicUsize = AtomicUsize::new(1);

/// The ends of the program's parts, as linker.ld names them. Only their addresses are used.
mod linker {
    unsafe extern "C" {
        pub static __ehdr_start: u8;
        pub static rodata: u8;
        pub static etext: u8;
        pub static data_start: u8;
        pub static edata: u8;
        pub static end: u8;
    }
}

/// Returns where the program starts, its read-only data starts, its text ends, its data starts and ends, and it ends.
fn parts() -> [usize; 6] {
    use linker::*;
    [
        &raw const __ehdr_start,
        &raw const rodata,
        &raw const etext,
        &raw const data_start,
        &raw const edata,
        &raw const end,
    ]
    .map(|symbol| symbol.addr())
}

/// Draws the pictures, and remembers what the last one showed.
pub struct Painter<'a> {
    buffer: &'a mut [u8],
    heap_start: usize,
    is_unicode: bool,
    last: Option<HeapState>,
}

#[derive(Clone, Copy)]
struct HeapState {
    program_break: usize,
    /// The size of the mapping `[heap]`, 0 if there is none.
    mapped: usize,
}

impl<'a> Painter<'a> {
    pub fn new(heap_start: usize, buffer: &'a mut [u8]) -> Self {
        let is_unicode = proc::is_unicode(buffer);
        Painter { buffer, heap_start, is_unicode, last: None }
    }

    /// Draws the address space as it is now, with the break where `brk` has returned that it is.
    pub fn draw(&mut self, out: &mut LineWriter, program_break: usize, title: &str) {
        // A failure to write stays in `out`.
        let _ = self.try_draw(out, program_break, title);
    }

    fn try_draw(&mut self, out: &mut LineWriter, program_break: usize, title: &str) -> fmt::Result {
        let number = NUMBER.fetch_add(1, Relaxed);
        writeln!(out, "{}{number}. {title}\n", if number > 1 { "\n" } else { "" })?;

        // The value of this variable is on the stack.
        let heap_start = self.heap_start;
        let stack = (&raw const heap_start).addr() / PAGE * PAGE;
        let mut renderer = Renderer {
            out,
            heap: HeapState { program_break, mapped: 0 },
            heap_start,
            is_unicode: self.is_unicode,
            last: self.last,
            empty: "nothing",
            user_end: *USER_BITS.iter().map(|bits| 1 << bits).find(|end| stack < *end).get_or_insert(1 << 63),
            pending: None,
            is_visible: false,
        };
        let missing = match proc::mappings(self.buffer) {
            Ok(mut mappings) => mappings.try_for_each(|mapping| renderer.mapping(&mapping)).map(|()| None)?,
            Err(errno) => {
                // What the process knows by itself.
                renderer.empty = "not known";
                let [start, _, text_end, data, _, end] = parts();
                for (start, end, name) in [
                    (stack, stack + PAGE, "stack, a page of it"),
                    (heap_start, program_break, "[heap]"),
                    (data, end, ""),
                    (start, text_end, ""),
                ] {
                    if start < end {
                        renderer.mapping(&Mapping { start, end, rights: "???", name })?;
                    }
                }
                Some(errno)
            }
        };
        renderer.finish()?;
        let heap = renderer.heap;
        self.remark(out, heap, missing)?;
        self.last = Some(heap);
        Ok(())
    }

    /// Writes what has changed since the last picture, in words.
    fn remark(&self, out: &mut LineWriter, heap: HeapState, missing: Option<Errno>) -> fmt::Result {
        writeln!(out)?;
        match self.last {
            None => writeln!(out, "Nothing is on the heap: it starts where it ends, at the program break.")?,
            Some(last) => {
                let moved = heap.program_break.wrapping_sub(last.program_break) as isize;
                writeln!(out, "The program break has moved by {moved:+}.")?;
                if heap.mapped > last.mapped {
                    writeln!(out, "The mapping [heap] is new, {}: the kernel maps whole pages.", Size(heap.mapped))?;
                } else if heap.mapped < last.mapped {
                    writeln!(out, "The mapping [heap] is gone, all of its {}.", Size(last.mapped))?;
                }
            }
        }
        if let Some(errno) = missing {
            let errno = errno.into_raw();
            writeln!(out, "/proc/self/maps can't be read (errno {errno}). So all rights, the rest of the stack,")?;
            writeln!(out, "and whatever else the kernel has mapped are missing.")?;
        }
        Ok(())
    }
}

/// The rows of one picture, from the top down.
struct Renderer<'a, 'b> {
    out: &'a mut LineWriter,
    heap: HeapState,
    heap_start: usize,
    is_unicode: bool,
    last: Option<HeapState>,
    /// What addresses without a mapping are called.
    empty: &'static str,
    /// The first address past user memory.
    user_end: usize,
    /// The last region. It isn't drawn yet, since the next one may continue it.
    pending: Option<Mapping<'b>>,
    is_visible: bool,
}

impl<'b> Renderer<'_, 'b> {
    /// A mapping below the last one: the addresses between the two, and then its parts.
    fn mapping(&mut self, mapping: &Mapping<'b>) -> fmt::Result {
        let program_break = self.heap.program_break;
        // By its addresses, since not every kernel gives the heap a mapping, and a name, of its own.
        let is_heap = mapping.start < program_break && self.heap_start < mapping.end && self.heap_start < program_break;
        let mut above = self.pending.map_or(self.user_end, |last| last.start);
        if above > self.user_end && mapping.end <= self.user_end {
            let kernel = self.user_end.wrapping_neg();
            self.region(kernel, above, "", "the kernel's half")?;
            self.region(self.user_end, kernel, "", "no addresses")?;
            above = self.user_end;
        }
        if above > mapping.end {
            // An empty heap has no mapping. What is right above the heap is for it to grow into.
            let cut = program_break.clamp(mapping.end, above);
            let is_gap = cut == program_break || is_heap;
            self.region(cut, above, "", if is_gap { "the gap" } else { self.empty })?;
            self.region(mapping.end, cut, "", self.empty)?;
        }
        if is_heap {
            self.heap.mapped = mapping.end - mapping.start.max(self.heap_start);
        }
        let [start, rodata, text_end, data, data_end, end] = parts();
        let is_program = mapping.start < end && start < mapping.end;
        let mut top = mapping.end;
        for cut in [program_break, self.heap_start, end, data_end, data, text_end, rodata, mapping.start] {
            if !(mapping.start..top).contains(&cut) {
                continue;
            }
            let name = match (is_program, mapping.name) {
                _ if is_heap && cut >= program_break => "not asked for",
                _ if is_heap && cut >= self.heap_start => "heap",
                (false, "[stack]") => "stack; grows down",
                (false, "") => "(no name)",
                // The end of a long path.
                (false, name) => name.char_indices().rev().nth(21).map_or(name, |(at, _)| &name[at..]),
                _ if cut >= end || (text_end..data).contains(&cut) => "rest of the page",
                _ if cut >= data_end => ".bss: zeroed data",
                _ if cut >= data => ".data",
                _ if cut >= rodata => "read-only data",
                _ => "code",
            };
            self.region(cut, top, mapping.rights, name)?;
            top = cut;
        }
        Ok(())
    }

    /// A region right below the last one. It is drawn when the next one comes.
    fn region(&mut self, start: usize, end: usize, rights: &'b str, name: &'b str) -> fmt::Result {
        if start == end {
            return Ok(());
        }
        let region = Mapping { start, end, rights, name };
        match &mut self.pending {
            Some(last) if last.name == name && last.rights == rights && end != self.heap.program_break => {
                last.start = start;
                Ok(())
            }
            pending => pending.replace(region).map_or(Ok(()), |last| self.draw(&last)),
        }
    }

    /// Draws the last region, and the line below it.
    fn finish(&mut self) -> fmt::Result {
        let Some(last) = self.pending else { return Ok(()) };
        self.draw(&last)?;
        if self.is_visible { self.edge(last.start, false) } else { Ok(()) }
    }

    /// Draws a region and the line above it. The second and third picture start at the gap and end with the program.
    fn draw(&mut self, region: &Mapping) -> fmt::Result {
        let [.., end] = parts();
        let is_first = self.last.is_none();
        self.is_visible |= is_first || region.name == "the gap";
        if !self.is_visible {
            return Ok(());
        }
        let is_new = region.name == "not asked for" && self.last.is_some_and(|last| last.mapped == 0);
        self.edge(region.end, is_new)?;
        self.is_visible = is_first || region.end > end;
        if !self.is_visible {
            return Ok(());
        }
        let side = match (self.is_unicode, region.rights) {
            (true, "") => "┆",
            (true, _) => "│",
            (false, "") => ":",
            (false, _) => "|",
        };
        let size = Size(region.end - region.start);
        writeln!(self.out, "{:18} {side} {:<22}{size:>14}  {:3} {side}", "", region.name, region.rights)
    }

    /// Draws the line between two regions, with the address where the upper one starts.
    fn edge(&mut self, address: usize, is_new: bool) -> fmt::Result {
        let (line, mark) = if self.is_unicode { ("─", "◄") } else { ("-", "<") };
        // The first address past user memory is nobody's. The last one of user memory is shown, as in the article.
        write!(self.out, "{:>#18x} ", address - usize::from(address == self.user_end))?;
        let mut width = 0;
        let [start, _, text_end, _, data_end, end] = parts();
        for (named, name) in [
            (self.user_end, "end of user memory"),
            (self.heap.program_break, "program break"),
            (self.heap_start, "heap start"),
            (end, "end"),
            (data_end, "edata"),
            (text_end, "etext"),
            (start, "start of the program"),
        ] {
            if named == address {
                write!(self.out, "{line}{line} {name} ")?;
                width += name.len() + 4;
            }
        }
        for _ in width..WIDTH {
            self.out.write_str(line)?;
        }
        match self.last {
            Some(last) if address == self.heap.program_break && address != last.program_break => {
                write!(self.out, " {mark} moved by {:+}", address.wrapping_sub(last.program_break) as isize)?;
            }
            _ if is_new => write!(self.out, " {mark} new")?,
            _ => {}
        }
        writeln!(self.out)
    }
}

/// A number of bytes, for people.
struct Size(usize);

impl Display for Size {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let mut text = Text { bytes: [0; 16], len: 0 };
        let Size(bytes) = *self;
        match bytes {
            0..1_000 => write!(text, "{bytes} bytes")?,
            1_000..16_384 => write!(text, "{},{:03} bytes", bytes / 1_000, bytes % 1_000)?,
            _ => {
                let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
                let power = (bytes.ilog2() as usize / 10).min(units.len());
                let unit = 1 << (10 * power);
                // To the nearest tenth.
                let tenths = (bytes as u128 * 10 + unit / 2) / unit;
                write!(text, "{}", tenths / 10)?;
                if !tenths.is_multiple_of(10) {
                    write!(text, ".{}", tenths % 10)?;
                }
                write!(text, " {}", units[power - 1])?;
            }
        }
        out.pad(str::from_utf8(&text.bytes[..text.len]).unwrap_or_default())
    }
}

/// A short text, to be padded as a whole.
struct Text {
    bytes: [u8; 16],
    len: usize,
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}
