//! The stages from a bump allocator to the heap: what their tables say, and what the kernel saw.

use common::cargo::in_both_profiles;
use common::*;

/// The text without its numbers and the width of its columns.
fn words(text: &str) -> Vec<String> {
    let is_word = |word: &&str| !word.trim_start_matches(['+', '-']).starts_with(char::is_numeric);
    text.lines().map(|line| line.split_whitespace().filter(is_word).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn the_break_moves_as_the_table_says() {
    needs!(Ptrace);
    for program in ["bump", "free_list", "malloc"].map(in_both_profiles).as_flattened() {
        let traced = strace(program, &[]);
        assert_ended(&traced.output, traced.stdout(), "", 0);
        let (shown, printed) = (words(include_str!("../README.md")), words(traced.stdout()));
        assert!(shown.windows(printed.len()).any(|shown| shown == printed), "not in README.md: {}", traced.stdout());
        // All memory comes from `brk`.
        assert!(traced.calls.iter().all(|call| ["brk", "write", "exit_group"].contains(&&*call.name)), "{traced:?}");

        // Where the break is, and how many bytes that is above the start.
        let lines = traced.stdout().lines().filter_map(|line| line.split_once(" 0x")).map(|(_, numbers)| numbers);
        let rows = lines.map(|numbers| numbers.trim().split_once(' ').unwrap());
        let rows: Vec<(u64, u64)> = rows.map(|(end, moved)| (hex(end), moved.trim().parse().unwrap())).collect();
        // For each line, the program looks up where the break is, and then writes the line.
        let calls = traced.calls.windows(2).filter(|two| two[0].name == "brk" && two[1].name == "write");
        let breaks: Vec<_> = calls.map(|two| two[0].returned()).collect();
        assert!(breaks.ends_with(&rows.iter().map(|(end, _)| *end).collect::<Vec<_>>()), "{breaks:x?} {rows:x?}");
        assert!(rows.iter().all(|(end, moved)| end - rows[0].0 == *moved), "{rows:x?}");

        let moved: Vec<_> = rows.iter().map(|(_, moved)| *moved).collect();
        let [_, text, at_once, grown, dropped, copied, all_dropped] = moved[..] else { panic!("{moved:?}") };
        // Each `Vec` has `vec` bytes. The break moves in steps of `step` bytes, so that few blocks take a system call.
        let (vec, step) = if program.ends_with("malloc") { (160_000, 64 << 10) } else { (8_000, 4096) };
        assert!(text > 0 && at_once >= vec + 2 && grown >= 2 * vec + 2 && dropped == grown, "{moved:?}");
        assert!(traced.named("brk").iter().all(|call| call.address(0) % step == 0), "{traced:?}");
        // Only a bump allocator has no room for the copy below others, and gives nothing back.
        let is_right = match program.file_name().unwrap().to_str() {
            Some("bump") => copied >= 3 * vec + 2 && all_dropped == copied,
            Some("free_list") => copied == grown && all_dropped == 0,
            _ => copied == grown && all_dropped < copied && all_dropped <= 512 << 10,
        };
        assert!(is_right, "{moved:?}");
    }
}

/// One call of `brk` fails, or that call and all after it.
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
