//! What `layout` draws, compared with what the kernel says of the same process.

use common::*;
use object::{Object, ObjectSymbol};

const PROGRAM: &str = env!("CARGO_BIN_EXE_layout");

/// The exit status if `/proc/self/maps` can't be read, from `sysexits.h`.
const EX_OSFILE: i32 = 72;

/// The title above each picture.
const TITLES: [&str; 4] = [
    "1. Before any allocation",
    "2. The break has moved up by 4 bytes",
    "3. The break has not moved",
    "4. The break has moved down by 4 bytes",
];

/// The pictures in the output. Nothing else is there but a title before each, and the state of the heap after it.
#[track_caller]
fn pictures(output: &str) -> Vec<Drawing> {
    let words: Vec<_> = output.lines().filter(|line| !line.is_empty() && !line.contains(['─', '│', '┆'])).collect();
    let (titles, states): (Vec<&str>, Vec<_>) = words.into_iter().partition(|line| !line.starts_with("heap: "));
    assert_eq!(titles, TITLES[..titles.len()], "{output}");
    let starts: Vec<_> = titles.iter().map(|title| output.find(title).unwrap()).chain([output.len()]).collect();
    let texts = starts.windows(2).map(|between| &output[between[0]..between[1]]);
    let pictures: Vec<_> = texts.take(states.len()).map(Drawing::parse).collect();
    // Nothing is in memory before something is stored there.
    for (picture, is_used) in pictures.iter().zip([false, false, true, false]) {
        picture.assert_state(is_used);
    }
    pictures
}

/// Runs the program in gdb with this option, and returns its pictures, each with the mappings right after it.
fn drawn(program: &str, option: &str) -> Vec<(Drawing, Vec<Mapping>)> {
    let output = tempfile::NamedTempFile::new().unwrap();
    let args = format!("set args > '{}'", output.path().display());
    // gdb stops where a call starts, and where it returns. The program asks where the break is at the start, and again
    // for each picture. After a picture, the next call starts: in all but one of them, one that moves the break.
    let start = [option, &args, "catch syscall brk exit_group", "run", "continue", "continue"];
    let draw = [&["continue"; 2][..], &[MAPS]].concat();
    let move_and_draw = [&["continue"; 4][..], &[MAPS]].concat();
    let log = gdb(program, &[&start[..], &draw, &move_and_draw, &draw, &move_and_draw].concat());
    let pictures = pictures(&std::fs::read_to_string(output.path()).unwrap());
    let seen: Vec<_> = log.split("maps: ").skip(1).map(mappings).collect();
    assert_eq!((pictures.len(), seen.len()), (4, 4), "{log}");
    pictures.into_iter().zip(seen).collect()
}

