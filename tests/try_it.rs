//! Changes to `src/main.rs`, the README's and those of changes.md: each is made in a copy of the project, and shown in
//! the tour.
#![cfg(debug_assertions)] // as in `make gdb`

use common::cargo::{CONFIG, build};
use common::*;
use std::fs;
use std::os::unix::fs::symlink;

const MAIN_RS: &str = include_str!("../src/main.rs");

/// Shows in the tour the program with another `src/main.rs`.
fn tour(main_rs: &str) -> String {
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
    let change = change.replace(" ⏎ ", "\n");
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
fn shows_what_the_tables_say() {
    needs!(Ptrace);
    if page_size() != 4096 {
        return say("the README's table is about pages of 4,096 bytes");
    }
    let promises_all = works(&["grep", "-qx", "1", "/proc/sys/vm/overcommit_memory"]);
    for page in [include_str!("../README.md"), include_str!("changes.md")] {
        let rows =
            page.split_once("| the change |").unwrap().1.lines().skip(2).take_while(|line| line.starts_with('|'));
        let rows: Vec<Vec<_>> = rows.map(|row| row.trim_matches(['|', ' ']).split(" | ").collect()).collect();
        assert!((6..=8).contains(&rows.len()), "{rows:?}");
        for row in rows {
            // Some rows are about two changes.
            for (change, seen) in row[0].split(" · ").zip(row[1].split(" · ")) {
                if promises_all && seen.contains("refuses") {
                    continue;
                }
                let output = tour(&changed(change));
                let mut rest = &*output;
                for words in seen.split('`').skip(1).step_by(2) {
                    rest = rest.split_once(words).unwrap_or_else(|| panic!("{words}, {change}: {output}")).1;
                }
                if let Ok(steps) = row[2].parse() {
                    assert_eq!(output.matches(" Step ").count(), steps, "{change}: {output}");
                }
            }
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
