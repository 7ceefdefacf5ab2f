//! What the README shows is what comes out.

use common::cargo::{copy_of_the_project, debugged, shell};
use common::*;
use regex_lite::Regex;

const README: &str = include_str!("../README.md");

#[test]
fn shows_what_its_commands_print() {
    let blocks = README.split("```console\n").skip(1).map(|block| block.split_once("```").unwrap().0);
    let commands: Vec<_> = blocks.flat_map(|block| block.split("$ ").skip(1)).collect();
    assert!(commands.len() >= 2, "{commands:?}");
    let project = copy_of_the_project("copy");
    for command in commands {
        let (command, expected) = command.split_once('\n').unwrap();
        let output = shell(&project, &format!("exec 2>&1; {command} || true"), &project);
        // The target is this machine's. What cargo says of its work depends on what else is being built.
        let varying = Regex::new(r"(?m)^(   |warning: ).*\n|\w+-unknown-linux-\w+").unwrap();
        let said = |text: &str| varying.replace_all(text, "").into_owned();
        assert_eq!(said(&output), said(expected), "$ {command}");
    }
}

#[test]
fn shows_the_program_itself() {
    let program = include_str!("../src/main.rs");
    let main = &program[program.find("fn main").unwrap()..];
    assert!(README.contains(&format!("```rust\n{main}```\n")), "not this: {main}");
}

#[test]
fn shows_a_stop_of_the_tour() {
    needs!(Ptrace, FixedAddresses);
    let output = gdb(&debugged("alloc"), &["source gdb/tour.py", "tour", "tour"]);
    let stop = &output[output.find("Step 2: ").unwrap_or_else(|| panic!("{output}"))..];
    let (_, shown) = README.split_once("```\nStep 2: ").unwrap();
    let shown = format!("Step 2: {}", shown.split_once("```").unwrap().0);
    // Addresses and sizes are a matter of the compiler and the kernel, and so is what lies above the gap.
    let words = |text: &str| {
        let (above, below) = text.split_once("the gap").unwrap();
        let text = normal(&format!("{}{below}", above.split("\n\n").next().unwrap()));
        Regex::new("[0-9, ]+").unwrap().replace_all(&text, " ").into_owned()
    };
    assert_eq!(words(stop), words(&shown));
}

#[test]
fn names_files_that_are_there() {
    for page in ["README.md", "CONTRIBUTING.md", "benches/README.md", "malloc/README.md"] {
        let path = root().join(page);
        let text = std::fs::read_to_string(&path).unwrap();
        for link in text.split("](").skip(1).map(|link| link.split([')', '#']).next().unwrap()) {
            let is_there = path.parent().unwrap().join(link).exists();
            assert!(is_there || link.starts_with("http"), "{page}: {link}");
        }
    }
}

/// What malloc/README.md says of glibc.
#[test]
fn malloc_of_glibc_moves_the_break_once() {
    needs!(Ptrace);
    if page_size() != 4096 || !works(&["getconf", "GNU_LIBC_VERSION"]) {
        return say("malloc/README.md is about glibc, on pages of 4,096 bytes");
    }
    let program = concat!(env!("CARGO_TARGET_TMPDIR"), "/c");
    assert!(works(&["cc", "-o", program, &format!("{}/benches/alloc.c", root().display())]));
    let traced = strace(program, &[]);
    let breaks: Vec<_> = traced.named("brk").iter().map(|call| call.returned()).collect();
    let [.., old, new] = breaks[..] else { panic!("{:?}", traced.calls) };
    assert_eq!(new - old, 132 * 1024, "{:?}", traced.calls);
}
