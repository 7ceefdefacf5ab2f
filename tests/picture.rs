//! docs/memory.svg, the recorded picture: the committed one is what `make picture` draws, and a viewer can see it.
#![cfg(debug_assertions)] // as `make picture` records it

use common::*;

const COMMITTED: &str = include_str!("../docs/memory.svg");

/// Records `program` in a directory with an old picture. Returns the status, the errors, and the picture that is there.
fn draw(option: &str, program: &str) -> (i32, String, String) {
    let directory = tempfile::tempdir().unwrap();
    let picture = directory.path().join("docs/memory.svg");
    std::fs::create_dir(directory.path().join("docs")).unwrap();
    std::fs::write(&picture, "the old one").unwrap();
    for name in ["gdb", "src"] {
        std::os::unix::fs::symlink(root().join(name), directory.path().join(name)).unwrap();
    }
    let script = format!("source {}", directory.path().join("gdb/picture.py").display());
    let output = gdb_command(program, &[option, &script]).env_remove("PYTHONDONTWRITEBYTECODE").output().unwrap();
    (status(&output), String::from_utf8(output.stderr).unwrap(), std::fs::read_to_string(picture).unwrap())
}

#[test]
#[cfg(target_arch = "x86_64")] // Elsewhere the gap has another size.
fn is_the_one_that_make_picture_draws() {
    needs!(Ptrace, FixedAddresses);
    let (status, errors, picture) = draw("", env!("CARGO_BIN_EXE_alloc"));
    assert_eq!((status, errors), (0, String::new()));
    assert!(!root().join("gdb/__pycache__").exists(), "Python left a __pycache__");
    assert_eq!(normal(&picture), normal(COMMITTED), "make picture draws it anew");
}

#[test]
fn a_recording_that_fails_leaves_the_old_picture() {
    needs!(Ptrace);
    let mut cases = vec![("", "/bin/true", "picture: ")];
    if !lacks(Need::RandomHeap) {
        // The kernel chooses one of thousands of places, and not the one right above the program three times in a row.
        let alloc = env!("CARGO_BIN_EXE_alloc");
        cases.push(("set disable-randomization off", alloc, "picture: the heap is not right above the program"));
    }
    for (option, program, message) in cases {
        let mut outputs = (0..3).map(|_| draw(option, program));
        let (status, errors, picture) = outputs.find(|output| output.0 != 0).expect("one fails");
        assert!(status == 1 && errors.contains(message) && picture == "the old one", "{status}: {errors}");
    }
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
    let classes: Vec<_> = COMMITTED.split("<g class=\"").skip(1).map(|step| step.split('"').next().unwrap()).collect();
    assert_eq!(classes, ["step", "step", "step still", "step", "step"]);
}
