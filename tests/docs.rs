//! docs/index.html and docs/memory.svg: the committed ones are what `make docs` records, and the picture holds others.

use common::cargo::debugged;
use common::*;
use regex_lite::Regex;
use std::fs;
use std::os::unix::fs::symlink;

const PAGE: &str = include_str!("../docs/index.html");
const PICTURE: &str = include_str!("../docs/memory.svg");

/// Records programs as `make docs` does, in a directory whose page and picture have no steps yet. Returns the errors,
/// and then the page and the picture.
fn record(programs: &[String]) -> (String, [String; 2]) {
    let directory = tempfile::tempdir().unwrap();
    let files = ["index.html", "memory.svg"].map(|name| directory.path().join("docs").join(name));
    fs::create_dir(directory.path().join("docs")).unwrap();
    fs::write(&files[0], &*Regex::new("(?s)<section.*?</pre>").unwrap().replace_all(PAGE, "nothing yet")).unwrap();
    fs::write(&files[1], PICTURE.split_inclusive("<!-- steps -->").next().unwrap()).unwrap();
    symlink(root().join("gdb"), directory.path().join("gdb")).unwrap();
    let script = format!("source {}", directory.path().join("gdb/record.py").display());
    let mut all = String::new();
    for program in programs {
        let output = gdb_command(program, &[&script]).env_remove("PYTHONDONTWRITEBYTECODE").output().unwrap();
        let errors = str::from_utf8(&output.stderr).unwrap();
        assert_eq!(status(&output), if errors.is_empty() { 0 } else { 1 }, "{output:?}");
        all += errors;
    }
    assert!(!root().join("gdb/__pycache__").exists(), "Python left a __pycache__");
    (all, files.map(|file| fs::read_to_string(file).unwrap()))
}

#[test]
fn are_what_make_docs_records() {
    needs!(Ptrace, FixedAddresses);
    let (errors, files) = record(&["alloc", "bump", "free_list", "malloc"].map(debugged));
    assert_eq!(errors, "");
    if cfg!(not(target_arch = "x86_64")) || !is_the_pages_compiler() {
        return;
    }
    // What is stored on the heap may be addresses, too.
    let stored = Regex::new("<code>0x[0-9a-f]+  [^<]*").unwrap();
    for (committed, recorded) in [PAGE, PICTURE].into_iter().zip(&files) {
        let [committed, recorded] = [committed, recorded].map(|text| normal(&stored.replace_all(text, "")));
        let different = committed.lines().zip(recorded.lines()).find(|(committed, recorded)| committed != recorded);
        assert_eq!((different, committed.len()), (None, recorded.len()), "make docs records other files");
    }
}

#[test]
fn stay_as_they_are_if_a_recording_fails() {
    needs!(Ptrace);
    let (errors, files) = record(&["/bin/true".to_string()]);
    assert!(errors.starts_with("record: "), "{errors}");
    assert_eq!(files, record(&[]).1);
}

#[test]
fn the_picture_needs_nothing_from_outside_and_stands_still_for_those_who_prefer_it() {
    let outside = ["<script", "href", "url(", "@import", "@font-face"];
    assert!(!outside.iter().any(|part| PICTURE.contains(part)));
    let (still, moving) = PICTURE.split_once("\n@media (prefers-reduced-motion: no-preference) {\n").unwrap();
    assert!(moving.starts_with("  .steps { animation: ") && !moving[20..].contains("animation: "));
    assert!(!still.contains("animation: "));
}

/// Asserts that texts below each other have room for their lines.
#[track_caller]
fn assert_are_apart(drawn: &str) {
    let text = Regex::new(r#"<text( x="[^"]*"|) y="(.*?)""#).unwrap();
    for group in drawn.split("<g ") {
        let places = text.captures_iter(group).map(|found| found.extract().1);
        let mut places: Vec<(&str, f64)> = places.map(|[x, y]| (x, y.parse().unwrap())).collect();
        places.sort_by(|a, b| a.partial_cmp(b).unwrap());
        assert!(places.windows(2).all(|two| two[0].0 != two[1].0 || two[1].1 - two[0].1 > 11.5), "{group}");
    }
}

#[test]
fn the_picture_holds_any_number_of_steps() {
    needs!(Ptrace, FixedAddresses);
    assert_are_apart(PAGE);
    // A program that is called alloc, too, and has more steps than the picture has room for in its list.
    let directory = tempfile::tempdir().unwrap();
    let alloc = directory.path().join("alloc");
    fs::copy(debugged("free_list"), &alloc).unwrap();
    let (errors, [_, picture]) = record(&[alloc.to_str().unwrap().to_string()]);
    assert_eq!(errors, "");
    let steps: Vec<_> = picture.split("<g class=\"step\"").skip(1).collect();
    // Each is in its list of titles, which has no more than there is room for.
    assert!(steps.iter().all(|step| step.matches("title now").count() == 1 && step.matches(">Step ").count() <= 5));
    assert!(steps.len() > 5 && picture.contains(&format!("style=\"--count: {}\"", steps.len())), "{picture}");
    assert_are_apart(&picture);
}
