//! The benchmark shows what its page says.
#![cfg(target_arch = "x86_64")]

use common::cargo::{cargo, host};
use common::*;
use std::path::Path;

const PAGE: &str = include_str!("../benches/README.md");

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
