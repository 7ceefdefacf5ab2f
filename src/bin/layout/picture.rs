//! The picture: the address space from the top down, and what has moved since the last one.

use crate::maps::{self, Mapping};
use core::fmt::{self, Display, Write};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use program_break::stdio::LineWriter;
use syscalls::Errno;

/// The last address of user memory, as in the article: the lower half of what 48 bits can say.
pub const TOP: usize = 0x7fff_ffff_ffff;

/// The first address of the kernel's. Between it and the user's last there are none: 48 bits, the highest of them
/// repeated.
const KERNEL: usize = 0xffff_8000_0000_0000;

/// The kernel maps whole pages of this size.
const PAGE: usize = 4096;

/// How wide the picture is, from border to border.
const WIDTH: usize = 45;

/// The mappings of one reading of the file. If there are more, it is read again for those below.
static mut WINDOW: [Mapping; 64] = [Mapping::NONE; 64];

/// The number of the next picture. (Data that isn't zeroed, so that there is some to be seen.)
static NUMBER: AtomicUsize = AtomicUsize::new(1);

/// The ends of the program's parts, as linker.ld names them.
mod linker {
    // Only their addresses are taken: what is at them is something else, or nothing.
    unsafe extern "C" {
        pub static __ehdr_start: u8;
        pub static rodata: u8;
        pub static etext: u8;
        pub static data_start: u8;
        pub static edata: u8;
        pub static end: u8;
    }
}

/// What stays the same from one picture to the next, and what the last one said.
#[derive(Clone, Copy)]
pub struct Picture {
    heap_start: usize,
    unicode: bool,
    last: Option<Heap>,
}

#[derive(Clone, Copy)]
struct Heap {
    program_break: usize,
    /// The size of the `[heap]` mapping, 0 if there is none.
    mapped: usize,
}

impl Picture {
    /// Nothing drawn so far, and a heap that starts at `heap_start`.
    pub fn new(heap_start: usize) -> Picture {
        Picture { heap_start, unicode: maps::is_unicode(), last: None }
    }

    /// Draws the address space as it is now, with the break where `brk` has just said that it is.
    pub fn draw(&mut self, out: &mut LineWriter, program_break: *mut u8, title: &str) {
        // A failure to write stays in `out`.
        let _ = self.try_draw(out, program_break as usize, title);
    }

    fn try_draw(&mut self, out: &mut LineWriter, program_break: usize, title: &str) -> fmt::Result {
        let number = NUMBER.fetch_add(1, Relaxed);
        writeln!(out, "{}{number}. {title}\n", if number > 1 { "\n" } else { "" })?;

        let mut heap = Heap { program_break, mapped: 0 };
        // SAFETY: there is one thread, and no other reference to it, since this function doesn't call itself.
        #[expect(static_mut_refs, reason = "this one reference")]
        let window = unsafe { &mut WINDOW };
        let mut limit = usize::MAX;
        let (mut count, missing) = look(limit, self.heap_start, heap.program_break, window);
        let empty = if missing.is_some() { "not known" } else { "nothing" };
        let mut rows = Rows { out, picture: *self, program_break: heap.program_break, empty, pending: None };
        loop {
            let highest = count.saturating_sub(window.len())..count;
            for n in highest.clone().rev() {
                let mapping = &window[n % window.len()];
                if mapping.name() == "[heap]" {
                    heap.mapped = mapping.end - mapping.start.max(self.heap_start);
                }
                rows.mapping(mapping)?;
                limit = mapping.start;
            }
            if highest.start == 0 {
                break;
            }
            // Nothing is mapped or unmapped in between, so this is the same list.
            (count, _) = look(limit, self.heap_start, heap.program_break, window);
        }
        rows.finish()?;
        self.remark(out, heap, missing)?;
        self.last = Some(heap);
        Ok(())
    }

