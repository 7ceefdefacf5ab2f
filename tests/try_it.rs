//! Changes to `src/main.rs`, the README's and others: each is made in a copy of the project, and shown in the tour.
#![cfg(debug_assertions)] // as in `make gdb`

use common::cargo::{CONFIG, build};
use common::*;
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::{Mutex, PoisonError};

const MAIN_RS: &str = include_str!("../src/main.rs");

/// Shows in the tour the program with another `src/main.rs`.
fn tour(main_rs: &str) -> String {
    static COPY: Mutex<()> = Mutex::new(());
    let _guard = COPY.lock().unwrap_or_else(PoisonError::into_inner);
    // The packages stay built there for the next change.
    let copy = root().join(env!("CARGO_TARGET_TMPDIR")).join("try-it");
    for directory in ["", "src"] {
        fs::create_dir_all(copy.join(directory)).unwrap();
        for entry in fs::read_dir(root().join(directory)).unwrap().map(Result::unwrap) {
            let name = entry.file_name();
            if !["src", "main.rs", "target"].contains(&name.to_str().unwrap()) {
                let link = copy.join(directory).join(name);
                let _ = fs::remove_file(&link);
                symlink(entry.path(), link).unwrap();
            }
        }
    }
    fs::write(copy.join("src/main.rs"), main_rs).unwrap();
    let package = copy.to_str().unwrap();
    let alloc = build(package, "", "dev", &["--bin=alloc", "--config", CONFIG]).join("alloc");
    let script = concat!("source ", env!("CARGO_MANIFEST_DIR"), "/gdb/tour.py");
    let output = gdb(alloc.to_str().unwrap(), &[script, "tour 99"]);
    for stop in output.split("\nStep ").skip(1) {
        assert_fits(stop.split("\nProgram ").next().unwrap().split("\n[Inferior").next().unwrap());
    }
    assert!(
        (output.contains("\nThe end: ") || output.contains("\nProgram received")) && !output.contains("Traceback"),
        "{output}"
    );
    // The words can be in two lines.
    output.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `main.rs` with a change that is written as in the README's table.
fn changed(change: &str) -> String {
    let codes: Vec<_> = change.split('`').skip(1).step_by(2).collect();
    let [old, new] = codes[..] else { panic!("{change}") };
    assert_eq!(MAIN_RS.matches(old).count(), 1, "{change}");
    if !change.contains("below") {
        return MAIN_RS.replace(old, new);
    }
    let line = MAIN_RS.lines().find(|line| line.contains(old)).unwrap();
    MAIN_RS.replace(line, &format!("{line}\n    {new}"))
}

#[test]
fn shows_what_the_readme_says() {
    needs!(Ptrace);
    let table = include_str!("../README.md").split_once("| the change |").unwrap().1;
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let rows: Vec<Vec<_>> = rows.map(|row| row.trim_matches(['|', ' ']).split(" | ").collect()).collect();
    assert!((6..=8).contains(&rows.len()), "{rows:?}");
    if page_size() != 4096 {
        return say("the README's table is about pages of 4,096 bytes");
    }
    let promises_all = works(&["grep", "-qx", "1", "/proc/sys/vm/overcommit_memory"]);
    for row in rows {
        // Some rows are about two changes.
        for (change, seen) in row[0].split(" · ").zip(row[1].split(" · ")) {
            if !(promises_all && seen.contains("refuses")) {
                let output = tour(&changed(change));
                let words = seen.split('`').skip(1).step_by(2);
                words.for_each(|words| assert!(output.contains(words), "{words}: {output}"));
            }
        }
    }
}

#[test]
fn shows_what_happens_after_other_changes() {
    needs!(Ptrace);
    // Each is a change, how many steps there are then, and words of some of them, in their order.
    for (change, steps, words) in [
        // A loop of moves.
        (
            "`unsafe { move_break(heap_end) }?` → `for n in 1..5 { unsafe { move_break(heap_end.wrapping_add(n)) }? }`",
            8,
            &["Step 2: the break moves up by 5 bytes", "Step 5: the break moves up by 1 byte", "was mapped before"][..],
        ),
        // A store at the end of a heap that is too large to be compared, and one that is only seen by its page.
        (
            "below `unsafe { move_break(heap_end) }?;`: `unsafe { move_break(heap_start.wrapping_add(1 << 24)) }?;\n\
             unsafe { *heap_start.wrapping_add((1 << 24) - 1) = 7 };\n\
             unsafe { *heap_start.wrapping_add(1 << 16) = 7 };`",
            8,
            &[
                "a store only if it causes a page fault",
                "Step 4: something",
                "0 bytes changed in the first 64 KiB. A page fault",
            ],
        ),
        // Two heaps' worth of stores.
        (
            "below `unsafe { move_break(heap_end) }?;`: `unsafe { move_break(heap_start.wrapping_add(9000)) }?;\n\
             for n in 0..9000 { unsafe { *heap_start.wrapping_add(n) = 7 }; }\n\
             for n in 0..9000 { unsafe { *heap_start.wrapping_add(n) = 8 }; }`",
            8,
            &[
                "Step 4: something",
                "07 07 07 07 07 07 07 07 . . . . . . . . … heap",
                "9000 bytes changed. Page faults brought ",
                "9000 bytes changed. Nothing more",
            ],
        ),
        (
            "below `unsafe { move_break(heap_end) }?;`: `unsafe { move_break(heap_end) }?;`",
            6,
            &["Step 3: the break stays where it is"],
        ),
        // Lines without an instruction of their own, and a loop of stores.
        (
            "below `*heap = `: `unsafe { heap_start.write_bytes(120, 3) };\nunsafe { heap_start.write(87) };\n\
             for byte in *b\"abcd\" {\nlet here = &mut heap[0];\n*here = byte;\n}`",
            8,
            &[
                "25 unsafe { heap_start.write_bytes",
                "78 78 78",
                "26 unsafe { heap_start.write",
                "W x x",
                "d x x",
                "in a loop",
            ],
        ),
        // A store above the break.
        (
            "below `*heap = `: `unsafe { *heap_start.add(100) = 1 };`",
            6,
            &["Step 4: something", " 01 . heap: 4 bytes", "1 byte changed."],
        ),
        ("`&heap[..3]` → `&*b\"HI\\n\"`", 4, &["Step 4: the break moves down by 4 bytes"]),
    ] {
        let output = tour(&changed(change));
        assert_eq!(output.matches(" Step ").count(), steps, "{change}: {output}");
        let mut rest = &*output;
        for part in words {
            rest = rest.split_once(part).unwrap_or_else(|| panic!("{part}, {change}: {output}")).1;
        }
    }
}

/// The sentence about C after the table.
#[test]
fn malloc_of_glibc_moves_the_break_once() {
    needs!(Ptrace);
    if page_size() != 4096 || !works(&["getconf", "GNU_LIBC_VERSION"]) {
        return say("the README's sentence is about glibc, on pages of 4,096 bytes");
    }
    let program = concat!(env!("CARGO_TARGET_TMPDIR"), "/c");
    assert!(works(&["cc", "-o", program, &format!("{}/benches/alloc.c", root().display())]));
    let traced = strace(program, &[]);
    let breaks: Vec<_> = traced.named("brk").iter().map(|call| call.returned()).collect();
    let [.., old, new] = breaks[..] else { panic!("{:?}", traced.calls) };
    assert_eq!(new - old, 132 * 1024, "{:?}", traced.calls);
}
