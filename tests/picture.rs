//! docs/memory.svg, the recorded picture: a fresh one against the kernel's side, and the committed one against that.
#![cfg(debug_assertions)] // as `make picture` records it

use common::*;
use nix::libc;
use roxmltree::Document;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const ALLOC: &str = env!("CARGO_BIN_EXE_alloc");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const MAIN_RS: &str = include_str!("../src/main.rs");

/// A directory with what `make picture` needs.
fn project() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("docs")).unwrap();
    for name in ["gdb", "src"] {
        std::os::unix::fs::symlink(Path::new(ROOT).join(name), directory.path().join(name)).unwrap();
    }
    directory
}

fn draw(directory: &Path, program: &str) -> Output {
    let mut gdb = Command::new("gdb");
    gdb.args(["-q", "-nx", "-batch", "-x"]).arg(directory.join("gdb/picture.py")).arg(program);
    // A large environment moves the end of the stack, if the program gets it.
    run(gdb.env("LARGE", "x".repeat(100_000)))
}

/// Records the picture in a directory of its own.
fn record() -> String {
    let directory = project();
    let output = draw(directory.path(), ALLOC);
    assert_eq!(status(&output), 0, "{output:?}");
    assert!(!Path::new(ROOT).join("gdb/__pycache__").exists(), "Python leaves nothing behind");
    std::fs::read_to_string(directory.path().join("docs/memory.svg")).unwrap()
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
    if lacks(Need::Ptrace) {
        return;
    }
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
    if lacks(Need::Ptrace) {
        return;
    }
    let svg = record();
    assert_eq!(svg, record(), "a second recording is the same");

    // The same run once more, from outside.
    let mut command = Command::new(ALLOC);
    randomised(command.env_clear().stdout(Stdio::null()), false);
    let process = Ptraced::start(command);
    let (mut breaks, mut written, mut maps) = (vec![], [0; 2], String::new());
    let status = loop {
        if let Some(status) = process.to_system_call() {
            break status;
        }
        match process.call() {
            Some((libc::SYS_brk, arguments)) => breaks.push(arguments[0]),
            Some((libc::SYS_write, arguments)) => {
                written = [arguments[1], arguments[2]];
                assert_eq!(&process.peek(arguments[1])[..4], b"HI\n\0");
            }
            Some((libc::SYS_exit, _)) => maps = std::fs::read_to_string(format!("/proc/{}/maps", process.0)).unwrap(),
            Some(other) => panic!("{other:?}"),
            None => (),
        }
    };
    assert_eq!(status, 0, "all calls returned what was asked for");
    let [0, up, down] = breaks[..] else { panic!("{breaks:x?}") };
    let [address, length] = written;

    // Each step, and what is written below the picture while it happens.
    let document = Document::parse(&svg).unwrap();
    let groups: Vec<_> = document.descendants().filter(|node| node.tag_name().name() == "g").collect();
    let calls = [
        format!("brk(NULL) = {down:#x}"),
        format!("brk({up:#x}) = {up:#x}"),
        "no system call".to_string(),
        format!("write(1, {address:#x}, {length}) = {length}"),
        format!("brk({down:#x}) = {down:#x}"),
    ];
    let lines = ["let heap_start =", "move_break(heap_end)", "*heap =", "stdio::write_all(", "move_break(heap_start)"];
    for (step, (call, line)) in calls.iter().zip(lines).enumerate() {
        let class = format!("from{0}to{0}", step + 1);
        let groups = groups.iter().filter(|group| group.attribute("class") == Some(&class));
        let texts: Vec<_> = groups
            .flat_map(|group| group.children().filter(|node| node.is_element()))
            .filter_map(|text| text.text())
            .collect();
        let at = texts.iter().position(|text| text.starts_with("src/main.rs, line ")).expect("a line of the source");
        let number: usize = texts[at].rsplit(' ').next().unwrap().parse().unwrap();
        assert_eq!(texts[at + 1], MAIN_RS.lines().nth(number - 1).unwrap().trim());
        assert!(texts[at + 1].contains(line), "{texts:?}");
        assert_eq!(texts[at + 2], call);
    }

    // The addresses beside the picture, from the top down.
    let ends = |line: &str| {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        [hex(start), hex(end)]
    };
    let stack = ends(maps.lines().find(|line| line.ends_with("[stack]")).unwrap());
    let mut shown: Vec<_> = document
        .descendants()
        .filter(|node| node.attribute("class") == Some("code right quiet"))
        .map(|node| (node.attribute("y").unwrap().parse::<u32>().unwrap(), hex(node.text().unwrap())))
        .collect();
    shown.sort();
    let shown: Vec<_> = shown.into_iter().map(|(_, address)| address).collect();
    assert_eq!(shown, [stack[1], stack[0], up, down, ends(&maps)[0]], "{maps}");

    // The bytes, from left to right, after step 2 and after step 3.
    let texts = texts(&svg);
    let cells: Vec<_> =
        texts.iter().map(String::as_str).filter(|text| ["H", "I", r"\n", r"\0"].contains(text)).collect();
    assert_eq!(cells, [r"\0", r"\0", r"\0", r"\0", "H", "I", r"\n", r"\0"]);
}

