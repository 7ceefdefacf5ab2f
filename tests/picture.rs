//! docs/memory.svg, the recorded picture: the committed one is what `make picture` draws, and a viewer can see it.
#![cfg(debug_assertions)] // as `make picture` records it

use common::*;
use std::path::Path;
use std::process::{Command, Output};

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

fn draw(directory: &Path, options: &[&str], program: &str) -> Output {
    let mut gdb = Command::new("gdb");
    gdb.env_remove("PYTHONDONTWRITEBYTECODE");
    run(gdb.args(["-q", "-nx", "-batch"]).args(options).arg("-x").arg(directory.join("gdb/picture.py")).arg(program))
}

fn picture(directory: &Path) -> String {
    std::fs::read_to_string(directory.join("docs/memory.svg")).unwrap()
}

/// The picture with a number in place of each address, the same number for the same address. What the addresses are is
/// a matter of the kernel and of the compiler, but not which of them are the same.
fn normal(svg: &str) -> String {
    let (mut normal, mut addresses) = (String::new(), vec![]);
    for (n, part) in svg.split("0x").enumerate() {
        let digits = if n == 0 { 0 } else { part.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(part.len()) };
        let (address, rest) = part.split_at(digits);
        if n > 0 {
            let known = addresses.iter().position(|other| *other == address);
            normal += &format!("address {}", known.unwrap_or(addresses.len()));
            addresses.extend(known.is_none().then_some(address));
        }
        normal += rest;
    }
    normal
}

#[test]
#[cfg(target_arch = "x86_64")] // Elsewhere the gap has another size.
fn is_the_one_that_make_picture_draws() {
    if lacks(Need::Ptrace) || lacks(Need::FixedAddresses) {
        return;
    }
    let directory = project();
    let output = draw(directory.path(), &[], env!("CARGO_BIN_EXE_alloc"));
    assert_eq!(status(&output), 0, "{output:?}");
    assert!(!root().join("gdb/__pycache__").exists(), "Python leaves nothing behind");
    assert_eq!(normal(&picture(directory.path())), normal(COMMITTED), "make picture draws it anew");
}

#[test]
fn a_recording_that_fails_leaves_the_old_picture() {
    if lacks(Need::Ptrace) {
        return;
    }
    let directory = project();
    let output = draw(directory.path(), &[], "/bin/true");
    assert_eq!(status(&output), 1, "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("picture: "), "{output:?}");
    assert_eq!(picture(directory.path()), "the old one");
}

#[test]
fn a_random_address_of_the_heap_is_reported() {
    if lacks(Need::Ptrace) || lacks(Need::RandomHeap) {
        return;
    }
    // The kernel chooses one of thousands of places. In at least one of three runs, it is not right above the program.
    let random = ["-ex", "set disable-randomization off"];
    let mut outputs = (0..3).map(|_| draw(project().path(), &random, env!("CARGO_BIN_EXE_alloc")));
    let output = outputs.find(|output| status(output) != 0).expect("the heap is not right above the program");
    assert_eq!(status(&output), 1, "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("picture: the heap is not right above"), "{output:?}");
}

#[test]
fn needs_nothing_from_outside() {
    for part in ["<script", "href", "url(", "@import", "@font-face"] {
        assert!(!COMMITTED.contains(part), "{part}");
    }
    assert_eq!(COMMITTED.matches("http").count(), 1, "the name of the format alone");
}

#[test]
fn stands_still_at_step_three_for_those_who_prefer_it() {
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

/// The contrast is as WCAG 2 defines it: the ratio of the luminances, with 0.05 added to each.
#[test]
fn has_text_that_stands_out_from_its_ground() {
    let themes: Vec<_> = COMMITTED.split("svg { ").skip(1).collect();
    assert_eq!(themes.len(), 2, "light and dark");
    for theme in themes {
        let luminance = |name: &str| {
            let (_, color) = theme.split_once(&format!("--{name}: #")).unwrap();
            let channel = |n: usize| f64::from(u8::from_str_radix(&color[n..n + 2], 16).unwrap()) / 255.0;
            // This is sRGB, nearly.
            0.2126 * channel(0).powf(2.2) + 0.7152 * channel(2).powf(2.2) + 0.0722 * channel(4).powf(2.2) + 0.05
        };
        for (text, ground) in
            [("text", "ground"), ("text", "part"), ("text", "heap"), ("quiet", "ground"), ("strong", "ground")]
        {
            let ratio = luminance(text) / luminance(ground);
            assert!(ratio.max(1.0 / ratio) >= 4.5, "{text} on {ground}: {ratio}");
        }
    }
}
