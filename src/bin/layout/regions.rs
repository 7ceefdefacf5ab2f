//! The regions of the address space: the mappings, taken apart into what this process uses them for, and what is
//! between them.

use crate::proc::Mapping;
use core::mem::replace;

/// Memory below the program break, in a mapping.
pub const HEAP: &str = "heap";
/// Memory above it, up to the end of the page.
pub const NOT_ASKED_FOR: &str = "not asked for";
/// What the heap can grow into.
pub const GAP: &str = "the gap";

/// Where the parts of the program start and end, as linker.ld names it. Only the addresses are used.
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
pub fn parts() -> [usize; 6] {
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

/// The addresses that divide the regions, whatever the mappings are: these, and the program's own [`parts`].
#[derive(Clone, Copy)]
pub struct Landmarks {
    pub user_end: usize,
    pub program_break: usize,
    pub heap_start: usize,
}

impl Landmarks {
    /// Returns all of them, from the highest down. Each has its own name, or none, and the name of what lies above it.
    pub fn all(self) -> [(usize, &'static str, &'static str); 10] {
        let [start, rodata, text_end, data, data_end, end] = parts();
        [
            (self.user_end.wrapping_neg(), "", "the kernel's half"),
            (self.user_end, "end of user memory", "no addresses"),
            (self.program_break, "program break", NOT_ASKED_FOR),
            (self.heap_start, "heap start", HEAP),
            (end, "end", "rest of the page"),
            (data_end, "edata", ".bss: zeroed data"),
            (data, "", ".data"),
            (text_end, "etext", "rest of the page"),
            (rodata, "", "read-only data"),
            (start, "start of the program", "code"),
        ]
    }

    /// Returns the mappings that the process knows of by itself, without their rights.
    pub fn known_mappings(self) -> impl Iterator<Item = Mapping<'static>> {
        let [start, _, text_end, data, _, end] = parts();
        // This variable is on the stack. All of its page is mapped, and no page has fewer than 4,096 bytes.
        let on_stack = (&raw const self).addr() / 4096 * 4096;
        [
            (on_stack, on_stack + 4096, "stack, a part of it"),
            (self.heap_start, self.program_break, "[heap]"),
            (data, end, ""),
            (start, text_end, ""),
        ]
        .into_iter()
        .filter(|(start, end, _)| start < end)
        .map(|(start, end, name)| Mapping { start, end, rights: "???", name })
    }

    /// Returns the regions, from the highest down, as `mappings` come. Addresses without a mapping are called `empty`,
    /// unless more is known of them.
    pub fn regions<'a>(
        self,
        mappings: impl Iterator<Item = Mapping<'a>>,
        empty: &'static str,
    ) -> impl Iterator<Item = Mapping<'a>> {
        let mut top = self.user_end;
        let wholes = mappings.flat_map(move |mapping| {
            let end = replace(&mut top, mapping.start);
            [(Mapping { start: mapping.end, end, rights: "", name: empty }, mapping), (mapping, mapping)]
        });
        let regions = wholes.flat_map(move |(whole, mapping)| {
            let landmarks = self.all().map(|(address, ..)| address).into_iter();
            let inside = landmarks.filter(move |address| whole.start < *address && *address < whole.end);
            let mut end = whole.end;
            inside.chain([whole.start]).map(move |start| {
                let name = self.name(&whole, &mapping, start);
                Mapping { start, end: replace(&mut end, start), name, ..whole }
            })
        });
        regions.filter(|region| region.start < region.end)
    }

    /// Returns the name of the region that starts at `start` in `whole`, which is `mapping` or what is right above it.
    fn name<'a>(self, whole: &Mapping<'a>, mapping: &Mapping, start: usize) -> &'a str {
        let [program_start, .., program_end] = parts();
        let is_program = mapping.start < program_end && program_start < mapping.end;
        // By its addresses, since the kernel may have joined the heap with what lies below it.
        let is_heap = start >= self.heap_start && mapping.start < self.program_break;
        let (_, _, part) = self.all().into_iter().find(|(address, ..)| *address <= start).unwrap_or_default();
        match whole.rights {
            "" if start >= self.user_end => part,
            "" if start >= self.program_break && mapping.start < self.program_break => GAP,
            // An emulator reserves what lies between two parts of the program.
            "" | "---" => whole.name,
            _ if is_program || is_heap => part,
            _ => whole.name,
        }
    }
}