    /// What has changed since the last picture, in words.
    fn remark(&self, out: &mut LineWriter, heap: Heap, missing: Option<Errno>) -> fmt::Result {
        writeln!(out)?;
        match self.last {
            None => writeln!(out, "Nothing is on the heap: it starts where it ends, at the program break.")?,
            Some(last) => {
                let moved = heap.program_break.wrapping_sub(last.program_break) as isize;
                writeln!(out, "The program break has moved by {moved:+}.")?;
                match (last.mapped, heap.mapped) {
                    (0, new @ 1..) => {
                        writeln!(out, "The mapping [heap] has come, {}: the kernel maps whole pages.", Size(new))?
                    }
                    (old @ 1.., 0) => writeln!(out, "The mapping [heap] has gone, all of its {}.", Size(old))?,
                    _ => {}
                }
            }
        }
        if let Some(errno) = missing {
            writeln!(
                out,
                "Missing, since /proc/self/maps can't be read (errno {}): all rights, the",
                errno.into_raw()
            )?;
            writeln!(out, "rest of the stack, and whatever else the kernel has mapped.")?;
        }
        Ok(())
    }
}

/// Puts the mappings below `limit` into the window, each at its number modulo the window's size, counted from the lowest
/// one up: so that the highest ones stay. Returns how many there are, and why they aren't from the file, if they aren't.
fn look(limit: usize, heap_start: usize, program_break: usize, window: &mut [Mapping]) -> (usize, Option<Errno>) {
    let mut count = 0;
    let mut take = |count: &mut usize, mapping: Mapping| {
        if mapping.end <= limit {
            window[*count % window.len()] = mapping;
            *count += 1;
        }
    };
    let Err(errno) = maps::for_each(|mapping| take(&mut count, mapping)) else { return (count, None) };

    // What the process knows by itself: whole pages, as the kernel maps them. It runs on one of the stack.
    let page = (&raw const errno).addr() / PAGE * PAGE;
    let [start, _, text_end, data, _, end] = parts();
    count = 0;
    for (start, end, name) in [
        (start, text_end.next_multiple_of(PAGE), ""),
        (data / PAGE * PAGE, end.next_multiple_of(PAGE), ""),
        (heap_start, program_break.next_multiple_of(PAGE), if program_break > heap_start { "[heap]" } else { "" }),
        (page, page + PAGE, "stack, a page of it"),
    ] {
        if start < end {
            take(&mut count, Mapping::new(start, end, UNKNOWN, name));
        }
    }
    (count, Some(errno))
}

/// The rights of what isn't from the file, and of what isn't mapped at all.
const UNKNOWN: [u8; 3] = *b"???";
const NOTHING: [u8; 3] = *b"   ";

/// Where the program starts, its read-only data starts, its text ends, its data starts, ends, and it ends itself.
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

/// The rows of one picture, from the top down.
struct Rows<'a> {
    out: &'a mut LineWriter,
    picture: Picture,
    program_break: usize,
    /// What is said of addresses without a mapping.
    empty: &'static str,
    /// The last region, which isn't drawn yet, as the next one may continue it.
    pending: Option<Mapping>,
}

