//! The file: what the kernel loads of it, and with which permissions.

use object::elf::{PF_R, PF_W, PF_X, PT_GNU_STACK, PT_LOAD};
use object::read::elf::{ElfFile64, ProgramHeader};
use object::{Endianness, Object, ObjectKind, ObjectSection, ObjectSegment};
use std::path::Path;

/// Asserts that the program is static, that its stack isn't executable, and that it has one segment to load; or two if
/// `has_data`, the second for data alone and on no page of the first one.
#[track_caller]
pub fn assert_loads(program: &Path, has_data: bool) {
    let bytes = std::fs::read(program).unwrap();
    let file = ElfFile64::<Endianness>::parse(&*bytes).unwrap();
    assert_eq!(file.kind(), ObjectKind::Executable);
    // There is no interpreter and no dynamic section. GNU ld keeps the segment for data, with no bytes in it.
    let e = file.endian();
    let headers = file.elf_program_headers().iter();
    let headers = headers.filter(|header| header.p_type(e) != PT_LOAD || header.p_memsz(e) > 0);
    let [text, data, stack] = [(PT_LOAD, PF_R | PF_X), (PT_LOAD, PF_R | PF_W), (PT_GNU_STACK, PF_R | PF_W)];
    let expected = if has_data { vec![text, data, stack] } else { vec![text, stack] };
    assert_eq!(headers.map(|header| (header.p_type(e), header.p_flags(e))).collect::<Vec<_>>(), expected);
    for section in file.sections().filter(|section| section.address() > 0) {
        let name = section.name().unwrap();
        assert!(!name.starts_with(".rel") && section.address() % section.align() == 0, "{name}");
    }
    let mut segments = file.segments();
    if let (Some(text), Some(data), true) = (segments.next(), segments.next(), has_data) {
        // The linker aligns a segment to the largest pages that the architecture has.
        let page_of = |address| address / text.align();
        assert!(page_of(text.address() + text.size() - 1) < page_of(data.address()), "one page: {text:x?} {data:x?}");
    }
}
