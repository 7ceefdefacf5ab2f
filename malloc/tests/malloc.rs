//! The stages from a bump allocator to the heap: what their tables say, and what the kernel saw.

use common::cargo::in_both_profiles;
use common::*;
use std::path::Path;

/// The text without its numbers and the width of its columns.
fn words(text: &str) -> Vec<String> {
    let is_word = |word: &&str| !word.trim_start_matches(['+', '-']).starts_with(char::is_numeric);
    text.lines().map(|line| line.split_whitespace().filter(is_word).collect::<Vec<_>>().join(" ")).collect()
}

/// What a program did, and the numbers in each line of its table. The first is where the break is.
#[track_caller]
fn traced(program: &Path) -> (Strace, Vec<Vec<i64>>) {
    let traced = strace(program, &[]);
    assert_ended(&traced.output, traced.stdout(), "", 0);
    let (shown, printed) = (words(include_str!("../README.md")), words(traced.stdout()));
    assert!(shown.windows(printed.len()).any(|shown| shown == printed), "not in README.md: {}", traced.stdout());

    // All memory comes from `brk`. `madvise` only tells the kernel how to map it.
    let expected = ["brk", "madvise", "write", "exit_group"];
    assert!(traced.calls.iter().all(|call| expected.contains(&&*call.name)), "{:?}", traced.calls);

    let number = |word: &str| word.strip_prefix("0x").map_or_else(|| word.parse().unwrap(), |word| hex(word) as i64);
    let lines = traced.stdout().lines().filter_map(|line| line.find(" 0x").map(|start| &line[start..]));
    let rows: Vec<Vec<_>> = lines.map(|line| line.split_whitespace().map(number).collect()).collect();
    // For each line, the program looks up where the break is, and then writes the line.
    let calls = traced.calls.windows(2).filter(|two| two[0].name == "brk" && two[1].name == "write");
    let breaks: Vec<_> = calls.map(|two| two[0].returned() as i64).collect();
    let printed: Vec<_> = rows.iter().map(|row| row[0]).collect();
    assert!(breaks.ends_with(&printed), "{breaks:x?} {printed:x?}");
    (traced, rows)
}

#[test]
fn bump_moves_the_break_up_only_and_the_free_list_down_again() {
    needs!(Ptrace);
    for program in ["bump", "free_list"].map(in_both_profiles).as_flattened() {
        let (_, rows) = traced(program);
        // The break moves by multiples of 4,096 bytes, so that not every block takes a system call.
        assert!(rows.iter().all(|row| row[1] == row[0] - rows[0][0] && row[1] % 4096 == 0), "{rows:x?}");
        let moved: Vec<_> = rows.iter().map(|row| row[1]).collect();
        let [_, text, at_once, grown, dropped, copied, all_dropped] = moved[..] else { panic!("{moved:?}") };
        assert!(text > 0 && at_once >= 8_002 && grown >= 16_002 && dropped == grown, "{moved:?}");
        // The free list has room for the copy below others, and in the end all goes back.
        let bumped = copied >= 24_002 && all_dropped == copied;
        assert!(if program.ends_with("bump") { bumped } else { (copied, all_dropped) == (grown, 0) }, "{moved:?}");
    }
}

#[test]
fn the_heap_moves_the_break_up_and_down_again() {
    needs!(Ptrace);
    for program in in_both_profiles("malloc") {
        let (traced, rows) = traced(&program);
        for two in rows.windows(2) {
            let [end, moved, calls] = two[1][..] else { panic!("{rows:x?}") };
            assert!(end - two[0][0] == moved && (moved == 0 || calls > 0), "{rows:x?}");
        }
        assert!(rows[2][1] >= 8_000_000, "a million numbers of eight bytes: {rows:x?}");
        let kept = rows[6][0] - rows[0][0];
        assert!(kept <= 512 << 10, "the break is back down: {rows:x?}");
        assert!(traced.stdout().contains(&format!("\n{kept} bytes stay")), "{}", traced.stdout());
        // The break moves to a multiple of the largest size of a page, and the large heap asks for huge pages.
        assert!(traced.named("brk").iter().all(|call| call.address(0) % (64 << 10) == 0), "{:?}", traced.calls);
        assert!(traced.named("madvise").iter().any(|call| call.args[2] == "MADV_HUGEPAGE"), "{:?}", traced.calls);
        // The kernel saw as many calls, beside those of the program itself: one at the start, and one for each line.
        let calls: i64 = rows.iter().map(|row| row[2]).sum();
        assert_eq!(traced.named("brk").len(), calls as usize + 1 + rows.len());
    }
}

/// One call of `brk` fails, or this one and all after it.
#[test]
fn a_call_of_brk_that_fails_is_reported_or_does_no_harm() {
    needs!(Ptrace);
    for program in ["bump", "free_list", "malloc"].map(in_both_profiles).as_flattened() {
        let all = strace(program, &[]);
        let calls = all.named("brk");
        let mut statuses = vec![];
        for (n, later) in (1..=calls.len()).flat_map(|n| [(n, ""), (n, "+")]) {
            // The next call moves the break up from where this one has found it. Only the heap then tries again.
            let is_needed = calls.get(n).is_some_and(|next| next.address(0) > calls[n - 1].returned());
            let can_go_on = program.ends_with("malloc") || program.ends_with("free_list") && !is_needed;
            let failed = strace(program, &[&format!("-einject=brk:error=ENOMEM:when={n}{later}")]);
            let stderr = String::from_utf8_lossy(&failed.output.stderr);
            let is_right = match status(&failed.output) {
                0 => can_go_on && words(failed.stdout()) == words(all.stdout()),
                EX_SOFTWARE => stderr.contains(": panicked at ") && stderr.contains("\nmemory allocation of "),
                EX_OSERR => stderr.contains("brk: "),
                _ => false,
            };
            assert!(is_right, "{program:?}, call {n}{later}: {failed:?}");
            statuses.push(status(&failed.output));
        }
        assert!(statuses.contains(&EX_SOFTWARE), "{program:?}: {statuses:?}");
    }
}
