//! `make asm` and the benchmark show what their page says. Both look at the release build, so one profile is enough.
#![cfg(all(not(debug_assertions), target_arch = "x86_64"))]

use common::*;

const PAGE: &str = include_str!("../benches/README.md");

/// Returns what a command prints. It may build something.
#[track_caller]
fn printed(command: &str, args: &[&str]) -> String {
    let output = run(limited(command).args(args).current_dir(root()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Whether the compiler is the one that the page is about. Another one may make other code.
fn is_the_pages_compiler() -> bool {
    let version = printed("rustc", &["--version"]);
    let is_the_pages = PAGE.contains(&format!("\n{version}"));
    if !is_the_pages {
        say(&format!(
            "benches/README.md is not about this compiler, so its figures are not compared: {}",
            version.trim_end()
        ));
    }
    is_the_pages
}

/// The columns of a row in the benchmark's table, from the file's size to the instructions.
fn row(table: &str, name: &str) -> Vec<u64> {
    let row = table.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name}: {table}"));
    row.split_whitespace().take(6).map(|number| number.replace(',', "").parse().unwrap()).collect()
}

#[test]
fn the_benchmark_prints_the_figures_of_its_page() {
    needs!(Ptrace);
    let target = concat!(env!("CARGO_TARGET_TMPDIR"), "/..");
    let args = ["bench", "--locked", "--bench", "startup", "--target-dir", target, "--", "--runs", "1"];
    let table = printed(env!("CARGO"), &args);
    for name in ["alloc, dev", "C", "Rust std"] {
        assert!(row(&table, name).iter().all(|figure| *figure > 0), "{name}: {table}");
    }
    // These were counted by hand in benches/alloc.s and benches/floor.s.
    assert_eq!(row(&table, "assembly")[4..], [4, 18]);
    assert_eq!(row(&table, "only exits")[4..], [1, 3]);

    let alloc = row(&table, "alloc, release");
    let [.., faults, calls, instructions] = alloc[..] else { panic!("{table}") };
    assert!(faults <= 3, "{table}");
    assert_eq!(calls, 5, "{table}");
    assert!(instructions <= 40, "{table}");

    let shown = row(PAGE, "alloc, release");
    if is_the_pages_compiler() {
        let without_faults = |row: &[u64]| [row[0], row[1], row[2], row[5]];
        assert_eq!(without_faults(&alloc), without_faults(&shown), "{table}");
    }
    let readme = include_str!("../README.md").replace(',', "").replace('\n', " ");
    let [file, _, _, faults, calls, instructions] = shown[..] else { panic!("{shown:?}") };
    assert!(readme.contains(&format!("is {file} bytes long and runs {instructions} instructions")), "{shown:?}");
    assert!(readme.contains(&format!("| this program | {file} | {faults} | {calls} | {instructions} |")), "{shown:?}");
}

#[test]
fn asm_shows_the_instructions_beside_the_articles() {
    needs!(Ptrace);
    let listing = printed("make", &["-s", "asm"]);
    if is_the_pages_compiler() {
        assert!(PAGE.contains(&listing), "{listing}");
    }
    assert_eq!(listing.matches("\n        syscall").count(), 5, "{listing}");
    // The listing has all of the article's program, in its order.
    let theirs: String =
        listing.lines().filter(|line| line.starts_with(' ')).filter_map(|line| line.get(39..)).collect();
    let article = include_str!("../benches/alloc.s").lines();
    let article: String = article.filter(|line| line.starts_with("        ") && !line.contains('.')).collect();
    assert!(theirs.split_whitespace().eq(article.split_whitespace()), "{listing}");
}

#[test]
fn asm_fails_if_the_program_cannot_be_run() {
    let script = concat!("source ", env!("CARGO_MANIFEST_DIR"), "/benches/asm.py");
    let output = run(&mut gdb_command("/dev/null", &[script]));
    assert_eq!(status(&output), 1, "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("asm: "), "{output:?}");
}
