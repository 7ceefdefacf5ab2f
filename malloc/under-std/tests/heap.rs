//! `program_break_malloc::Heap` under std: its blocks, checked against a model, and in four threads.

use program_break_malloc::Heap;
use proptest::prelude::*;
use std::alloc::{GlobalAlloc, Layout};
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

under_std::keep_glibc_off_the_break!();

/// One for all tests, which run at the same time. With it starts a limit: a lock that is never released would let them
/// run for ever.
static HEAP: LazyLock<Heap> = LazyLock::new(|| {
    thread::spawn(|| {
        thread::sleep(Duration::from_secs(300));
        std::process::abort()
    });
    Heap::new()
});

/// A block, and the byte that fills it.
struct Block {
    start: *mut u8,
    layout: Layout,
    fill: u8,
}

// SAFETY: the heap is for all threads.
unsafe impl Send for Block {}

impl Block {
    fn new(layout: Layout, fill: u8, zeroed: bool) -> Block {
        // SAFETY: the size isn't 0.
        let start = unsafe { if zeroed { HEAP.alloc_zeroed(layout) } else { HEAP.alloc(layout) } };
        assert!(!start.is_null(), "{layout:?}");
        let mut block = Block { start, layout, fill };
        assert_eq!(start as usize % layout.align(), 0, "{layout:?}");
        if zeroed {
            assert!(block.bytes().iter().all(|&byte| byte == 0), "{layout:?} is not zeroed");
        }
        block.bytes().fill(fill);
        block
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the block is this one's alone, and initialised.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.layout.size()) }
    }

    #[track_caller]
    fn check(&mut self) {
        let (fill, layout) = (self.fill, self.layout);
        assert!(self.bytes().iter().all(|&byte| byte == fill), "{layout:?} has been written to by another");
    }

    fn resize(&mut self, size: usize) {
        let kept = size.min(self.layout.size());
        // SAFETY: the block is from there, with this layout, and the size isn't 0.
        self.start = unsafe { HEAP.realloc(self.start, self.layout, size) };
        assert!(!self.start.is_null());
        assert_eq!(self.start as usize % self.layout.align(), 0);
        self.layout = Layout::from_size_align(size, self.layout.align()).unwrap();
        let fill = self.fill;
        assert!(self.bytes()[..kept].iter().all(|&byte| byte == fill), "realloc to {size} lost something");
        self.bytes().fill(fill);
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.check();
        }
        // SAFETY: the block is from there, with this layout.
        unsafe { HEAP.dealloc(self.start, self.layout) }
    }
}

#[derive(Debug, Clone)]
enum Step {
    New { size: usize, align: u32, zeroed: bool },
    Resize { which: prop::sample::Index, size: usize },
    Drop { which: prop::sample::Index },
}

/// Mostly small, and now and then as much as a MiB.
fn size() -> impl Strategy<Value = usize> {
    (0..=20_u32, any::<usize>()).prop_map(|(bits, random)| 1 + random % (1 << bits))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (size(), 0..=13_u32, any::<bool>()).prop_map(|(size, align, zeroed)| Step::New { size, align, zeroed }),
        4 => (any::<prop::sample::Index>(), size()).prop_map(|(which, size)| Step::Resize { which, size }),
        7 => any::<prop::sample::Index>().prop_map(|which| Step::Drop { which }),
    ]
}

/// What any program may do. All blocks are there at the same time, each filled with its own number: so if two overlap,
/// or the heap notes something in one of them, it is seen.
fn run(steps: &[Step]) {
    let mut blocks: Vec<Block> = vec![];
    for (n, step) in steps.iter().enumerate() {
        match step {
            Step::New { size, align, zeroed } => {
                blocks.push(Block::new(Layout::from_size_align(*size, 1 << align).unwrap(), n as u8, *zeroed));
            }
            Step::Resize { which, size } if !blocks.is_empty() => which.get_mut(&mut blocks).resize(*size),
            Step::Drop { which } if !blocks.is_empty() => drop(blocks.swap_remove(which.index(blocks.len()))),
            Step::Resize { .. } | Step::Drop { .. } => {}
        }
    }
    blocks.iter_mut().for_each(Block::check);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, ..ProptestConfig::default() })]

    #[test]
    fn blocks_are_apart_aligned_and_keep_what_is_in_them(steps in prop::collection::vec(step(), 1..400)) {
        run(&steps);
    }

    #[test]
    fn also_in_four_threads(steps in prop::collection::vec(prop::collection::vec(step(), 1..200), 4)) {
        thread::scope(|scope| {
            for steps in &steps {
                scope.spawn(|| run(steps));
            }
        });
    }
}

