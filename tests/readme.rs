//! What the README, and those of malloc/ and benches/, show is what comes out.

use common::cargo::{cargo, copy_of_the_project, debugged, host, shell};
use common::*;
use regex_lite::Regex;

const README: &str = include_str!("../README.md");
const BENCHMARK: &str = include_str!("../benches/README.md");

#[test]
fn shows_what_its_commands_print() {
    let blocks = README.split("```console\n").skip(1).map(|block| block.split_once("```").unwrap().0);
    let commands: Vec<_> = blocks.flat_map(|block| block.split("$ ").skip(1)).collect();
    assert!(commands.len() >= 2, "{commands:?}");
    let project = copy_of_the_project("copy");
    for command in commands {
        let (command, expected) = command.split_once('\n').unwrap();
        let output = shell(&project, &format!("exec 2>&1; {command} || true"));
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
    // Addresses and sizes are a matter of the compiler and the kernel, and so is what lies above the gap.
    let words = |text: &str| {
        let stop = text.split("\nStep 2: ").nth(1).unwrap_or_else(|| panic!("{text}")).split("```").next().unwrap();
        let (above, below) = stop.split_once("the gap").unwrap();
        let text = normal(&format!("{}{below}", above.split("\n\n").next().unwrap()));
        Regex::new("[0-9, ]+").unwrap().replace_all(&text, " ").into_owned()
    };
    assert_eq!(words(&output), words(README));
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

/// The figures in a row of the benchmark's table: bytes in the file, page faults, system calls and instructions.
fn row(table: &str, name: &str) -> [u64; 4] {
    let row = table.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name}: {table}"));
    let figures = row.split_whitespace().map_while(|number| number.replace(',', "").parse().ok());
    figures.collect::<Vec<_>>().try_into().unwrap()
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "the article's assembly is for x86-64")]
fn the_benchmark_prints_the_figures_of_its_page() {
    needs!(Ptrace);
    let directory = concat!(env!("CARGO_TARGET_TMPDIR"), "/startup").as_ref();
    let arguments = ["test", "--quiet", "--locked", "--bench=startup", "--target", &host()];
    // As the page, this is without flags for the compiler.
    let output = cargo(root(), directory, &arguments).env("RUSTFLAGS", "").output().unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // These were counted by hand in benches/alloc.s.
    assert_eq!(row(&table, "assembly ")[2..], [4, 18]);

    let [file, faults, calls, instructions] = row(&table, "alloc ");
    assert!(faults <= 3 && calls == 5 && instructions <= 40, "{table}");
    let shown = row(BENCHMARK, "alloc ");
    if is_the_pages_compiler() {
        assert_eq!((file, instructions), (shown[0], shown[3]), "{table}");
    }
    let readme = README.replace(',', "");
    let [file, faults, calls, instructions] = shown;
    assert!(readme.contains(&format!("| this program | {file} | {faults} | {calls} | {instructions} |")), "{shown:?}");
}
