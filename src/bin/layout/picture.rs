//! The pictures: the regions from the top down, and what has changed since the last picture.

use crate::maps::{self, Mapping};
use core::fmt::{self, Display, Write};
use core::mem::replace;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use program_break::Error;
use program_break::stdio::LineWriter;

/// Memory above the program break, up to the end of the page.
const NOT_ASKED_FOR: &str = "not asked for";

/// The number of the next picture. (It isn't zero at the start, so that the program has initialised data to draw.)
static NUMBER: AtomicU32 = AtomicU32::new(1);

/// Draws the pictures.
pub struct Picture {
    pub out: LineWriter,
    pub heap_start: usize,
    pub program_break: usize,
    /// By how many bytes the program break has moved since the last picture.
    pub moved: isize,
}

impl Picture {
    /// Draws the next one, after the program break has moved by `moved` bytes: the first of all regions, the others of
    /// those between the gap and the program. The mappings are read into `buffer`.
    pub fn draw(&mut self, buffer: &mut [u8], moved: isize, title: &str, remark: &str) -> Result<(), Error> {
        let mappings = maps::read(buffer);
        self.moved = moved;
        self.program_break = self.program_break.wrapping_add_signed(moved);
        let number = NUMBER.fetch_add(1, Relaxed);
        // A failure stays in `out`.
        let _ = writeln!(self.out, "{}{number}. {title}\n", if number == 1 { "" } else { "\n" })
            .and_then(|()| self.regions(mappings, number == 1))
            .and_then(|()| writeln!(self.out, "\n{remark}"));
        self.out.result
    }

    fn regions<'a>(&mut self, mappings: impl Iterator<Item = Mapping<'a>>, is_first: bool) -> fmt::Result {
        let [.., (program_end, ..), _, _, _, _, (program_start, ..)] = self.landmarks();
        let (mut above, mut lowest) = (0, 0);
        for mapping in mappings {
            let is_below_gap = mapping.start < self.program_break;
            let is_heap = is_below_gap && self.heap_start < mapping.end;
            let is_program = program_start < mapping.end && mapping.start < program_end;
            let hole = Mapping { start: mapping.end, end: replace(&mut above, mapping.start), rights: "", name: "" };
            for Mapping { start, mut end, rights, name } in [hole, mapping] {
                while start < end {
                    let below = self.landmarks().into_iter().find(|mark| mark.0 < end);
                    let (landmark, _, part) = below.unwrap_or_default();
                    let start = start.max(landmark);
                    let name = match rights {
                        "" if is_below_gap && self.program_break <= start => "the gap",
                        "" if end > isize::MAX as usize => "no user memory",
                        "" => "nothing",
                        _ if is_program || is_heap => part,
                        _ if name == "[stack]" => "stack; grows down",
                        _ => name,
                    };
                    if is_first || is_below_gap && program_end <= start {
                        self.edge(end, name == NOT_ASKED_FOR)?;
                        let side = if rights.is_empty() { '┆' } else { '│' };
                        writeln!(self.out, "{:18} {side} {name:<22.22}{}  {rights:3} {side}", "", Size(end - start))?;
                        lowest = start;
                    }
                    end = start;
                }
            }
        }
        self.edge(lowest, false)
    }

    /// Addresses that divide what is mapped, from the highest down. Each comes with its own name, which may be empty,
    /// and with the name of the part that lies above it.
    fn landmarks(&self) -> [(usize, &'static str, &'static str); 8] {
        // The linker defines the first of these symbols, and linker.ld the others. Only their addresses are used.
        unsafe extern "C" {
            static __ehdr_start: u8;
            static rodata: u8;
            static etext: u8;
            static data_start: u8;
            static edata: u8;
            static end: u8;
        }
        [
            (self.program_break, "program break", NOT_ASKED_FOR),
            (self.heap_start, "heap start", "heap"),
            ((&raw const end).addr(), "end", "not used"),
            ((&raw const edata).addr(), "edata", ".bss: zeroed data"),
            ((&raw const data_start).addr(), "", ".data"),
            ((&raw const etext).addr(), "etext", "not used"),
            ((&raw const rodata).addr(), "", "read-only data"),
            ((&raw const __ehdr_start).addr(), "start of the program", "code"),
        ]
    }

    /// Draws the line between two regions, with the address where the upper one starts.
    fn edge(&mut self, address: usize, is_page_end: bool) -> fmt::Result {
        write!(self.out, "{address:>#18x} ")?;
        let mut width = 45;
        let names = self.landmarks().into_iter().filter(|mark| mark.0 == address).map(|mark| mark.1);
        for name in names.chain(is_page_end.then_some("end of the page")).filter(|name| !name.is_empty()) {
            write!(self.out, "── {name} ")?;
            width -= name.len() + 4;
        }
        write!(self.out, "{:─>width$}", "")?;
        match self.moved {
            _ if is_page_end => writeln!(self.out, " ◄ new"),
            moved if moved != 0 && address == self.program_break => writeln!(self.out, " ◄ moved by {moved:+}"),
            _ => writeln!(self.out),
        }
    }
}

/// A number of bytes, for people, in 14 columns: in the largest unit of which there are at least 16.
struct Size(usize);

impl Display for Size {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let (mut number, mut unit) = (self.0, "bytes");
        for larger in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
            if number >= 16 * 1024 {
                (number, unit) = ((number + 512) / 1024, larger);
            }
        }
        write!(out, "{number:0$} {unit}", 13 - unit.len())
    }
}
