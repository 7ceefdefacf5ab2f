//! The picture: the regions from the top down, and what has changed since the last picture.

use crate::proc::{Mapping, read_mappings, user_end};
use crate::regions::{GAP, HEAP, Landmarks, NOT_ASKED_FOR, parts};
use core::fmt::{self, Display, Write};
use core::mem::replace;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use program_break::stdio::LineWriter;

/// How wide the picture is, from border to border.
const WIDTH: usize = 45;

/// The number of the next picture. (It isn't zero at the start, so that the program has initialised data to draw.)
static NUMBER: AtomicUsize = AtomicUsize::new(1);

/// Draws the pictures.
pub struct Renderer<'a> {
    out: &'a mut LineWriter,
    is_unicode: bool,
    is_first: bool,
    landmarks: Landmarks,
    /// By how many bytes the program break has moved since the last picture.
    moved: isize,
    /// How many bytes are mapped for the heap, which is whole pages, and how many were in the last picture.
    mapped: usize,
    mapped_before: usize,
}

impl<'a> Renderer<'a> {
    pub fn new(out: &'a mut LineWriter, is_unicode: bool, heap_start: usize) -> Self {
        let landmarks = Landmarks { user_end: user_end(), program_break: heap_start, heap_start };
        Renderer { out, is_unicode, is_first: true, landmarks, moved: 0, mapped: 0, mapped_before: 0 }
    }

    /// Draws the address space as it is now, with the program break where `brk` has returned that it is. The text of
    /// /proc/self/maps is read into `buffer`.
    pub fn draw(&mut self, buffer: &mut [u8], program_break: usize, title: &str) {
        let break_before = replace(&mut self.landmarks.program_break, program_break);
        self.moved = program_break.wrapping_sub(break_before) as isize;
        self.mapped_before = replace(&mut self.mapped, 0);
        // A failure to write stays in `out`.
        let _ = self.try_draw(buffer, title);
    }

    fn try_draw(&mut self, buffer: &mut [u8], title: &str) -> fmt::Result {
        let number = NUMBER.fetch_add(1, Relaxed);
        self.is_first = number == 1;
        writeln!(self.out, "{}{number}. {title}\n", if self.is_first { "" } else { "\n" })?;

        let landmarks = self.landmarks;
        let missing = match read_mappings(buffer) {
            Ok(mappings) => {
                self.rows(landmarks.regions(mappings, "nothing"))?;
                None
            }
            Err(errno) => {
                self.rows(landmarks.regions(landmarks.known_mappings(), "not known"))?;
                self.mapped = self.mapped_before; // not known either
                Some(errno.into_raw())
            }
        };

        let (mapped, before) = (self.mapped, self.mapped_before);
        writeln!(self.out)?;
        if self.is_first {
            writeln!(self.out, "Nothing is on the heap: it starts where it ends, at the program break.")?;
        } else if mapped > before {
            writeln!(self.out, "The mapping [heap] is new, {}: the kernel maps whole pages.", Size(mapped))?;
        } else if mapped < before {
            writeln!(self.out, "The mapping [heap] of {} is gone.", Size(before))?;
        }
        if let Some(errno) = missing {
            writeln!(self.out, "/proc/self/maps can't be read (errno {errno}). So all rights, the rest of the stack,")?;
            writeln!(self.out, "and whatever else the kernel has mapped are missing.")?;
        }
        Ok(())
    }

    /// Draws the regions. The first picture has all of them. The others start at the gap, right above the heap, and end
    /// where the program does.
    fn rows<'b>(&mut self, regions: impl Iterator<Item = Mapping<'b>>) -> fmt::Result {
        let (is_first, Landmarks { program_break, .. }) = (self.is_first, self.landmarks);
        let [.., program_end] = parts();
        // In an emulator there may be no gap, but a mapping. Then they start at the break.
        let is_above = |region: &Mapping| region.start >= program_break && region.name != GAP;
        let regions = regions.skip_while(|region| !is_first && is_above(region));
        let mut regions = regions.take_while(|region| is_first || region.start >= program_end).peekable();
        let mut lowest = 0;
        while let Some(mut region) = regions.next() {
            // One that goes on in the next mapping.
            while let Some(rest) = regions.next_if(|next| (next.name, next.rights) == (region.name, region.rights)) {
                region.start = rest.start;
            }
            self.row(&region)?;
            lowest = region.start;
        }
        self.edge(lowest, false)
    }

    /// Draws a region and the line above it.
    fn row(&mut self, region: &Mapping) -> fmt::Result {
        let size = region.end - region.start;
        if [HEAP, NOT_ASKED_FOR].contains(&region.name) {
            self.mapped += size;
        }
        self.edge(region.end, region.name == NOT_ASKED_FOR && self.mapped_before == 0)?;
        let side = match (self.is_unicode, region.rights) {
            (true, "") => "┆",
            (true, _) => "│",
            (false, "") => ":",
            (false, _) => "|",
        };
        let name = match region.name {
            "[stack]" => "stack; grows down",
            "" => "(no name)",
            // The end of a long path.
            name => &name[name.len().saturating_sub(22)..],
        };
        writeln!(self.out, "{:18} {side} {name:<22}{:>14}  {:3} {side}", "", Size(size), region.rights)
    }

    /// Draws the line between two regions, with the address where the upper one starts.
    fn edge(&mut self, address: usize, is_new: bool) -> fmt::Result {
        let (line, mark) = if self.is_unicode { ("─", "◄") } else { ("-", "<") };
        // The last address of user memory is shown, as in the article. No process can use the one after it.
        write!(self.out, "{:>#18x} ", address - usize::from(address == self.landmarks.user_end))?;
        let mut width = 0;
        for (landmark, name, _) in self.landmarks.all() {
            if landmark == address && !name.is_empty() {
                write!(self.out, "{line}{line} {name} ")?;
                width += name.len() + 4;
            }
        }
        for _ in width..WIDTH {
            self.out.write_str(line)?;
        }
        if address == self.landmarks.program_break && self.moved != 0 {
            write!(self.out, " {mark} moved by {:+}", self.moved)?;
        } else if is_new {
            write!(self.out, " {mark} new")?;
        }
        writeln!(self.out)
    }
}

/// A number of bytes, for people.
struct Size(usize);

impl Display for Size {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let &Size(bytes) = self;
        // How wide the first number has to be, with `rest` characters behind it.
        let width = |rest: usize| out.width().unwrap_or(0).saturating_sub(rest);
        match bytes {
            0..1_000 => write!(out, "{bytes:0$} bytes", width(6)),
            1_000..16_384 => write!(out, "{:2$},{:03} bytes", bytes / 1_000, bytes % 1_000, width(10)),
            _ => {
                let power = bytes.ilog2() as usize / 10;
                let unit = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"][power - 1];
                // To the nearest tenth.
                let tenths = (bytes as u128 * 10 + (1 << (10 * power - 1))) >> (10 * power);
                match tenths % 10 {
                    0 => write!(out, "{:1$} {unit}", tenths / 10, width(4)),
                    tenth => write!(out, "{:1$}.{tenth} {unit}", tenths / 10, width(6)),
                }
            }
        }
    }
}
