//! `program_break_malloc::Heap` under std: its blocks, checked against the model, and in four threads.

mod model;

use model::{Block, ask_for_too_much, run, steps};
use proptest::prelude::*;
use std::alloc::Layout;
use std::thread;

/// The message of a panic is from this heap, too. So a panic with the lock held would wait for ever.
#[global_allocator]
static HEAP: program_break_malloc::Heap = program_break_malloc::Heap::new();

under_std::first!(before_a_test);

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, ..ProptestConfig::default() })]

    #[test]
    fn blocks_are_apart_aligned_and_keep_what_is_in_them(steps in steps(400)) {
        run(&steps);
    }

    #[test]
    fn also_in_four_threads_and_when_another_frees_them(steps in prop::collection::vec(steps(200), 4)) {
        thread::scope(|scope| {
            let threads: Vec<_> = steps.iter().map(|steps| scope.spawn(|| run(steps))).collect();
            threads.into_iter().for_each(|thread| drop(thread.join().unwrap()));
        });
    }
}

#[test]
fn what_cannot_be_had_is_an_error() {
    ask_for_too_much();
}

#[test]
fn keeps_what_is_in_a_block_across_all_sizes() {
    for align in [1, 16, 256, 4096] {
        let mut block = Block::new(Layout::from_size_align(1, align).unwrap(), 1, false);
        // Up through every small size, across the border to the large ones, and back down.
        for size in (1..1100).chain([5000, 1 << 20, 5000]).chain((1..1100).rev()) {
            block.resize(size);
            block.fill(size as u8);
        }
    }
}

#[test]
fn fills_a_run_to_its_end() {
    for size in (16..=1024).step_by(16) {
        let layout = Layout::from_size_align(size, 1 << size.trailing_zeros()).unwrap();
        let blocks: Vec<_> = (0..150_000 / size).map(|n| Block::new(layout, n as u8, false)).collect();
        // Give some back and get them again, so that all runs are full again.
        let _kept: Vec<_> = blocks.into_iter().enumerate().filter(|(n, _)| n % 3 > 0).collect();
        let _new: Vec<_> = (0..50_000 / size).map(|n| Block::new(layout, n as u8, true)).collect();
    }
}

/// This test runs itself again for each mistake.
#[test]
#[cfg(debug_assertions)]
fn a_debug_build_knows_what_is_no_block() {
    use std::alloc::{alloc, alloc_zeroed, dealloc};

    let (small, large) = (Layout::new::<[u64; 6]>(), Layout::new::<[u64; 100_000]>());
    // SAFETY: the blocks are from there, with these layouts, and the sizes aren't 0. Only the call with a mistake is
    // wrong, and it ends the program.
    unsafe {
        let many: Vec<_> = (0..29_000).map(|_| alloc(small)).collect();
        let [one, freed, first, joined, other, top] =
            [small, small, large, large, large, large].map(|layout| alloc_zeroed(layout));
        many.iter().for_each(|block| dealloc(*block, small));
        for (block, layout) in [(freed, small), (first, large), (joined, large), (top, large)] {
            dealloc(block, layout);
        }
        let mistakes = [
            (freed, small, "it is free already"),
            (first, large, "it is free already"),
            (joined, large, "it is free already"),
            (top, large, "it is free already"),
            (one.wrapping_add(16), small, "no block starts there"),
            (other.wrapping_add(1), large, "no block starts there"),
            // The header of the run, and what has never been used in it.
            (one.map_addr(|address| address & !0xffff), small, "no block starts there"),
            (one.wrapping_add(480), small, "no block starts there"),
            (one.wrapping_add(1 << 40), small, "it is not in this heap"),
            (other.wrapping_add(1 << 40), large, "it is not in this heap"),
            // Its run has gone back, and is a part of a free block.
            (many[2000], small, "it is in no run of small blocks"),
            (other, small, "it is in no run of small blocks"),
            (one, Layout::new::<[u64; 4]>(), "its run has blocks of another size"),
            (one, large, "no block of that size starts there"),
            (other.wrapping_add(1600), large, "no block of that size starts there"),
            (other, Layout::new::<[u64; 100_010]>(), "no block of that size starts there"),
        ];
        if let Ok(number) = std::env::var("MISTAKE") {
            let (block, layout, _) = mistakes[number.parse::<usize>().unwrap()];
            return dealloc(block, layout);
        }
        for (number, (_, layout, what)) in mistakes.iter().enumerate() {
            let mut again = std::process::Command::new(std::env::current_exe().unwrap());
            again.args(["--exact", "a_debug_build_knows_what_is_no_block", "--nocapture"]);
            let output = again.env("MISTAKE", number.to_string()).output().unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            let message = format!(" is not a block of {} bytes: {what}", layout.size());
            let is_told = stderr.lines().any(|line| line.starts_with("0x") && line.ends_with(&message));
            assert!(is_told && !output.status.success(), "{number}: {stderr}");
        }
    }
}
