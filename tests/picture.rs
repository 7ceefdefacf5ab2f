//! docs/memory.svg, the recorded picture: a fresh one against the kernel's side, and the committed one against that.
#![cfg(debug_assertions)] // as `make picture` records it

mod common;

use common::*;
use nix::libc;
use roxmltree::Document;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

const ALLOC: &str = env!("CARGO_BIN_EXE_alloc");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Records the picture in a directory of its own.
fn record() -> String {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("docs")).unwrap();
    for name in ["gdb", "src"] {
        std::os::unix::fs::symlink(Path::new(ROOT).join(name), directory.path().join(name)).unwrap();
    }
    let mut gdb = Command::new("gdb");
    gdb.args(["-q", "-nx", "-batch", "-x"]).arg(directory.path().join("gdb/picture.py")).arg(ALLOC);
    // A large environment moves the end of the stack, if the program gets it.
    let output = run(gdb.env("LARGE", "x".repeat(100_000)));
    assert!(!Path::new(ROOT).join("gdb/__pycache__").exists(), "Python leaves nothing behind");
    let file = std::fs::read_to_string(directory.path().join("docs/memory.svg"));
    file.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn committed() -> String {
    std::fs::read_to_string(Path::new(ROOT).join("docs/memory.svg")).unwrap()
}

/// All that is written in it, from the top down.
fn texts(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).unwrap();
    let texts = document.descendants().filter(|node| ["title", "desc", "text"].contains(&node.tag_name().name()));
    texts.map(|node| node.text().unwrap().to_string()).collect()
}

/// The addresses in a text, as they are written.
fn addresses(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("0x").map(|(at, _)| {
        let digits = text[at + 2..].chars().take_while(char::is_ascii_hexdigit).count();
        &text[at..at + 2 + digits]
    })
}

#[test]
fn is_well_formed_and_contains_all_that_it_needs() {
    for svg in [committed(), record()] {
        let document = Document::parse(&svg).unwrap();
        assert!(svg.len() <= 40 * 1024, "{} bytes", svg.len());
        for node in document.descendants().filter(|node| node.is_element()) {
            assert_ne!(node.tag_name().name(), "script");
            for attribute in node.attributes() {
                assert!(!attribute.name().starts_with("on") && !attribute.name().ends_with("href"), "{attribute:?}");
            }
        }
        for outside in ["url(", "@import", "@font-face"] {
            assert!(!svg.contains(outside), "{outside}");
        }
        assert_eq!(svg.matches("http").count(), 1, "the name of the format alone");
        for part in ["prefers-reduced-motion", "prefers-color-scheme: dark", "<title", "<desc"] {
            assert!(svg.contains(part), "{part}");
        }
    }
}

#[test]
fn shows_what_the_kernel_says() {
    let svg = record();
    assert_eq!(svg, record(), "a second recording is the same");

    // The same run once more, from outside.
    let mut command = Command::new(ALLOC);
    randomised(command.env_clear().stdout(Stdio::null()), false);
    let process = Ptraced::start(command);
    let mut known = BTreeSet::new();
    let mut bytes = [0; 8];
    while process.to_system_call().is_none() {
        let Some((number, arguments)) = process.call() else { continue };
        match number {
            libc::SYS_brk => _ = known.insert(arguments[0]),
            libc::SYS_write => {
                bytes = process.peek(arguments[1]);
                known.insert(arguments[1]);
            }
            libc::SYS_exit => {
                for line in std::fs::read_to_string(format!("/proc/{}/maps", process.0)).unwrap().lines() {
                    let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
                    known.extend([hex(start), hex(end)]);
                }
            }
            other => panic!("system call {other}"),
        }
    }
    let texts = texts(&svg);
    let shown: BTreeSet<_> = texts.iter().flat_map(|text| addresses(text)).map(hex).collect();
    assert!(shown.is_subset(&known), "{shown:x?} are not all in {known:x?}");
    assert_eq!(shown.len(), 5, "the ends of the program, of the heap and of the stack: {shown:x?}");
    assert_eq!(&bytes[..4], b"HI\n\0");
    let cells: Vec<_> =
        texts.iter().map(String::as_str).filter(|text| ["H", "I", r"\n", r"\0"].contains(text)).collect();
    assert_eq!(cells, [r"\0", r"\0", r"\0", r"\0", "H", "I", r"\n", r"\0"]);
}

#[test]
fn is_the_one_that_make_picture_draws() {
    // Where the addresses are is a matter of the kernel.
    let normal = |svg: &str| -> Vec<_> {
        let texts = texts(svg).into_iter();
        texts.map(|text| addresses(&text).fold(text.clone(), |text, address| text.replace(address, "0x"))).collect()
    };
    assert_eq!(normal(&committed()), normal(&record()), "make picture draws it anew");
    for line in ["find the program break", "let heap_start = current_break();", "no system call", "printed: H I \\n"] {
        assert!(committed().contains(line), "{line}");
    }
}