#[test]
#[cfg(target_arch = "x86_64")] // Elsewhere the gap has another size.
fn is_the_one_that_make_picture_draws() {
    if lacks(Need::Ptrace) {
        return;
    }
    // Where the addresses are is a matter of the kernel.
    let normal = |svg: &str| addresses(svg).fold(svg.to_string(), |text, address| text.replace(address, "0x"));
    assert_eq!(normal(&committed()), normal(&record()), "make picture draws it anew");
    for line in ["find the program break", "let heap_start = current_break();", "no system call", "printed: H I \\n"] {
        assert!(committed().contains(line), "{line}");
    }
}

#[test]
fn moves_for_twelve_seconds_and_stands_still_at_step_three() {
    let svg = committed();
    assert_eq!(svg.matches("animation:").count(), svg.matches("s infinite }").count());
    assert_eq!(svg.matches("animation:").count(), svg.matches(" 12s infinite }").count());
    // The rules for those who prefer no motion are the ones without a condition.
    let mut is_still = 0;
    for line in svg.lines() {
        if let Some(rule) = line.strip_prefix(".from") {
            let (steps, opacity) = rule.split_once(" { opacity: ").unwrap();
            let (first, last) = steps.split_once("to").unwrap();
            let is_shown = (first.parse::<u32>().unwrap()..=last.parse().unwrap()).contains(&3);
            assert_eq!(opacity, if is_shown { "1 }" } else { "0 }" }, "{line}");
            is_still += u32::from(is_shown);
        } else if let Some(rule) = line.strip_prefix(".step") {
            let color = if rule.starts_with('3') { "strong" } else { "quiet" };
            assert!(rule.ends_with(&format!("{{ fill: var(--{color}) }}")), "{line}");
        }
    }
    assert!(is_still > 0);
}

/// By WCAG 2: the ratio of the luminances, with 0.05 added to each.
#[test]
fn has_text_that_stands_out_from_its_ground() {
    let svg = committed();
    let themes: Vec<_> = svg.match_indices("--ground: #").map(|(at, _)| &svg[at..]).collect();
    assert_eq!(themes.len(), 2, "light and dark");
    for theme in themes {
        let luminance = |name: &str| {
            let at = theme.find(&format!("--{name}: #")).unwrap() + name.len() + 5;
            let channel = |n: usize| {
                let value = f64::from(u8::from_str_radix(&theme[at + 2 * n..at + 2 * n + 2], 16).unwrap()) / 255.0;
                if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * channel(0) + 0.7152 * channel(1) + 0.0722 * channel(2) + 0.05
        };
        for (text, grounds) in
            [("text", &["ground", "part", "heap"][..]), ("quiet", &["ground"]), ("strong", &["ground"])]
        {
            for ground in grounds {
                let ratio = luminance(text) / luminance(ground);
                assert!(ratio.max(1.0 / ratio) >= 4.5, "{text} on {ground}: {ratio}");
            }
        }
    }
}

#[test]
fn leaves_the_old_picture_alone_if_it_fails() {
    if lacks(Need::Ptrace) {
        return;
    }
    let directory = project();
    let file = directory.path().join("docs/memory.svg");
    std::fs::write(&file, "the old one").unwrap();
    // Not the program.
    let output = draw(directory.path(), "/bin/true");
    assert_ne!(status(&output), 0);
    assert!(String::from_utf8_lossy(&output.stderr).contains("picture.py"), "{output:?}");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "the old one");
}
