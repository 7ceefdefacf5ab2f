//! The two stages before the heap: what their tables say, what the kernel saw, and the free list hard at work.

use common::cargo::{BOOTSTRAP, build};
use common::*;
use std::process::Command;

const BUMP: &str = env!("CARGO_BIN_EXE_bump");
const FREE_LIST: &str = env!("CARGO_BIN_EXE_free_list");

/// What the last column of the program's table says: how many bytes the break has moved at each step.
#[track_caller]
fn moved(program: &str) -> [u64; 7] {
    let traced = strace(program, &[], |_| {});
    assert_eq!((traced.stderr(), status(&traced.output)), ("", 0));
    assert!(traced.calls.iter().all(|call| ["brk", "write", "exit"].contains(&&*call.name)), "{:?}", traced.calls);

    // README.md shows it, with other numbers.
    let steps = |text: &str| -> Vec<_> { text.lines().map(|line| line.get(..40).unwrap_or("").to_string()).collect() };
    let (shown, printed) = (steps(include_str!("../README.md")), steps(traced.stdout()));
    assert!(shown.windows(printed.len()).any(|shown| shown == printed), "not in README.md: {}", traced.stdout());

    // For each line, the program looks up where the break is, and then writes the line.
    let calls = traced.calls.windows(2).filter(|two| two[0].name == "brk" && two[1].name == "write");
    let breaks: Vec<_> = calls.map(|two| two[0].returned()).collect();
    let numbers = traced.stdout().lines().skip(1).zip(&breaks).map(|(line, &program_break)| {
        let mut words = line.split_whitespace().rev();
        let moved: u64 = words.next().unwrap().parse().unwrap();
        assert_eq!((hex(words.next().unwrap()), moved), (program_break, program_break - breaks[0]), "{line}");
        // The break moves in whole pages, so that not every block takes a system call.
        assert_eq!(moved % 4096, 0, "{line}");
        moved
    });
    numbers.collect::<Vec<_>>().try_into().unwrap()
}

#[test]
fn bump_moves_the_break_up_only() {
    if lacks(Need::Ptrace) {
        return;
    }
    let [start, text, at_once, grown, dropped, copied, all_dropped] = moved(BUMP);
    assert_eq!(start, 0);
    assert!(text > 0 && at_once >= 8_002 && grown >= 16_002 && copied >= 24_002);
    assert_eq!((dropped, all_dropped), (grown, copied));
}

#[test]
fn the_free_list_uses_what_is_free_and_gives_it_back() {
    if lacks(Need::Ptrace) {
        return;
    }
    let [start, text, at_once, grown, dropped, copied, all_dropped] = moved(FREE_LIST);
    assert_eq!(start, 0);
    assert!(text > 0 && at_once >= 8_002 && grown >= 16_002);
    // What is below others stays, the copy has room there, and in the end all goes back.
    assert_eq!((dropped, copied, all_dropped), (grown, grown, 0));
}

#[test]
fn they_report_when_the_kernel_refuses() {
    for program in [BUMP, FREE_LIST] {
        // The least limit that the program itself fits into leaves no room for what it allocates.
        let mut outputs = (0..1024)
            .step_by(4)
            .map(|limit| run(Command::new("sh").args(["-c", &format!("ulimit -d {limit}; exec \"$0\""), program])));
        let output = outputs.find(|output| status(output) >= 0).unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(": panicked at ") && stderr.contains("\nmemory allocation of "), "{stderr}");
        assert_eq!(status(&output), EX_SOFTWARE, "{stderr}");
    }
}

#[test]
fn the_free_list_keeps_its_blocks_apart() {
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    let programs = build(profile, &["--features=mem", "--bin=free-list", "--config", BOOTSTRAP]);
    assert_ended(&run(&mut Command::new(programs.join("free-list"))), "", "", 0);
}
