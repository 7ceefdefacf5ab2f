//! Changes to `src/main.rs`, the README's and those of changes.md: each is made in a copy of the project, and shown in
//! the tour.
#![cfg(debug_assertions)] // as in `make gdb`

use common::cargo::{CONFIG, build};
use common::*;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const MAIN_RS: &str = include_str!("../src/main.rs");

/// Builds a program for each of these texts of `src/main.rs`, in a copy of the project.
fn build_all(programs: &[String]) -> Vec<PathBuf> {
    // The packages stay built there for the next time.
    let copy = root().join(env!("CARGO_TARGET_TMPDIR")).join("try-it");
    let _ = fs::remove_dir_all(copy.join("src/bin"));
    for directory in ["", "src", "src/bin", "src/bin/layout"] {
        fs::create_dir_all(copy.join(directory)).unwrap();
        for entry in fs::read_dir(root().join(directory)).unwrap().map(Result::unwrap) {
            let name = entry.file_name();
            if !["src", "bin", "layout", "target"].contains(&name.to_str().unwrap()) {
                let link = copy.join(directory).join(name);
                let _ = fs::remove_file(&link);
                symlink(entry.path(), link).unwrap();
            }
        }
    }
    let names: Vec<_> = (0..programs.len()).map(|number| format!("change{number}")).collect();
    for (name, program) in names.iter().zip(programs) {
        let directory = copy.join("src/bin").join(name);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("main.rs"), program).unwrap();
    }
    let built = build(copy.to_str().unwrap(), "", "dev", &["--bins", "--config", CONFIG]);
    names.iter().map(|name| built.join(name)).collect()
}

/// What the tour says of a program, whose output is in a file: the kernel reads what is written there.
fn tour(program: &Path) -> String {
    let script = concat!("source ", env!("CARGO_MANIFEST_DIR"), "/gdb/tour.py");
    let arguments = format!("set args > {}.txt", program.display());
    let output = gdb(program.to_str().unwrap(), &[script, &arguments, "tour 99"]);
    for stop in output.split("\nStep ").skip(1) {
        assert_fits(stop.split("\nProgram ").next().unwrap().split("\n[Inferior").next().unwrap());
    }
    assert!(output.contains("\nThe end: ") && !output.contains("Traceback"), "{output}");
    // The words can be in two lines.
    output.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `main.rs` with a change that is written as in the README's table.
fn changed(change: &str) -> String {
    let change = change.replace(" ⏎ ", "\n    ").replace("\\|", "|");
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
    let mut changes = vec![];
    for page in [include_str!("../README.md"), include_str!("changes.md")] {
        let rows = page.split_once("| the change |").unwrap().1.lines().skip(2);
        for row in rows.take_while(|line| line.starts_with('|')) {
            let row: Vec<_> = row.trim_matches(['|', ' ']).split(" | ").collect();
            // Some rows are about two changes.
            changes.extend(row[0].split(" · ").zip(row[1].split(" · ")).map(|(change, seen)| (change, seen, row[2])));
        }
    }
    assert!(changes.len() > 50, "{changes:?}");
    let mut wrong = vec![];
    let programs = build_all(&changes.iter().map(|(change, ..)| changed(change)).collect::<Vec<_>>());
    for ((change, seen, steps), program) in changes.iter().zip(programs) {
        if promises_all && seen.contains("refuses") {
            continue;
        }
        let output = tour(&program);
        let mut rest = Some(&*output);
        for words in seen.split('`').skip(1).step_by(2) {
            rest = rest.and_then(|rest| rest.split_once(words)).map(|(_, rest)| rest);
        }
        if rest.is_none() || steps.parse().is_ok_and(|steps: usize| output.matches(" Step ").count() != steps) {
            wrong.push(format!("{change}: {seen}, {steps}: {output}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
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
