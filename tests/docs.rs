//! docs/index.html and docs/memory.svg: the committed ones are what `make docs` records.
#![cfg(target_arch = "x86_64")] // as `make docs` has recorded them

use common::cargo::debugged;
use common::*;
use regex_lite::Regex;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Output;

const PAGE: &str = include_str!("../docs/index.html");
const PICTURE: &str = include_str!("../docs/memory.svg");

/// Records `program` in `directory`, as `make docs` does.
fn record(directory: &Path, option: &str, program: &str) -> Output {
    let script = format!("source {}", directory.join("gdb/record.py").display());
    let mut gdb = gdb_command(program, &[option, &script]);
    gdb.env_remove("PYTHONDONTWRITEBYTECODE").output().unwrap()
}

/// A directory for a recording, with a page and a picture that have no steps yet.
fn before() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let docs = directory.path().join("docs");
    fs::create_dir(&docs).unwrap();
    let page = Regex::new("(?s)<section.*?</pre>").unwrap().replace_all(PAGE, "nothing yet");
    fs::write(docs.join("index.html"), &*page).unwrap();
    fs::write(docs.join("memory.svg"), PICTURE.split_inclusive("<!-- steps -->").next().unwrap()).unwrap();
    symlink(root().join("gdb"), directory.path().join("gdb")).unwrap();
    directory
}

#[test]
fn are_what_make_docs_records() {
    needs!(Ptrace, FixedAddresses);
    let directory = before();
    for program in ["alloc", "bump", "free_list", "malloc"] {
        let output = record(directory.path(), "", &debugged(program));
        assert_eq!((status(&output), str::from_utf8(&output.stderr)), (0, Ok("")), "{program}");
    }
    assert!(!root().join("gdb/__pycache__").exists(), "Python left a __pycache__");
    let compiler = limited("rustc").arg("--version").output().unwrap().stdout;
    if !include_str!("../benches/README.md").contains(str::from_utf8(&compiler).unwrap()) {
        return say("docs/ is not of this compiler, whose library may allocate otherwise");
    }
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let version: Vec<u32> = kernel.split('.').map_while(|number| number.parse().ok()).collect();
    if version < vec![6, 6] {
        return say("this kernel counts the program's zeroed data as heap, so it doesn't tell how much is in memory");
    }
    // What is stored on the heap may be addresses, too.
    let stored = Regex::new("<code>0x[0-9a-f]+  [^<]*").unwrap();
    for (committed, name) in [(PAGE, "index.html"), (PICTURE, "memory.svg")] {
        let recorded = fs::read_to_string(directory.path().join("docs").join(name)).unwrap();
        let [committed, recorded] = [committed, &recorded].map(|text| normal(&stored.replace_all(text, "")));
        let different = committed.lines().zip(recorded.lines()).find(|(committed, recorded)| committed != recorded);
        assert_eq!((different, committed.len()), (None, recorded.len()), "make docs records {name} anew");
    }
}

#[test]
fn stay_as_they_are_if_a_recording_fails() {
    needs!(Ptrace);
    for (option, program, message) in [
        ("", "/bin/true", "record: "),
        ("set disable-randomization off", &debugged("alloc"), "record: gdb can't switch address randomisation off"),
    ] {
        let directory = before();
        let files = ["index.html", "memory.svg"].map(|name| directory.path().join("docs").join(name));
        let old = files.each_ref().map(|file| fs::read_to_string(file).unwrap());
        let output = record(directory.path(), option, program);
        let errors = str::from_utf8(&output.stderr).unwrap();
        assert!(status(&output) == 1 && errors.contains(message), "{output:?}");
        let asks = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).contains("Quit anyway"));
        assert_eq!(asks, [false; 2], "{output:?}");
        assert_eq!(files.map(|file| fs::read_to_string(file).unwrap()), old);
    }
}

#[test]
fn the_picture_needs_nothing_from_outside_and_stands_still_for_those_who_prefer_it() {
    for part in ["<script", "href", "url(", "@import", "@font-face"] {
        assert!(!PICTURE.contains(part), "{part}");
    }
    let (_, moving) = PICTURE.split_once("\n@media (prefers-reduced-motion: no-preference) {\n").unwrap();
    assert!(moving.starts_with(".step { animation: 12s step-end 5 } }\n") && !moving[9..].contains("animation: "));
    assert!(PICTURE.contains("\n.step { opacity: 0 } .still { opacity: 1 }\n"));
    let classes: Vec<_> = PICTURE.split("<g class=\"").skip(1).map(|step| step.split('"').next().unwrap()).collect();
    assert_eq!(classes, ["step", "step", "step still", "step", "step"]);
}