#[test]
fn another_thread_may_free_them() {
    let (sender, receiver) = std::sync::mpsc::channel::<Vec<Block>>();
    thread::scope(|scope| {
        for number in 0..3 {
            let sender = sender.clone();
            scope.spawn(move || {
                for round in 0..100 {
                    let layouts = (1..1100).step_by(7).map(|size| Layout::from_size_align(size, 1).unwrap());
                    sender.send(layouts.map(|layout| Block::new(layout, number + round, false)).collect()).unwrap();
                }
            });
        }
        drop(sender);
        // The last thread frees them and takes others, while the first ones go on.
        let mut kept = vec![];
        for mut blocks in receiver {
            kept.extend(blocks.drain(..50));
            kept.truncate(1000);
        }
    });
}

#[test]
fn what_cannot_be_had_is_an_error() {
    for size in [isize::MAX as usize, isize::MAX as usize - 4096, 1 << 62, 1 << 56] {
        for align in [1, 16, 4096, 1 << 30] {
            let Ok(layout) = Layout::from_size_align(size, align) else { continue };
            // SAFETY: the size isn't 0.
            assert!(unsafe { HEAP.alloc(layout) }.is_null(), "{layout:?}");
            // SAFETY: likewise.
            assert!(unsafe { HEAP.alloc_zeroed(layout) }.is_null(), "{layout:?}");
            let mut block = Block::new(Layout::from_size_align(10, align.min(4096)).unwrap(), 1, false);
            // SAFETY: the block is from there, with this layout.
            assert!(unsafe { HEAP.realloc(block.start, block.layout, size) }.is_null(), "{layout:?}");
            block.check();
        }
    }
}

#[test]
fn aligns_to_more_than_a_page() {
    for align in [4096, 1 << 16, 1 << 21] {
        let blocks: Vec<_> =
            (1..20).map(|n| Block::new(Layout::from_size_align(n * 100, align).unwrap(), n as u8, true)).collect();
        drop(blocks);
    }
}

#[test]
fn keeps_what_is_in_a_block_across_all_sizes() {
    for align in [1, 16, 256, 4096] {
        let mut block = Block::new(Layout::from_size_align(1, align).unwrap(), 1, false);
        // Up through every small size, across the border to the large ones, and back down.
        for size in (1..1100).chain([5000, 1 << 20, 5000]).chain((1..1100).rev()) {
            block.resize(size);
            block.fill = size as u8;
            block.bytes().fill(size as u8);
        }
    }
}

#[test]
fn fills_a_run_to_its_end() {
    for size in (16..=1024).step_by(16) {
        let layout = Layout::from_size_align(size, 1 << size.trailing_zeros()).unwrap();
        let mut blocks: Vec<_> = (0..150_000 / size).map(|n| Block::new(layout, n as u8, false)).collect();
        // Give some back and get them again, so that all runs are full again.
        blocks.retain(|block| block.fill % 3 > 0);
        blocks.extend((0..50_000 / size).map(|n| Block::new(layout, n as u8, true)));
        blocks.iter_mut().for_each(Block::check);
    }
}

/// The program `misuse` does one thing wrong and is told what.
#[test]
#[cfg(debug_assertions)]
fn a_debug_build_knows_what_is_no_block() {
    for (mistake, message) in [
        ("small-twice", "48 bytes: it is free already"),
        ("large-twice", "800000 bytes: it is free already"),
        ("joined-twice", "800000 bytes: it is free already"),
        ("top-twice", "800000 bytes: it is free already"),
        ("inside-small", "48 bytes: no block starts there"),
        ("inside-large", "800000 bytes: no block of that size starts there"),
        ("unaligned", "800000 bytes: no block starts there"),
        ("header", "48 bytes: no block starts there"),
        ("never", "48 bytes: no block starts there"),
        ("elsewhere", "48 bytes: it is not in this heap"),
        ("large-elsewhere", "800000 bytes: it is not in this heap"),
        ("given-back", "48 bytes: it is in no run of small blocks"),
        ("small-size", "32 bytes: its run has blocks of another size"),
        ("large-size", "800080 bytes: no block of that size starts there"),
        ("large-as-small", "48 bytes: it is in no run of small blocks"),
        ("small-as-large", "800000 bytes: no block of that size starts there"),
    ] {
        let mut misuse = std::process::Command::new("timeout");
        let output = misuse.args(["30", env!("CARGO_BIN_EXE_misuse"), mistake]).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(
            stderr
                .lines()
                .any(|line| line.starts_with("0x") && line.ends_with(&format!(" is not a block of {message}"))),
            "{mistake}: {stderr}"
        );
        assert!(!output.status.success(), "{mistake}");
    }
}
