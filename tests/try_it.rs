//! Changes to `src/main.rs`, the README's and those of changes.md: each is made in a copy of the project, and shown in
//! the tour. Some rows of changes.md are about other programs.

use common::cargo::{build, copy_of_the_project, debugged};
use common::*;
use std::fs;

const MAIN_RS: &str = include_str!("../src/main.rs");

/// The parts of a text that are in backticks.
fn codes(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// `main.rs` with a change that is written as in the README's table.
fn changed(change: &str) -> String {
    let change = change.replace(" ⏎ ", "\n    ").replace("\\|", "|");
    let codes: Vec<_> = codes(&change).collect();
    let [old, new] = codes[..] else { return MAIN_RS.to_string() };
    assert_eq!(MAIN_RS.matches(old).count(), 1, "{change}");
    if !change.contains("below") {
        return MAIN_RS.replace(old, new);
    }
    let line = MAIN_RS.lines().find(|line| line.contains(old)).unwrap();
    MAIN_RS.replace(line, &format!("{line}\n    {new}"))
}

/// Asserts that each stop fits on a terminal of 80 columns and 24 lines, with the prompt and what gdb says of a signal.
fn assert_stops_fit(output: &str) {
    for stop in output.split("\nStep ").skip(1) {
        let stop = stop.split("\nProgram ").next().unwrap().split("\n[Inferior").next().unwrap().trim_end();
        assert!(stop.lines().count() <= 23, "{stop}");
        assert!(stop.lines().all(|line| line.chars().count() <= 80 && !line.contains('\t')), "{stop}");
    }
    let signal = output.split_once("\nProgram received").map_or("", |(_, text)| text);
    let signal: Vec<_> = signal.split("\nProgram terminated").next().unwrap().split("\nStep ").take(2).collect();
    assert!(signal.iter().map(|text| text.trim_end().lines().count()).sum::<usize>() <= 21, "{signal:?}");
    assert!(output.contains("\nThe end: "), "{output}");
}

#[test]
fn shows_what_the_tables_say() {
    needs!(Ptrace, SmallPages);
    let promises_all = fs::read_to_string("/proc/sys/vm/overcommit_memory").unwrap() == "1\n";
    let mut rows = vec![];
    for page in [include_str!("../README.md"), include_str!("changes.md")] {
        let lines = page.split_once("| the change |").unwrap().1.lines().skip(2);
        for line in lines.take_while(|line| line.starts_with('|')) {
            let row: Vec<_> = line.trim_matches(['|', ' ']).split(" | ").collect();
            // Some rows are about two changes. A dot can also be among the bytes that are seen.
            let separator = if row[0].contains("` · `") { " · " } else { "\n" };
            let pairs = row[0].split(separator).zip(row[1].split(separator));
            rows.extend(pairs.map(|(change, seen)| (change, seen, row[2], codes(row.get(3).unwrap_or(&"")))));
        }
    }
    assert!(rows.len() > 70, "{}", rows.len());
    let mut wrong = vec![];
    let copy = copy_of_the_project("try-it");
    for (n, (change, ..)) in rows.iter().enumerate() {
        fs::create_dir_all(copy.join(format!("src/bin/change{n}"))).unwrap();
        fs::write(copy.join(format!("src/bin/change{n}/main.rs")), changed(change)).unwrap();
    }
    let built = build("try-it", &copy, "", "dev", &["--bins"]);
    for (n, (change, seen, steps, typed)) in rows.into_iter().enumerate() {
        let is_elsewhere = !cfg!(target_arch = "x86_64") && seen.contains("The processor doesn't report");
        let typed: Vec<_> = typed.collect();
        if is_elsewhere || promises_all && typed.is_empty() && seen.contains("refuses") {
            continue;
        }
        // The output is in a file: the kernel reads what is written there.
        let printed = tempfile::NamedTempFile::new().unwrap();
        let arguments = format!("set args > '{}'", printed.path().display());
        let commands = if typed.is_empty() { &["tour 99"] } else { &typed[..] };
        let program = format!("{}/change{n}", built.display());
        let program = change.strip_prefix("program ").map_or(program, debugged);
        let output = gdb(&program, &[&["source gdb/tour.py", &arguments], commands].concat());
        if typed.is_empty() {
            assert_stops_fit(&output);
        }
        // The words can be in two lines.
        let words = output.split_whitespace().collect::<Vec<_>>().join(" ");
        let is_other = steps.parse().is_ok_and(|steps: usize| words.matches(" Step ").count() != steps);
        let is_error = ["Traceback", "Python Exception", "No such file"].iter().any(|part| output.contains(part));
        // gdb names the file where a step stops in another function. The file has to be one of this package's.
        let mut places = output.lines().filter_map(|line| line.rsplit_once(" at ")).map(|(_, place)| place);
        let is_error = is_error || places.any(|place| place.contains(".rs:") && !place.starts_with("src/"));
        if !has_in_order(&words, codes(seen)) || is_other || is_error {
            wrong.push(format!("{change}: {seen}, {steps}, {typed:?}: {output}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
