//! The heap in freestanding programs: `malloc`, and programs of `tests/own-program`.

use common::cargo::{self, build};
use common::*;
use std::process::Command;

/// Builds the programs on the heap, in the profile of this test. `--bin`, since the others have no global allocator.
fn program(name: &str) -> String {
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    let options =
        ["--features=malloc", "--bin=again", "--bin=heap", "--bin=out-of-memory", "--config", cargo::BOOTSTRAP];
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
const RESERVE: usize = 3 << 19;

#[test]
fn keeps_millions_of_blocks_apart_and_gives_their_memory_back() {
    let output = run(&mut Command::new(program("heap")));
    let (stdout, stderr) = (String::from_utf8(output.stdout.clone()).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert_eq!((status(&output), &*stderr), (0, ""), "{stdout}");
    let lines: Vec<_> = stdout.lines().collect();
    // The break is back down: what is kept is the reserve, and beside somebody else's memory a second one.
    let kept = |line: &str| line.strip_prefix("kept ").unwrap().parse::<usize>().unwrap();
    assert!(kept(lines[1]) <= RESERVE && kept(lines[2]) <= RESERVE, "{stdout}");
    let last = lines.last().unwrap();
    assert!(kept(last) <= (16 << 20) + 2 * RESERVE, "{stdout}");
    let told = lines[3..].iter().filter_map(|line| line.strip_suffix(" true")).collect::<Vec<_>>();
    let expected = [
        "given back",
        "grown in place",
        "few pages touched",
        "refused",
        "and on",
        "and as much as there is",
        "to the last",
    ];
    assert_eq!(told, [&expected[..], &["not in vain", "used again", "left alone", "apart"]].concat(), "{stdout}");
}

#[test]
fn reports_when_there_is_no_more_memory() {
    let output = run(&mut Command::new(program("out-of-memory")));
    let message = format!("memory allocation of {} bytes failed\n", 1_u64 << 46);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.starts_with("out-of-memory: panicked at ") && stderr.ends_with(&message), "{stderr}");
    assert_eq!(status(&output), EX_SOFTWARE);
}

#[test]
fn moves_the_break_up_and_down_again() {
    if lacks(Need::Ptrace) {
        return;
    }
    let traced = strace(env!("CARGO_BIN_EXE_malloc"), &[], |_| {});
    assert_eq!((traced.stderr(), status(&traced.output)), ("", 0));
    // For memory, nothing but brk, and advice about what it got.
    assert!(
        traced.calls.iter().all(|call| ["brk", "madvise", "write", "exit"].contains(&&*call.name)),
        "{:?}",
        traced.calls
    );

    let lines: Vec<_> = traced.stdout().lines().collect();
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:#?}");
    assert_shown(&lines);
    // Each line ends with the break, how far it moved, and in how many calls.
    let numbers = lines[1..8].iter().map(|line| {
        let mut words = line.split_whitespace().rev();
        let (calls, moved) = (words.next().unwrap(), words.next().unwrap());
        let program_break = words.next().unwrap().strip_prefix("0x").unwrap();
        (
            i64::from_str_radix(program_break, 16).unwrap(),
            moved.parse::<i64>().unwrap(),
            calls.parse::<usize>().unwrap(),
        )
    });
    let numbers: Vec<_> = numbers.collect();
    for two in numbers.windows(2) {
        assert_eq!(two[1].0 - two[0].0, two[1].1, "{lines:#?}");
        assert_eq!(two[1].1 != 0, two[1].2 != 0, "{lines:#?}");
    }
    assert!(numbers[2].1 > 8_000_000, "a million numbers of eight bytes: {lines:#?}");
    assert!(numbers[6].0 - numbers[0].0 < 448 * 1024, "the break is back down: {lines:#?}");
    assert!(lines[9].starts_with(&format!("{} bytes stay with the heap", numbers[6].0 - numbers[0].0)), "{lines:#?}");

    // It moves to a multiple of the largest size of a page, and the large heap asks for huge pages.
    assert!(traced.named("brk").iter().all(|call| call.address(0) % (64 << 10) == 0), "{:?}", traced.calls);
    assert!(traced.named("madvise").iter().any(|call| call.args[2] == "MADV_HUGEPAGE"), "{:?}", traced.calls);

    // The kernel saw as many calls, beside those of the program itself: one at the start, and one for each line.
    let calls: usize = numbers.iter().map(|(_, _, calls)| calls).sum();
    assert_eq!(traced.named("brk").len(), calls + 1 + numbers.len());
    // And the same moves.
    let ends: Vec<_> = numbers.iter().map(|(end, _, _)| *end as u64).collect();
    let seen: Vec<_> =
        traced.named("brk").iter().filter(|call| call.address(0) == 0).map(|call| call.returned()).collect();
    assert!(ends.iter().all(|end| seen.contains(end)));
}

#[test]
fn learns_how_much_to_keep() {
    if lacks(Need::Ptrace) {
        return;
    }
    let traced = strace(&program("again"), &["-e", "trace=brk"], |_| {});
    assert_eq!((traced.stderr(), status(&traced.output)), ("", 0));
    assert!(traced.calls.len() < 40, "{} calls for a million blocks", traced.calls.len());
}
