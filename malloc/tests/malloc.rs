//! The heap in freestanding programs: `malloc`, and programs of `tests/own-program`.

use common::cargo::{self, build};
use common::*;
use std::process::Command;

/// Builds the programs on the heap, in the profile of this test. `--bin`, since the others have no global allocator.
fn program(name: &str) -> String {
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    let options = ["--features=malloc", "--bin=heap", "--bin=out-of-memory", "--config", cargo::BOOTSTRAP];
    build(profile, &options).join(name).to_str().unwrap().to_string()
}

/// README.md shows these lines, with other numbers.
#[track_caller]
fn assert_shown(lines: &[&str]) {
    let words = |line: &str| {
        let words =
            line.split_whitespace().filter(|word| !word.trim_start_matches(['+', '-']).starts_with(char::is_numeric));
        words.collect::<Vec<_>>().join(" ")
    };
    let shown: Vec<_> = include_str!("../README.md").lines().map(words).collect();
    let lines: Vec<_> = lines.iter().map(|line| words(line)).collect();
    assert!(shown.windows(lines.len()).any(|shown| shown == lines), "not in README.md: {lines:#?}");
}

/// The most that the heap keeps below the break when all is freed, in bytes (README).
const RESERVE: i64 = 512 << 10;

#[test]
fn keeps_its_promises() {
    assert_ended(&run(&mut Command::new(program("heap"))), "", "", 0);
}

#[test]
fn reports_when_there_is_no_more_memory() {
    let output = run(&mut Command::new(program("out-of-memory")));
    let message = format!("memory allocation of {} bytes failed\n", 1_u64 << 60);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.starts_with("out-of-memory: panicked at ") && stderr.ends_with(&message), "{stderr}");
    assert_eq!(status(&output), EX_SOFTWARE);
}

/// What `malloc` prints, in the same words as `lines`, as the breaks and the numbers of calls. Checks that the numbers
/// agree with each other.
#[track_caller]
fn table(lines: &[&str]) -> Vec<(i64, usize)> {
    let rows = lines[1..8].iter().map(|line| {
        let mut words = line.split_whitespace().rev();
        let (calls, moved) = (words.next().unwrap(), words.next().unwrap());
        (hex(words.next().unwrap()) as i64, moved.parse::<i64>().unwrap(), calls.parse().unwrap())
    });
    let rows: Vec<(i64, i64, usize)> = rows.collect();
    for two in rows.windows(2) {
        assert_eq!(two[1].0 - two[0].0, two[1].1, "{lines:#?}");
        assert!(two[1].1 == 0 || two[1].2 > 0, "{lines:#?}");
    }
    assert!(rows[2].1 >= 8_000_000, "a million numbers of eight bytes: {lines:#?}");
    let kept = rows[6].0 - rows[0].0;
    assert!(kept <= RESERVE, "the break is back down: {lines:#?}");
    assert!(lines[9].starts_with(&format!("{kept} bytes stay")), "{lines:#?}");
    rows.iter().map(|(end, _, calls)| (*end, *calls)).collect()
}

#[test]
fn moves_the_break_up_and_down_again() {
    if lacks(Need::Ptrace) {
        return;
    }
    let traced = strace(env!("CARGO_BIN_EXE_malloc"), &[], |_| {});
    assert_eq!((traced.stderr(), status(&traced.output)), ("", 0));
    let lines: Vec<_> = traced.stdout().lines().collect();
    let rows = table(&lines);
    assert_shown(&lines);
    let shown: Vec<_> = include_str!("../README.md").lines().skip_while(|line| !line.ends_with(" calls")).collect();
    table(&shown);

    // For memory, nothing but brk, and advice about what it got.
    let expected = ["brk", "madvise", "write", "exit"];
    assert!(traced.calls.iter().all(|call| expected.contains(&&*call.name)), "{:?}", traced.calls);
    // It moves to a multiple of the largest size of a page, and the large heap asks for huge pages.
    assert!(traced.named("brk").iter().all(|call| call.address(0) % (64 << 10) == 0), "{:?}", traced.calls);
    assert!(traced.named("madvise").iter().any(|call| call.args[2] == "MADV_HUGEPAGE"), "{:?}", traced.calls);
    // The kernel saw as many calls, beside those of the program itself: one at the start, and one for each line.
    let calls: usize = rows.iter().map(|(_, calls)| calls).sum();
    assert_eq!(traced.named("brk").len(), calls + 1 + rows.len());
    // And the same breaks.
    let asked = traced.named("brk").into_iter().filter(|call| call.address(0) == 0);
    let seen: Vec<_> = asked.map(|call| call.returned() as i64).collect();
    assert!(rows.iter().all(|(end, _)| seen.contains(end)), "{lines:#?}");
}
