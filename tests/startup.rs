//! `make asm` and the benchmark show what their page says.
#![cfg(target_arch = "x86_64")]

use common::cargo::{cargo, copy_of_the_project, host, shell};
use common::*;
use std::path::Path;

const PAGE: &str = include_str!("../benches/README.md");

/// Whether the compiler is the one that the page is about. Another one may make other code.
fn is_the_pages_compiler() -> bool {
    let version = shell(root(), "rustc --version", root());
    let is_the_pages = PAGE.contains(&format!("\n{version}"));
    if !is_the_pages {
        say(&format!("benches/README.md has no figures for this compiler to compare with: {}", version.trim_end()));
    }
    is_the_pages
}

/// The figures in a row of the benchmark's table: bytes in the file, page faults, system calls and instructions.
fn row(table: &str, name: &str) -> [u64; 4] {
    let row = table.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name}: {table}"));
    let figures = row.split_whitespace().map_while(|number| number.replace(',', "").parse().ok());
    figures.collect::<Vec<_>>().try_into().unwrap()
}

#[test]
fn the_benchmark_prints_the_figures_of_its_page() {
    needs!(Ptrace);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("startup");
    let mut bench = cargo(&directory, &["test", "--quiet", "--locked", "--bench=startup", "--target", &host()]);
    // As the page, this is without flags for the compiler.
    let output = bench.current_dir(root()).env("RUSTFLAGS", "").output().unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // These were counted by hand in benches/alloc.s.
    assert_eq!(row(&table, "assembly ")[2..], [4, 18]);

    let [file, faults, calls, instructions] = row(&table, "alloc ");
    assert!(faults <= 3 && calls == 5 && instructions <= 40, "{table}");
    let shown = row(PAGE, "alloc ");
    if is_the_pages_compiler() {
        assert_eq!((file, instructions), (shown[0], shown[3]), "{table}");
    }
    let readme = include_str!("../README.md").replace(',', "");
    let [file, faults, calls, instructions] = shown;
    assert!(readme.contains(&format!("| this program | {file} | {faults} | {calls} | {instructions} |")), "{shown:?}");
}

#[test]
fn asm_shows_the_instructions_beside_the_articles() {
    needs!(Ptrace);
    let listing = shell(&copy_of_the_project("copy"), "make -s asm", root());
    if is_the_pages_compiler() {
        assert!(PAGE.contains(&listing), "{listing}");
    }
    assert_eq!(listing.matches("\n        syscall").count(), 5, "{listing}");
    assert!(listing.contains(", and 18 in the article's program\n"), "{listing}");
}
