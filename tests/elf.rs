//! The files of `alloc` and `layout`: what the kernel loads of them, with which permissions, and which symbols.

use common::assert_loads;
use common::cargo::{build, programs};
use object::{Object, ObjectSection, ObjectSegment, ObjectSymbol};

#[test]
fn are_static_and_keep_their_symbols_and_alloc_is_small_in_release() {
    for profile in ["dev", "release"] {
        let [alloc, layout] = ["alloc", "layout"].map(|name| programs(profile).join(name));
        assert_loads(&alloc, false, 4096);
        assert_loads(&layout, true, 4096);
        let [alloc, layout] = [alloc, layout].map(|path| std::fs::read(path).unwrap());
        // A quarter of what as and ld make of the article's program, 4,688 bytes.
        let limit = if cfg!(target_arch = "x86_64") { 1172 } else { 1400 };
        assert!(profile == "dev" || alloc.len() <= limit, "{} bytes", alloc.len());
        let [alloc, layout] = [&*alloc, &layout].map(|bytes| object::File::parse(bytes).unwrap());
        assert_eq!(alloc.symbol_by_name("_start").unwrap().address(), alloc.entry());
        let address = |name| layout.symbol_by_name(name).unwrap_or_else(|| panic!("no {name}")).address();
        let [text, data] = [0, 1].map(|n| layout.segments().nth(n).unwrap());
        // The zeroed data after the initialised data isn't in the file.
        let ends = [text.address() + text.size(), data.address(), data.address() + data.file_range().1];
        assert_eq!(["etext", "data_start", "edata"].map(address), ends);
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
