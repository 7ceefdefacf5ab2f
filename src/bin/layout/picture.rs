//! The pictures: the regions from the top down, and what has changed since the last picture.

use crate::maps::{self, Mapping};
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use program_break::stdio::{LineWriter, STDOUT};
use program_break::{Error, current_break};

/// Where /proc/self/maps is read into. Zeroed data takes no memory before it is used.
static mut BUFFER: [u8; 1 << 16] = [0; 1 << 16];

/// The number of the next picture. (It isn't zero at the start, so that the program has initialised data to draw.)
static NUMBER: AtomicU32 = AtomicU32::new(1);

/// The heap at one moment.
#[derive(Clone, Copy)]
struct Heap {
    program_break: usize,
    /// Where its last page ends; the start of the heap if there is none.
    end: usize,
}

/// Draws the pictures.
pub struct Picture {
    out: LineWriter,
    start: usize,
    heap: Heap,
    /// The heap in the last picture.
    before: Heap,
}

impl Picture {
    /// For a process whose heap starts at `start`, and is empty.
    pub fn new(start: usize) -> Self {
        let heap = Heap { program_break: start, end: start };
        Picture { out: LineWriter::new(STDOUT), start, heap, before: heap }
    }

    /// Draws the next picture: the first has all regions, the others have those between the gap and the program. Then
    /// prints how much of the heap is in memory.
    pub fn draw(&mut self) -> Result<(), Error> {
        let buffer = &raw mut BUFFER;
        // SAFETY: this is the only reference to it, and the program has one thread.
        let mappings = maps::read(unsafe { &mut *buffer });
        self.before = self.heap;
        self.heap = Heap { program_break: current_break()?.addr(), ..self.before };
        // A failure stays in `out`.
        let _ = self.all(mappings);
        self.out.flush()
    }

    fn all<'a>(&mut self, mappings: impl Iterator<Item = Mapping<'a>>) -> fmt::Result {
        let number = NUMBER.fetch_add(1, Relaxed);
        let moved = self.heap.program_break.wrapping_sub(self.before.program_break) as isize;
        write!(self.out, "{}{number}. ", if number == 1 { "" } else { "\n" })?;
        match moved {
            _ if number == 1 => writeln!(self.out, "Before any allocation\n")?,
            0 => writeln!(self.out, "The break has not moved\n")?,
            1.. => writeln!(self.out, "The break has moved up by {moved} bytes\n")?,
            _ => writeln!(self.out, "The break has moved down by {} bytes\n", -moved)?,
        }
        self.regions(mappings, number == 1)?;

        let (asked_for, unit) = size(self.heap.program_break - self.start);
        write!(self.out, "\nheap: {asked_for} {unit} asked for, ")?;
        let (mapped, unit) = size(self.heap.end - self.start);
        write!(self.out, "{mapped} {unit} mapped")?;
        if let Some((resident, unit)) = maps::resident(self.start, self.heap.end).map(size) {
            write!(self.out, ", {resident} {unit} in memory")?;
        }
        writeln!(self.out)
    }

    fn regions<'a>(&mut self, mappings: impl Iterator<Item = Mapping<'a>>, is_first: bool) -> fmt::Result {
        let [.., (program_end, ..), _, _, _, _, (program_start, ..)] = self.landmarks();
        let program_break = self.heap.program_break;
        self.heap.end = self.start;
        let (mut above, mut lowest) = (0, 0);
        for mapping in mappings {
            let is_below_gap = mapping.start <= program_break;
            let is_heap = is_below_gap && self.start < mapping.end;
            let is_program = program_start < mapping.end && mapping.start < program_end;
            if is_heap {
                self.heap.end = self.heap.end.max(mapping.end);
            }
            // First what isn't mapped, up to the mapping above this one. Above the highest one, this is nothing.
            let hole = Mapping { start: mapping.end, end: above, permissions: "", name: "" };
            above = mapping.start;
            for Mapping { start, mut end, permissions, name } in [hole, mapping] {
                // Each is divided at the landmarks in it.
                let landmarks = self.landmarks().map(|landmark| landmark.0);
                for start in landmarks.into_iter().filter(|address| start < *address).chain([start]) {
                    if end <= start || !(is_first || is_below_gap && program_end <= start) {
                        continue;
                    }
                    let below = self.landmarks().into_iter().find(|landmark| landmark.0 <= start);
                    let name = match permissions {
                        "" if is_below_gap && program_break <= start => "the gap",
                        "" if end > isize::MAX as usize => "no user memory",
                        "" => "nothing",
                        _ if is_program || is_heap => below.map_or("", |landmark| landmark.2),
                        _ if name == "[stack]" => "stack; grows down",
                        _ => name,
                    };
                    self.edge(end)?;
                    let side = if permissions.is_empty() { '┆' } else { '│' };
                    let (number, unit) = size(end - start);
                    let width = 13 - unit.len();
                    writeln!(self.out, "{:18} {side} {name:<22.22}{number:width$} {unit}  {permissions:3} {side}", "")?;
                    (end, lowest) = (start, start);
                }
            }
        }
        self.edge(lowest)
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
            (self.heap.program_break, "program break", "not asked for"),
            (self.start, "heap start", "heap"),
            ((&raw const end).addr(), "end", "not used"),
            ((&raw const edata).addr(), "edata", ".bss: zeroed data"),
            ((&raw const data_start).addr(), "", ".data"),
            ((&raw const etext).addr(), "etext", "not used"),
            ((&raw const rodata).addr(), "", "read-only data"),
            ((&raw const __ehdr_start).addr(), "start of the program", "code"),
        ]
    }

    /// Draws the line between two regions, with the address where the upper one starts.
    fn edge(&mut self, address: usize) -> fmt::Result {
        write!(self.out, "{address:>#18x} ")?;
        let page_end = (self.heap.end, "end of the page", "");
        let is_page_end = address == page_end.0 && self.start < address;
        let mut width = 45;
        for (_, name, _) in
            is_page_end.then_some(page_end).into_iter().chain(self.landmarks()).filter(|mark| mark.0 == address)
        {
            if !name.is_empty() {
                write!(self.out, "── {name} ")?;
                width -= name.len() + 4;
            }
        }
        write!(self.out, "{:─>width$}", "")?;
        let old = if address == self.heap.program_break { self.before.program_break } else { self.before.end };
        if address == self.heap.program_break && address != old {
            let (moved, unit) = size(address.abs_diff(old));
            write!(self.out, " ◄ {}{moved} {unit}", if address > old { '+' } else { '-' })?;
        } else if is_page_end && address != old {
            write!(self.out, " ◄ new")?;
        }
        writeln!(self.out)
    }
}

/// A number of bytes, for people: in the largest unit of which there are at least 16.
fn size(bytes: usize) -> (usize, &'static str) {
    let (mut number, mut unit) = (bytes, "bytes");
    for larger in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
        if number >= 16 * 1024 {
            (number, unit) = ((number + 512) / 1024, larger);
        }
    }
    (number, unit)
}
