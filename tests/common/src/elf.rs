//! The file: what the kernel loads of it, and with which permissions.

use object::elf::{ET_EXEC, PF_R, PF_W, PF_X, PT_DYNAMIC, PT_GNU_STACK, PT_INTERP, PT_LOAD, ProgramFlags, ProgramType};
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use object::{Endianness, Object, ObjectSection};
use std::path::Path;

/// The segments of one type, each as address, size in memory and permissions.
pub fn segments(file: &ElfFile64<Endianness>, p_type: ProgramType) -> Vec<(u64, u64, ProgramFlags)> {
    let e = file.endian();
    let headers = file.elf_program_headers().iter().filter(|header| header.p_type(e) == p_type);
    headers.map(|header| (header.p_vaddr(e), header.p_memsz(e), header.p_flags(e))).collect()
}

/// Asserts that the program is static, that its stack isn't executable, and that it has one segment to load; or two if
/// `has_data`, the second for data alone and on no page of the first one. (A page has `page` bytes.)
#[track_caller]
pub fn assert_loads(program: &Path, has_data: bool, page: u64) {
    let bytes = std::fs::read(program).unwrap();
    let file = ElfFile64::<Endianness>::parse(&*bytes).unwrap();
    assert_eq!(file.elf_header().e_type(file.endian()), ET_EXEC);
    assert_eq!(segments(&file, PT_INTERP), [], "an interpreter");
    assert_eq!(segments(&file, PT_DYNAMIC), [], "a dynamic section");
    for section in file.sections().filter(|section| section.address() > 0) {
        let name = section.name().unwrap();
        assert!(!name.starts_with(".rel"), "relocations: {name}");
        assert_eq!(section.address() % section.align(), 0, "the alignment of {name}");
    }
    let flags = |segments: &[(u64, u64, ProgramFlags)]| segments.iter().map(|segment| segment.2).collect::<Vec<_>>();
    assert_eq!(flags(&segments(&file, PT_GNU_STACK)), [PF_R | PF_W]);
    // GNU ld keeps the segment for data, with no bytes in it.
    let load: Vec<_> = segments(&file, PT_LOAD).into_iter().filter(|(_, size, _)| *size > 0).collect();
    assert_eq!(flags(&load), [PF_R | PF_X, PF_R | PF_W][..if has_data { 2 } else { 1 }]);
    if let [(start, size, _), (data, ..)] = load[..] {
        assert!((start + size - 1) / page < data / page, "a page that both need: {load:x?}");
    }
}
