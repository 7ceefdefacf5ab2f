//! docs/memory.svg, the recorded picture: the committed one is what `make picture` draws, and a viewer can see it.
#![cfg(debug_assertions)] // as `make picture` records it

use common::*;
use std::path::Path;

const COMMITTED: &str = include_str!("../docs/memory.svg");

/// A directory with what `make picture` needs, and with an old picture.
fn project() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("docs")).unwrap();
    std::fs::write(directory.path().join("docs/memory.svg"), "the old one").unwrap();
    for name in ["gdb", "src"] {
        std::os::unix::fs::symlink(root().join(name), directory.path().join(name)).unwrap();
    }
    directory
}

/// The status and the errors of what records `program`.
fn draw(directory: &Path, option: &str, program: &str) -> (i32, String) {
    let script = format!("source {}", directory.join("gdb/picture.py").display());
    let output = run(gdb_command(program, &[option, &script]).env_remove("PYTHONDONTWRITEBYTECODE"));
    (status(&output), String::from_utf8(output.stderr).unwrap())
}

fn picture(directory: &Path) -> String {
    std::fs::read_to_string(directory.join("docs/memory.svg")).unwrap()
}

#[test]
#[cfg(target_arch = "x86_64")] // Elsewhere the gap has another size.
fn is_the_one_that_make_picture_draws() {
    needs!(Ptrace, FixedAddresses);
    let directory = project();
    assert_eq!(draw(directory.path(), "", env!("CARGO_BIN_EXE_alloc")), (0, String::new()));
    assert!(!root().join("gdb/__pycache__").exists(), "Python leaves nothing behind");
    assert_eq!(normal(&picture(directory.path())), normal(COMMITTED), "make picture draws it anew");
}

#[test]
fn a_recording_that_fails_leaves_the_old_picture() {
    needs!(Ptrace);
    let directory = project();
    let (status, errors) = draw(directory.path(), "", "/bin/true");
    assert!(status == 1 && errors.contains("picture: "), "{status}: {errors}");
    assert_eq!(picture(directory.path()), "the old one");
}

#[test]
fn a_random_address_of_the_heap_is_reported() {
    needs!(Ptrace, RandomHeap);
    // The kernel chooses one of thousands of places. In at least one of three runs, it is not right above the program.
    let random = "set disable-randomization off";
    let mut outputs = (0..3).map(|_| draw(project().path(), random, env!("CARGO_BIN_EXE_alloc")));
    let (status, errors) = outputs.find(|output| output.0 != 0).expect("the heap is not right above the program");
    assert!(status == 1 && errors.contains("picture: the heap is not right above"), "{status}: {errors}");
}

#[test]
fn needs_nothing_from_outside_and_stands_still_for_those_who_prefer_it() {
    for part in ["<script", "href", "url(", "@import", "@font-face"] {
        assert!(!COMMITTED.contains(part), "{part}");
    }
    for line in COMMITTED.lines().filter(|line| line.contains("animation:")) {
        assert!(line.starts_with("@media (prefers-reduced-motion: no-preference) {"), "{line}");
    }
    assert!(COMMITTED.contains("\n.step { opacity: 0 } .still { opacity: 1 }\n"));
    let steps: Vec<_> = COMMITTED.split("<g class=\"step").skip(1).collect();
    assert_eq!(steps.len(), 5);
    for (n, step) in (1..).zip(steps) {
        assert_eq!(step.starts_with(" still"), n == 3, "step {n}");
    }
}
