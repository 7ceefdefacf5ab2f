//! `program_break_malloc::Heap` under std: its blocks, checked against the model, in threads too.

mod model;

use fastrand::Rng;
use model::{Block, run};
use std::thread;

/// The message of a panic is allocated on this heap, too. So a panic with the lock held would wait for ever.
#[global_allocator]
static HEAP: program_break_malloc::Heap = program_break_malloc::Heap::new();

/// One thread or several do the steps. Another thread frees all that is left.
#[test]
fn blocks_are_apart_aligned_and_keep_what_is_in_them() {
    for seed in if cfg!(miri) { 3..4 } else { 0..60_u64 } {
        thread::scope(|scope| {
            let spawn = |thread| scope.spawn(move || run(&mut Rng::with_seed(4 * seed + thread)));
            let threads: Vec<_> = (0..=seed % 4).map(spawn).collect();
            threads.into_iter().for_each(|thread| drop(thread.join().unwrap()));
        });
    }
}

/// Small blocks of every size, and across the border to the large ones.
#[test]
#[cfg_attr(miri, ignore = "slow")]
fn fills_a_run_to_its_end() {
    for size in 1..1100_usize {
        let new = |n, zeroed| Block::new(size, 1 << size.trailing_zeros(), n as u8, zeroed);
        let mut blocks: Vec<_> = (0..80_000 / size).map(|n| new(n, false)).collect();
        // Give some back and get them again, so that all runs are full again.
        (0..blocks.len() / 3).for_each(|n| drop(blocks.swap_remove(2 * n)));
        blocks.extend((0..30_000 / size).map(|n| new(n, true)));
        blocks.iter_mut().step_by(9).for_each(|block| [size + 1, size].into_iter().for_each(|size| block.resize(size)));
    }
}
