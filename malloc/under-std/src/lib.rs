//! The work of the benchmark, which is the same for each allocator.

use fastrand::Rng;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

/// Lets glibc's malloc, which std calls, get memory by `mmap` alone: it takes the break for its own, and would take the
/// heap's memory away where that is above its own. If the program hangs, `SIGALRM` ends it.
/// An entry in `.init_array` makes a program call this before all else.
pub extern "C" fn before_the_heap() {
    #[cfg(not(miri))]
    // SAFETY: the calls only set numbers and a timer.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 0);
        libc::mallopt(libc::M_MMAP_MAX, i32::MAX);
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
        libc::alarm(1200);
    }
}

/// The cases of the benchmark.
pub const CASES: [(&str, fn()); 7] = [
    ("a `Vec` grown to 10,000,000 numbers", || {
        let mut numbers = Vec::new();
        (0..10_000_000_u64).for_each(|n| numbers.push(n));
        black_box(numbers);
    }),
    ("1,000,000 boxes of 48 bytes, dropped in order", || boxes(|_| ())),
    ("the same boxes, in reverse order", || boxes(|boxes| boxes.reverse())),
    ("the same boxes, in random order", || boxes(|boxes| Rng::with_seed(0x5eed).shuffle(boxes))),
    ("a `BTreeMap` of 300,000, half emptied", || {
        let (mut map, mut random) = (BTreeMap::new(), Rng::with_seed(0x5eed));
        for n in 0..300_000 {
            let key = random.u64(..);
            map.insert(format!("{key:x} is number {n}"), vec![n as u8; key as usize % 100]);
        }
        map.retain(|_, value| value.len() % 2 == 0);
        black_box(map);
    }),
    ("1,000,000 blocks of 1 byte to 1 MiB", || {
        churn(1_000_000, 0x5eed, |random| {
            let bits = random.usize(..21);
            random.usize(1..=1 << bits)
        });
    }),
    ("4,000,000 small blocks in 2 threads", || {
        std::thread::scope(|scope| {
            for seed in [1, 2] {
                scope.spawn(move || churn(2_000_000, seed, |random| random.usize(1..=500)));
            }
        });
    }),
];

/// Makes boxes, lets `reorder` change their order, and drops them.
fn boxes(reorder: impl FnOnce(&mut [Box<[u8; 48]>])) {
    let mut boxes: Vec<_> = (0..1_000_000).map(|n| Box::new([n as u8; 48])).collect();
    reorder(&mut boxes);
    black_box(boxes);
}

/// Replaces one of 1,000 blocks by a new one, again and again.
fn churn(count: usize, seed: u64, size: impl Fn(&mut Rng) -> usize) {
    let mut random = Rng::with_seed(seed);
    let mut blocks: Vec<Vec<u8>> = vec![vec![]; 1000];
    for _ in 0..count {
        let mut block = Vec::with_capacity(size(&mut random));
        block.push(1);
        blocks[random.usize(..1000)] = block;
    }
    black_box(blocks);
}

/// `PROGRAM CASE`: does the work, and prints how many seconds it took, and by how many KiB the peak of memory rose.
pub fn main() {
    let case: usize = std::env::args().nth(1).expect("CASE").parse().expect("the number of a case");
    let (before, start) = (memory("VmHWM:"), Instant::now());
    CASES[case].1();
    println!("{} {}", start.elapsed().as_secs_f64(), memory("VmHWM:") - before);
}

/// How many KiB are resident now (`VmRSS:`), or were at most so far (`VmHWM:`, man 5 proc_pid_status).
pub fn memory(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix(what)).expect(what);
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
