//! `program_break_malloc::Heap` under std: its blocks, checked against the model, in threads too.

mod model;

use model::{Block, run, steps};
use proptest::prelude::*;
use std::alloc::Layout;
use std::thread;

/// The message of a panic is allocated on this heap, too. So a panic with the lock held would wait for ever.
#[global_allocator]
static HEAP: program_break_malloc::Heap = program_break_malloc::Heap::new();

under_std::first!();

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 1 } else { 60 }, ..ProptestConfig::default() })]

    /// The steps run in one thread or several. Another thread frees all that is left.
    #[test]
    fn blocks_are_apart_aligned_and_keep_what_is_in_them(steps in prop::collection::vec(steps(), 1..=4)) {
        thread::scope(|scope| {
            let threads: Vec<_> = steps.iter().map(|steps| scope.spawn(|| run(steps))).collect();
            threads.into_iter().for_each(|thread| drop(thread.join().unwrap()));
        });
    }
}

/// Small blocks of every size, and across the border to the large ones.
#[test]
#[cfg_attr(miri, ignore = "slow")]
fn fills_a_run_to_its_end() {
    for size in 1..1100_usize {
        let layout = Layout::from_size_align(size, 1 << size.trailing_zeros()).unwrap();
        let mut blocks: Vec<_> = (0..80_000 / size).map(|n| Block::new(layout, n as u8, false)).collect();
        // Give some back and get them again, so that all runs are full again.
        (0..blocks.len() / 3).for_each(|n| drop(blocks.swap_remove(2 * n)));
        blocks.extend((0..30_000 / size).map(|n| Block::new(layout, n as u8, true)));
        for block in blocks.iter_mut().step_by(9) {
            block.resize(size + 1);
            block.resize(size);
        }
    }
}

/// This test runs itself again for each mistake.
#[test]
#[cfg(all(debug_assertions, not(miri)))]
fn a_debug_build_knows_what_is_no_block() {
    use std::alloc::{alloc, alloc_zeroed, dealloc, realloc};

    let (small, large) = (Layout::new::<[u64; 6]>(), Layout::new::<[u64; 100_000]>());
    // SAFETY: the blocks are from this heap, with these layouts, and the sizes aren't 0. Only the call with a mistake
    // is wrong, and it ends the program.
    unsafe {
        let kept: Vec<_> = (0..1000).map(|_| alloc(small)).collect();
        // It is also where a block of 32 bytes could be in use.
        let in_full_run = *kept[400..].iter().find(|block| block.addr() & 0x3fff == 4800).unwrap();
        let many: Vec<_> = (0..29_000).map(|_| alloc(small)).collect();
        // In the lower half of its run, so what comes after it there has never been used.
        let one = std::iter::repeat_with(|| alloc_zeroed(small)).find(|one| one.addr() & 0x3fff < 0x2000).unwrap();
        let [freed, first, coalesced, other, top] =
            [small, large, large, large, large].map(|layout| alloc_zeroed(layout));
        other.write_bytes(1, large.size());
        many.iter().for_each(|block| dealloc(*block, small));
        for (block, layout) in [(freed, small), (first, large), (coalesced, large), (top, large)] {
            dealloc(block, layout);
        }
        let mistakes = [
            (freed, small),
            (first, large),
            (coalesced, large),
            (top, large),
            (one.wrapping_add(16), small),
            (other.wrapping_add(1), large),
            // The header of the run, and a block that has never been used.
            (one.map_addr(|address| address & !0x3fff), small),
            (one.wrapping_add(480), small),
            (one.wrapping_add(1 << 40), small),
            (other.wrapping_add(1 << 40), large),
            // Its run has gone back, and is a part of a free block.
            (many[2000], small),
            (other, large.align_to(2 << other.addr().trailing_zeros()).unwrap()),
            (other, small),
            (in_full_run, Layout::new::<[u64; 4]>()),
            // What looks like the header of a run is not one.
            (other.map_addr(|address| ((address + 0x8000) & !0x3fff) + 4800), small),
            (one, large),
            (other.wrapping_add(1600), large),
            (other, Layout::new::<[u64; 100_010]>()),
        ];
        if let Ok(number) = std::env::var("MISTAKE") {
            let number: usize = number.parse().unwrap();
            let (block, layout) = mistakes[number];
            if number.is_multiple_of(2) {
                dealloc(block, layout);
            } else {
                let _ = realloc(block, layout, 1);
            }
            return;
        }
        for (number, (_, layout)) in mistakes.iter().enumerate() {
            let mut again = std::process::Command::new(std::env::current_exe().unwrap());
            again.args(["--exact", "a_debug_build_knows_what_is_no_block", "--nocapture"]);
            let output = again.env("MISTAKE", number.to_string()).output().unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            let message = format!(" is not a block of {} bytes in use", layout.size());
            let is_told = stderr.lines().any(|line| line.starts_with("0x") && line.ends_with(&message));
            assert!(is_told && !output.status.success(), "{number}: {stderr}");
        }
        kept.iter().for_each(|block| dealloc(*block, small));
        dealloc(one, small);
    }
}
