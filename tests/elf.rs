//! The files of `alloc` and `layout`: what the kernel loads of them, with which permissions, and which symbols.

use common::assert_loads;
use common::cargo::{build, programs};
use object::{Object, ObjectSection, ObjectSegment, ObjectSymbol};

#[test]
fn is_static_and_keeps_its_symbols_and_is_small_in_release() {
    for profile in ["dev", "release"] {
        let alloc = programs(profile).join("alloc");
        assert_loads(&alloc, false, 4096);
        let bytes = std::fs::read(alloc).unwrap();
        let file = object::File::parse(&*bytes).unwrap();
        assert_eq!(file.symbol_by_name("_start").unwrap().address(), file.entry());
        // A quarter of what as and ld make of the article's program, 4,688 bytes.
        let limit = if cfg!(target_arch = "x86_64") { 1172 } else { 1400 };
        assert!(profile == "dev" || bytes.len() <= limit, "{} bytes", bytes.len());
    }
}

#[test]
fn names_the_ends_of_its_parts_for_those_who_ask() {
    for layout in ["dev", "release"].map(|profile| programs(profile).join("layout")) {
        assert_loads(&layout, true, 4096);
        let bytes = std::fs::read(layout).unwrap();
        let file = object::File::parse(&*bytes).unwrap();
        let address = |name| file.symbol_by_name(name).unwrap_or_else(|| panic!("no {name}")).address();
        let [text, data] = [0, 1].map(|n| file.segments().nth(n).unwrap());
        assert_eq!(address("etext"), text.address() + text.size());
        assert_eq!(address("data_start"), data.address());
        // The zeroed data after the initialised data isn't in the file.
        assert_eq!(address("edata"), data.address() + data.file_range().1);
        assert_eq!(address("end"), data.address() + data.size());
    }
}

#[test]
fn has_tables_of_frames_in_release_too_if_it_has_debug_information() {
    let options = ["--bin=alloc", "--config=profile.release.debug=1"];
    let bytes = std::fs::read(build("", "", "release", &options).join("alloc")).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    // gdb and profilers read it only if it is loaded.
    assert!(file.section_by_name(".eh_frame").unwrap().address() > 0);
}
