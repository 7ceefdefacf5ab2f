//! The file of `alloc`: what the kernel loads of it, with which rights, and how large it is.

use common::segments;
use object::elf;
use object::read::elf::{ElfFile64, FileHeader};
use object::{Endianness, Object, ObjectSection, ObjectSymbol};

const ALLOC: &str = env!("CARGO_BIN_EXE_alloc");

fn with(program: &str, look: impl FnOnce(&ElfFile64<Endianness>)) {
    let bytes = std::fs::read(program).unwrap();
    look(&ElfFile64::parse(&*bytes).unwrap());
}

#[test]
fn is_static() {
    with(ALLOC, |file| {
        assert_eq!(file.elf_header().e_type(file.endian()), elf::ET_EXEC);
        assert_eq!(segments(file, elf::PT_INTERP), [], "an interpreter");
        assert_eq!(segments(file, elf::PT_DYNAMIC), [], "a dynamic section");
        let names: Vec<_> = file.sections().map(|section| section.name().unwrap().to_string()).collect();
        assert!(!names.iter().any(|name| name.starts_with(".rel")), "relocations in {names:?}");
    });
}

#[test]
fn has_one_segment_to_load_and_a_stack_that_is_not_executable() {
    with(ALLOC, |file| {
        // GNU ld keeps the segment for data, with no bytes in it.
        let load = segments(file, elf::PT_LOAD).into_iter().filter(|(_, size, _)| *size > 0);
        assert_eq!(load.map(|(_, _, flags)| flags).collect::<Vec<_>>(), [elf::PF_R | elf::PF_X]);
        let stack = segments(file, elf::PT_GNU_STACK);
        assert_eq!(stack.iter().map(|(_, _, flags)| *flags).collect::<Vec<_>>(), [elf::PF_R | elf::PF_W]);
    });
}

#[test]
fn starts_at_start() {
    with(ALLOC, |file| assert_eq!(file.symbol_by_name("_start").unwrap().address(), file.entry()));
}

#[test]
fn names_the_ends_of_its_parts_for_those_who_ask() {
    with(env!("CARGO_BIN_EXE_layout"), |file| {
        let address = |name| file.symbol_by_name(name).unwrap_or_else(|| panic!("no {name}")).address();
        let [text, data] = segments(file, elf::PT_LOAD)[..] else { panic!("not two segments") };
        assert_eq!(address("etext"), text.0 + text.1);
        assert_eq!(address("data_start"), data.0);
        assert!(data.0 < address("edata") && address("edata") < address("end"));
        assert_eq!(address("end"), data.0 + data.1);
    });
}

#[test]
fn is_small_in_release_and_has_debug_information_otherwise() {
    with(ALLOC, |file| {
        let debug = file.section_by_name(".debug_info").is_some();
        assert_eq!(debug, cfg!(debug_assertions));
        assert!(file.section_by_name(".symtab").is_some(), "symbols are kept");
        if cfg!(debug_assertions) {
            assert!(file.section_by_name(".eh_frame").is_some(), "gdb needs it for its backtrace");
        } else {
            let size = std::fs::metadata(ALLOC).unwrap().len();
            // A quarter of the 4,688 bytes of the article's program, as `as` and `ld` build it.
            let limit = if cfg!(target_arch = "x86_64") { 1172 } else { 1400 };
            assert!(size <= limit, "{size} bytes");
        }
    });
}
