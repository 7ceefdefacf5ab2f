//! The benchmark beside assembly, C and std Rust: what it prints for programs, and what it leaves out. It measures both
//! profiles itself, so one of them is enough here.
#![cfg(all(not(debug_assertions), target_arch = "x86_64"))]

use common::{BUILD_LIMIT, captured, finish};
use serde_json::Value;
use std::process::{Command, Output};

/// Waits for a program that may build something.
#[track_caller]
fn end(command: &mut Command) -> Output {
    finish(captured(command).spawn().unwrap(), BUILD_LIMIT)
}

/// Builds the benchmark, and returns its program. (To run it by itself leaves cargo's own tools out of the way.)
fn benchmark() -> String {
    let target = concat!(env!("CARGO_TARGET_TMPDIR"), "/..");
    let args = ["bench", "--locked", "--bench", "startup", "--no-run", "--message-format=json", "--target-dir", target];
    let output = end(Command::new(env!("CARGO")).args(args));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8(output.stdout).unwrap();
    let messages = messages.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut programs = messages.filter(|message| message["target"]["name"] == "startup");
    programs.find_map(|message| message["executable"].as_str().map(str::to_string)).unwrap()
}

fn run(program: &str, set_up: impl FnOnce(&mut Command)) -> Value {
    let mut command = Command::new(program);
    command.args(["--json", "--runs", "3"]);
    set_up(&mut command);
    let output = end(&mut command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn names(table: &Value) -> Vec<&str> {
    table["rows"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

#[test]
fn measures_all_and_leaves_out_what_cannot_be_built() {
    let program = benchmark();
    let table = run(&program, |_| ());
    let all = ["alloc release", "alloc dev", "assembly", "only exits", "C dynamic", "C static", "Rust std"];
    assert_eq!(names(&table), all);
    assert_eq!(table["left_out"], Value::Array(vec![]));
    for key in ["date", "kernel", "compiler"] {
        assert!(table[key].as_str().is_some_and(|text| !text.is_empty()), "{key}");
    }
    for row in table["rows"].as_array().unwrap() {
        for key in ["file_bytes", "loaded_bytes", "segments", "page_faults", "system_calls", "instructions"] {
            assert!(row[key].as_f64().is_some_and(|number| number > 0.0), "{key}: {row}");
        }
        for key in ["seconds", "to_assembly", "to_floor"] {
            let [low, median, high] = ["low", "median", "high"].map(|part| row[key][part].as_f64().unwrap());
            assert!(0.0 < low && low <= median && median <= high, "{key}: {row}");
        }
    }
    let figure = |name: &str, key: &str| {
        let rows = table["rows"].as_array().unwrap();
        rows.iter().find(|row| row["name"] == name).unwrap()[key].as_f64().unwrap() as u64
    };
    // Counted by hand in benches/alloc.s and benches/floor.s.
    assert_eq!((figure("assembly", "instructions"), figure("assembly", "system_calls")), (18, 4));
    assert_eq!((figure("only exits", "instructions"), figure("only exits", "system_calls")), (3, 1));
    assert_eq!(figure("alloc release", "system_calls"), 5);
    // What the README says of them.
    assert!(figure("alloc release", "instructions") <= 30);
    assert!(4 * figure("alloc release", "file_bytes") <= figure("assembly", "file_bytes"));
    assert!(figure("alloc release", "page_faults") <= figure("assembly", "page_faults"));

    // Without rustc in the path (but for cargo): its row is left out, and no other.
    let tools = tempfile::tempdir().unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let find =
        |tool: &str| std::env::split_paths(&path).map(|path| path.join(tool)).find(|path| path.exists()).unwrap();
    for tool in ["as", "cc", "ld", "date", "uname"] {
        std::os::unix::fs::symlink(find(tool), tools.path().join(tool)).unwrap();
    }
    let table = run(&program, |command| _ = command.env("PATH", tools.path()).env("RUSTC", find("rustc")));
    assert_eq!(names(&table), all[..6]);
    assert_eq!(table["left_out"], serde_json::json!([{"name": "Rust std", "tool": "rustc", "why": "missing"}]));
    // Without any, there is nothing to compare with.
    let nothing = tempfile::tempdir().unwrap();
    let table = run(&program, |command| _ = command.env("PATH", nothing.path()).env("RUSTC", find("rustc")));
    assert_eq!(names(&table), all[..2]);
    assert!(table["rows"][0]["to_assembly"].is_null());
    let left_out: Vec<_> =
        table["left_out"].as_array().unwrap().iter().map(|row| [&row["name"], &row["tool"]]).collect();
    let tools = ["as", "as", "cc", "cc", "rustc"];
    assert_eq!(left_out, all[2..].iter().zip(tools).map(|(name, tool)| [*name, tool]).collect::<Vec<_>>());
}

#[test]
fn asm_shows_each_instruction_beside_the_articles() {
    let root = env!("CARGO_MANIFEST_DIR");
    let output = end(&mut Command::new(format!("{root}/benches/asm")));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listing = String::from_utf8(output.stdout).unwrap();
    assert!(listing.ends_with("\n28 instructions, and 18 in the article's program\n"), "{listing}");
    // benches/README.md has it.
    let (_, code) = listing.split_once('\n').unwrap();
    assert!(std::fs::read_to_string(format!("{root}/benches/README.md")).unwrap().contains(code), "{listing}");

    // Without gdb there is no listing, and no success.
    let broken = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/bin/false", broken.path().join("gdb")).unwrap();
    let path = format!("{}:{}", broken.path().display(), std::env::var("PATH").unwrap());
    let output = end(Command::new(format!("{root}/benches/asm")).env("PATH", path));
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("asm: gdb has not gone through"));
}
