//! What `layout` draws, compared with what the kernel says of the same process.

use common::cargo::in_both_profiles;
use common::*;
use object::{Object, ObjectSegment, ObjectSymbol};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Runs the program in gdb with this option, and compares the picture with what is mapped when the program exits.
#[track_caller]
fn assert_draws(program: &Path, option: &str) {
    let output = tempfile::NamedTempFile::new().unwrap();
    let args = format!("set args > '{}'", output.path().display());
    let log = gdb(program.to_str().unwrap(), &[option, &args, "catch syscall exit_group", "run", MAPS]);
    let maps = mappings(log.split_once("maps: ").expect(&log).1);
    let (regions, addresses) = drawn(&std::fs::read_to_string(output.path()).unwrap(), &maps, 4);
    assert!(maps.iter().all(|mapping| regions.iter().any(|region| region.start == mapping.start)), "{regions:x?}");
    for region in regions.iter().filter(|region| !region.is_mapped && region.name != "the gap") {
        // Addresses with the highest bit are the kernel's.
        assert_eq!(region.name, if region.end >> 63 == 1 { "no user memory" } else { "nothing" }, "{region:x?}");
    }

    // The parts of the program are where the file has them.
    let bytes = std::fs::read(program).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let [text, data] = [0, 1].map(|n| file.segments().nth(n).unwrap());
    // The zeroed data after the initialised data isn't in the file.
    let [edata, end] = [data.file_range().1, data.size()].map(|size| data.address() + size);
    for (name, address) in [
        ("code", text.address()),
        ("start of the program", text.address()),
        ("read-only data", file.symbol_by_name("rodata").unwrap().address()),
        ("etext", text.address() + text.size()),
        (".data", data.address()),
        ("edata", edata),
        (".bss: zeroed data", edata),
        ("end", end),
    ] {
        assert_eq!(addresses[name], address, "{name}");
    }
}

#[test]
fn draws_what_the_kernel_has_mapped() {
    needs!(Ptrace);
    let directory = tempfile::tempdir().unwrap();
    for program in in_both_profiles("layout") {
        assert_loads(&program, true);
        assert_draws(&program, "set disable-randomization on");
        assert_draws(&program, "set disable-randomization off");
        // With such a path, /proc/self/maps is longer than a page, the most that the kernel returns at once.
        let path = directory.path().join(["x".repeat(200).as_str(); 15].join("/")).join("layout");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::copy(&program, &path).unwrap();
        assert_draws(&path, "set disable-randomization off");
        // A path can have any bytes in it.
        let path = directory.path().join(OsStr::from_bytes(b"\xff"));
        std::fs::copy(program, &path).unwrap();
        assert_eq!(status(&limited(path).output().unwrap()), 0);
    }
}

#[test]
fn writes_whole_lines_and_reports_the_first_failure() {
    needs!(Ptrace);
    for program in in_both_profiles("layout") {
        let traced = strace(&program, &[]);
        assert_ended(&traced.output, traced.stdout(), "", 0);
        assert_eq!(traced.named("write").len(), traced.stdout().lines().count());
        // What fails, after how many lines, and what is reported.
        for (fault, lines, message, expected) in [
            ("brk:error=ENOSYS", 0, "brk: refused", EX_OSERR),
            ("brk:error=ENOMEM:when=2", 0, "brk: refused", EX_OSERR),
            ("write:error=EIO:when=3", 2, "write: errno 5", EX_IOERR),
            ("openat:error=ENOENT", 0, "/proc/self/maps: errno 2", EX_OSFILE),
            ("read:error=EIO:when=2", 0, "/proc/self/maps: errno 5", EX_OSFILE),
            // The buffer is full before the end of the file is seen.
            ("read:retval=65536", 0, "/proc/self/maps: errno 27", EX_OSFILE),
            ("close:error=EIO", 0, "/proc/self/maps: errno 5", EX_OSFILE),
        ] {
            let traced = strace(&program, &["-e", &format!("inject={fault}")]);
            assert_ended(&traced.output, traced.stdout(), &format!("layout: {message}\n"), expected);
            assert_eq!(traced.stdout().lines().count(), lines, "{fault}");
        }
    }
}