#[track_caller]
fn assert_story(drawn: &[(Drawing, Vec<Mapping>)]) {
    let bytes = std::fs::read(PROGRAM).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let symbol = |name| file.symbol_by_name(name).unwrap().address();
    let [(one, maps), (two, _), (three, _), (four, _)] = drawn else { panic!("{drawn:#x?}") };
    for ((picture, maps), size) in drawn.iter().zip([0, 4, 4, 0]) {
        picture.assert_agrees(maps, size);
        assert_eq!(picture.address("heap start"), one.address("heap start"));
        let others = picture.regions.iter().filter(|region| !region.is_mapped && region.name != "the gap");
        for region in others {
            // Addresses with the highest bit are the kernel's.
            let expected = if region.end >> 63 == 1 { "no user memory" } else { "nothing" };
            assert_eq!(region.name, expected, "{region:x?}");
        }
        assert_eq!(picture.address("end"), symbol("end"));
    }

    // The first picture has all mappings, with the kernel's names.
    assert_eq!((one.regions[0].end, one.edges.last().unwrap().address), (maps.last().unwrap().end, maps[0].start));
    for mapping in maps {
        for address in [mapping.start, mapping.end] {
            assert!(one.edges.iter().any(|edge| edge.address == address), "{mapping:x?} {one:#x?}");
        }
        // On some kernels, zeroed data that the heap follows is called [heap].
        if mapping.name.starts_with('[') && mapping.name != "[heap]" {
            let name = if mapping.name == "[stack]" { "stack; grows down" } else { &mapping.name };
            assert_eq!(one.region(name).start, mapping.start);
        }
    }
    // It also has the parts of the program.
    for (name, start) in [("code", "__ehdr_start"), ("read-only data", "rodata"), (".data", "data_start")] {
        assert_eq!(one.region(name).start, symbol(start), "{name}");
    }
    for (name, start) in [("etext", "etext"), ("edata", "edata"), ("start of the program", "__ehdr_start")] {
        assert_eq!(one.address(name), symbol(start), "{name}");
    }
    let bss = one.regions.iter().filter(|region| region.name == ".bss: zeroed data");
    assert_eq!(bss.map(|region| region.end - region.start).sum::<u64>(), symbol("end") - symbol("edata"));

    // The other pictures are from the gap down to the program.
    for picture in [two, three, four] {
        assert_eq!(picture.regions[0].name, "the gap");
        assert_eq!(picture.edges.last().unwrap().address, symbol("end"));
    }
    let marks = [&[][..], &["new", "+4 bytes"], &[], &["-4 bytes"]];
    assert_eq!([one, two, three, four].map(|picture| picture.marks.clone()), marks);
}

#[test]
fn draws_what_the_kernel_has_mapped() {
    needs!(Ptrace);
    assert_story(&drawn(PROGRAM, "set disable-randomization on"));
    assert_story(&drawn(PROGRAM, "set disable-randomization off"));
    // With such a path, the file is longer than a page, the most that the kernel returns at once.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(["x".repeat(200).as_str(); 15].join("/")).join("layout");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::copy(PROGRAM, &path).unwrap();
    assert_story(&drawn(path.to_str().unwrap(), "set disable-randomization off"));
}

#[test]
fn reports_the_first_failure() {
    needs!(Ptrace);
    let traced = strace(PROGRAM, &[]);
    let lines: Vec<_> = traced.stdout().lines().collect();
    assert_eq!(traced.named("write").len(), lines.len(), "it writes whole lines");
    let title_of_second = 1 + lines.iter().position(|line| *line == TITLES[1]).unwrap();
    let in_second = &*format!("write:error=EIO:when={title_of_second}");

    // What fails; how many pictures come before it, and how many calls of brk there are; and what is reported.
    for (fault, pictures_before, breaks, message, expected) in [
        ("brk:error=ENOSYS", 0, 1, "brk: refused", EX_OSERR),
        ("brk:error=ENOMEM:when=2", 0, 2, "brk: refused", EX_OSERR),
        ("brk:error=ENOMEM:when=3", 1, 3, "brk: refused", EX_OSERR),
        ("brk:error=ENOMEM:when=6", 3, 6, "brk: refused", EX_OSERR),
        ("write:error=EIO:when=1", 0, 2, "write: errno 5", EX_IOERR),
        (in_second, 1, 4, "write: errno 5", EX_IOERR),
        ("openat:error=ENOENT", 0, 1, "/proc/self/maps: errno 2", EX_OSFILE),
        ("read:error=EIO", 0, 1, "/proc/self/maps: errno 5", EX_OSFILE),
        // More than there is room for.
        ("read:retval=65536", 0, 1, "/proc/self/maps: errno 27", EX_OSFILE),
        ("openat:error=EMFILE:when=2", 1, 3, "/proc/self/maps: errno 24", EX_OSFILE),
        ("close:error=EIO:when=4", 3, 6, "/proc/self/maps: errno 5", EX_OSFILE),
    ] {
        let traced = strace(PROGRAM, &["-e", &format!("inject={fault}")]);
        assert_ended(&traced.output, traced.stdout(), &format!("layout: {message}\n"), expected);
        assert_eq!(pictures(traced.stdout()).len(), pictures_before, "{fault}");
        assert_eq!(traced.named("brk").len(), breaks, "{fault}");
    }
}