impl Rows<'_> {
    /// A mapping, below the last one: what is between them, and then its parts.
    fn mapping(&mut self, mapping: &Mapping) -> fmt::Result {
        let mut above = self.pending.map_or(TOP + 1, |last| last.start);
        if above > TOP + 1 && mapping.end <= TOP + 1 {
            self.region(Mapping::new(KERNEL, above, NOTHING, "the kernel's half"))?;
            self.region(Mapping::new(TOP + 1, KERNEL, NOTHING, "no addresses"))?;
            above = TOP + 1;
        }
        if above > mapping.end {
            // The heap is there also when it is empty and so has no mapping.
            let program_break = self.program_break.clamp(mapping.end, above);
            // What is right above the heap is for the heap to grow into.
            let is_gap = [self.program_break, self.program_break.next_multiple_of(PAGE)].contains(&program_break);
            let name = if is_gap { "the gap" } else { self.empty };
            self.region(Mapping::new(program_break, above, NOTHING, name))?;
            self.region(Mapping::new(mapping.end, program_break, NOTHING, self.empty))?;
        }
        let [start, rodata, text_end, data, data_end, end] = parts();
        let heap = (self.picture.heap_start, self.program_break);
        let program = start..(end.next_multiple_of(PAGE));
        let mut top = mapping.end;
        for cut in [heap.1, heap.0, end, data_end, data, text_end, rodata, mapping.start] {
            if !(mapping.start..top).contains(&cut) {
                continue;
            }
            let name = match cut {
                _ if cut >= heap.1 && mapping.name() == "[heap]" => "not asked for",
                _ if (heap.0..heap.1).contains(&cut) => "heap",
                _ if !program.contains(&cut) => match mapping.name() {
                    "[stack]" => "stack; grows down",
                    "" => "(no name)",
                    name => name,
                },
                _ if cut >= end || (text_end..data).contains(&cut) => "rest of the page",
                _ if cut >= data_end => ".bss: zeroed data",
                _ if cut >= data => ".data",
                _ if cut >= rodata => "read-only data",
                _ => "code",
            };
            self.region(Mapping::new(cut, top, mapping.rights, name))?;
            top = cut;
        }
        Ok(())
    }

    /// A region, right below the last one. It is drawn when the next one comes.
    fn region(&mut self, region: Mapping) -> fmt::Result {
        if region.start == region.end {
            return Ok(());
        }
        match &mut self.pending {
            Some(last)
                if last.name() == region.name() && last.rights == region.rights && region.end != self.program_break =>
            {
                last.start = region.start;
                Ok(())
            }
            pending => {
                let last = pending.replace(region);
                last.map_or(Ok(()), |last| self.draw(&last))
            }
        }
    }

    /// The last region, and the line below it.
    fn finish(&mut self) -> fmt::Result {
        let Some(last) = self.pending else { return Ok(()) };
        self.draw(&last)?;
        self.edge(last.start, false)
    }

    fn draw(&mut self, region: &Mapping) -> fmt::Result {
        let is_new = region.name() == "not asked for" && self.picture.last.is_some_and(|last| last.mapped == 0);
        self.edge(region.end, is_new)?;
        let side = match (self.picture.unicode, region.rights) {
            (true, NOTHING) => "┆",
            (true, _) => "│",
            (false, NOTHING) => ":",
            (false, _) => "|",
        };
        let (name, size) = (region.name(), Size(region.end - region.start));
        let rights = str::from_utf8(&region.rights).unwrap_or("???");
        writeln!(self.out, "{:18} {side} {name:<22}{size:>14}  {rights} {side}", "")
    }

    /// The line between two regions, with the address of the upper one's start.
    fn edge(&mut self, address: usize, is_new: bool) -> fmt::Result {
        let line = if self.picture.unicode { "─" } else { "-" };
        // The first address past the user's half is the kernel's: shown is the user's last, as in the article.
        write!(self.out, "{:>#18x} ", if address == TOP + 1 { TOP } else { address })?;
        let mut width = 0;
        let [start, _, text_end, _, data_end, end] = parts();
        let names = [
            (TOP + 1, "end of user memory, 128 TiB"),
            (self.program_break, "program break"),
            (self.picture.heap_start, "heap start"),
            (end, "end"),
            (data_end, "edata"),
            (text_end, "etext"),
            (start, "start of the program"),
        ];
        for (_, name) in names.iter().filter(|(named, _)| *named == address) {
            write!(self.out, "{line}{line} {name} ")?;
            width += name.len() + 4;
        }
        for _ in width..WIDTH {
            self.out.write_str(line)?;
        }
        let mark = if self.picture.unicode { "◄" } else { "<" };
        match self.picture.last {
            Some(last) if address == self.program_break && address != last.program_break => {
                write!(self.out, " {mark} moved by {:+}", address.wrapping_sub(last.program_break) as isize)?;
            }
            _ if is_new => write!(self.out, " {mark} new")?,
            _ => {}
        }
        writeln!(self.out)
    }
}

/// A number of bytes, as a person says it.
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

/// A short text, which is padded as a whole.
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
