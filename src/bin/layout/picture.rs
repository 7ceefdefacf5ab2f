//! The picture: the regions of memory from the top down, each between two lines.

use crate::maps::{self, Mapping};
use program_break::Error;
use program_break::stdio::{LineWriter, STDOUT};

/// An address that divides what is mapped, its name, which may be empty, and the name of the part that starts there.
type Landmark = (usize, &'static str, &'static str);

/// Draws the memory of this process, whose heap starts at `heap_start` and isn't empty.
pub fn draw(heap_start: usize, program_break: usize) -> Result<(), Error> {
    // Initialised data, since the number of the descriptor is in it, which isn't zero.
    static mut OUT: LineWriter = LineWriter::new(STDOUT);
    // Zeroed data, which takes no memory before it is used. `/proc/self/maps` is read into it.
    static mut BUFFER: [u8; 1 << 16] = [0; 1 << 16];
    let (out, buffer) = (&raw mut OUT, &raw mut BUFFER);
    // SAFETY: the program has one thread and calls this function once, so there are no other references to them.
    let (out, mappings) = unsafe { (&mut *out, maps::read(&mut *buffer)) };
    let heap_end = mappings.clone().find(|mapping| mapping.start <= heap_start).expect("the heap is mapped").end;
    let landmarks = landmarks(heap_start, program_break, heap_end);
    let mut lowest = 0;
    for mapping in mappings {
        // Above the mapping is what isn't mapped, up to the next mapping. Above the highest mapping, this is nothing.
        let hole = Mapping { start: mapping.end, end: lowest, permissions: "", name: "" };
        lowest = mapping.start;
        for Mapping { start, mut end, permissions, name } in [hole, mapping] {
            // Each is divided at the landmarks in it.
            let inside = landmarks.iter().map(|&(address, ..)| address).filter(|&address| start < address);
            for start in inside.chain([start]) {
                if end <= start {
                    continue;
                }
                let name = match permissions {
                    "" if start == heap_end => "the gap",
                    "" if end > isize::MAX as usize => "no user memory",
                    "" => "nothing",
                    _ if name == "[stack]" => "stack; grows down",
                    _ if start >= heap_end => name,
                    // The kernel calls all parts of the program by its path.
                    _ => landmarks.iter().find(|&&(address, ..)| address <= start).map_or(name, |&(.., part)| part),
                };
                draw_line(out, &landmarks, end)?;
                let side = if permissions.is_empty() { '┆' } else { '│' };
                write!(out, "{:18} {side} {name:<22.22}", "")?;
                draw_size(out, end - start)?;
                writeln!(out, "  {permissions:3} {side}")?;
                end = start;
            }
        }
    }
    draw_line(out, &landmarks, lowest)
}

/// The landmarks from the highest address down.
fn landmarks(heap_start: usize, program_break: usize, heap_end: usize) -> [Landmark; 9] {
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
        (heap_end, "end of the page", ""),
        (program_break, "program break", "not asked for"),
        (heap_start, "heap start", "heap"),
        ((&raw const end).addr(), "end", "not used"),
        ((&raw const edata).addr(), "edata", ".bss: zeroed data"),
        ((&raw const data_start).addr(), "", ".data"),
        ((&raw const etext).addr(), "etext", "not used"),
        ((&raw const rodata).addr(), "", "read-only data"),
        ((&raw const __ehdr_start).addr(), "start of the program", "code"),
    ]
}

/// Draws the line between two regions: its address and the names of the landmarks there.
fn draw_line(out: &mut LineWriter, landmarks: &[Landmark], address: usize) -> Result<(), Error> {
    write!(out, "{address:>#18x} ")?;
    let mut width = 45;
    for (_, name, _) in landmarks.iter().filter(|(at, name, _)| *at == address && !name.is_empty()) {
        write!(out, "── {name} ")?;
        width -= name.len() + 4;
    }
    writeln!(out, "{:─>width$}", "")
}

/// Draws a number of bytes: exactly if it has room, or else rounded.
fn draw_size(out: &mut LineWriter, bytes: usize) -> Result<(), Error> {
    if bytes < 1 << 26 {
        return write!(out, "{bytes:>8} bytes");
    }
    let power = (bytes.ilog2() - 3) / 10;
    let number = (bytes as u128 + (1 << (10 * power - 1))) >> (10 * power);
    write!(out, "about {number:>4} {}", ["MiB", "GiB", "TiB", "PiB", "EiB"][power as usize - 2])
}
