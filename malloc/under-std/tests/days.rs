//! What is hard on a heap, each in a process of its own, whose break is the heap's: see `src/bin/days.rs`.

use std::process::Command;

#[track_caller]
fn day(work: &str) {
    let output = Command::new("timeout").args(["60", env!("CARGO_BIN_EXE_days"), work]).output().expect("it starts");
    assert!(output.status.success(), "{work}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_block_that_grows_among_small_ones_leaves_no_holes() {
    day("growth-among-small-blocks");
}

#[test]
fn one_block_over_and_over_takes_few_calls() {
    day("one-block-again");
}

#[test]
fn small_blocks_over_and_over_take_few_calls() {
    day("small-blocks-again");
}

#[test]
fn finds_a_free_block_that_is_large_enough() {
    day("fit-among-many");
}

#[test]
fn finds_room_for_small_blocks_to_the_last() {
    day("small-blocks-to-the-last");
}

#[test]
fn frees_a_million_blocks() {
    day("a-million-freed");
}

#[test]
fn finds_room_for_a_run_without_a_search() {
    day("runs-without-a-search");
}

#[test]
fn gives_memory_back_when_others_above_have_gone() {
    day("others-above-for-a-time");
}
