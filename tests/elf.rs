//! The files of `alloc` and `layout`: what the kernel loads of them, with which permissions, and which symbols.

use common::cargo::{CONFIG, build};
use common::{assert_loads, segments};
use object::elf::PT_LOAD;
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSection, ObjectSymbol};
use std::path::Path;

const ALLOC: &str = env!("CARGO_BIN_EXE_alloc");
const LAYOUT: &str = env!("CARGO_BIN_EXE_layout");

#[test]
fn is_static_and_keeps_its_symbols_and_is_small_in_release() {
    assert_loads(Path::new(ALLOC), false, 4096);
    let bytes = std::fs::read(ALLOC).unwrap();
    let file = ElfFile64::<Endianness>::parse(&*bytes).unwrap();
    assert_eq!(file.symbol_by_name("_start").unwrap().address(), file.entry());
    // A quarter of what as and ld make of the article's program, 4,688 bytes.
    let limit = if cfg!(target_arch = "x86_64") { 1172 } else { 1400 };
    assert!(cfg!(debug_assertions) || bytes.len() <= limit, "{} bytes", bytes.len());
}

#[test]
fn names_the_ends_of_its_parts_for_those_who_ask() {
    assert_loads(Path::new(LAYOUT), true, 4096);
    let bytes = std::fs::read(LAYOUT).unwrap();
    let file = ElfFile64::<Endianness>::parse(&*bytes).unwrap();
    let address = |name| file.symbol_by_name(name).unwrap_or_else(|| panic!("no {name}")).address();
    let [text, data] = segments(&file, PT_LOAD)[..] else { panic!("not two segments") };
    assert_eq!(address("etext"), text.0 + text.1);
    assert_eq!(address("data_start"), data.0);
    assert!(data.0 < address("edata") && address("edata") < address("end"));
    assert_eq!(address("end"), data.0 + data.1);
}

#[test]
fn has_tables_of_frames_in_release_too_if_it_has_debug_information() {
    let options = ["--bin=alloc", "--config", CONFIG, "--config=profile.release.debug=1"];
    let bytes = std::fs::read(build("", "", "release", &options).join("alloc")).unwrap();
    let file = ElfFile64::<Endianness>::parse(&*bytes).unwrap();
    // gdb and profilers read it only if it is loaded.
    assert!(file.section_by_name(".eh_frame").unwrap().address() > 0);
}
