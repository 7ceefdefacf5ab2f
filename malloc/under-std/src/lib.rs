//! The work of the benchmark, which is the same for each allocator, and what the tests do to the break.

use fastrand::Rng;
use program_break::{current_break, move_break};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::ptr::with_exposed_provenance_mut;
use std::time::Instant;

/// Lets glibc's malloc get memory by `mmap` alone. (std calls it, in C.) It takes the break for its own: where it finds
/// the heap's memory above what it has left, it would take that away. If the program hangs, `SIGALRM` ends it.
///
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

/// Moves the break up by `bytes` behind the back of all allocators, and fills the new memory with 9.
pub fn others_take(bytes: usize) -> &'static [u8] {
    let start = current_break().expect("a break");
    // SAFETY: the break moves up, and nobody else has what lies below it.
    unsafe {
        move_break(start.wrapping_add(bytes)).expect("memory");
        start.write_bytes(9, bytes);
        std::slice::from_raw_parts(start, bytes)
    }
}

/// The largest size of a page on any machine, in bytes.
pub const PAGE: usize = 64 << 10;

/// Does something while the break can move up by `bytes`, but not by 128 KiB more: another mapping is in the way, and
/// the kernel leaves a page below it free.
pub fn with_room(bytes: usize, action: impl FnOnce()) {
    let end = current_break().expect("a break").addr() + bytes;
    let obstacle = with_exposed_provenance_mut(end.next_multiple_of(PAGE) + PAGE);
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: nothing else is there.
    assert_eq!(unsafe { libc::mmap(obstacle, PAGE, libc::PROT_NONE, flags, -1, 0) }, obstacle);
    action();
    // SAFETY: nobody uses it.
    assert_eq!(unsafe { libc::munmap(obstacle, PAGE) }, 0);
}

/// The cases of the benchmark.
pub const CASES: [(&str, fn()); 7] = [
    ("a `Vec` grown to 10,000,000 numbers", || {
        let mut numbers = Vec::new();
        (0..10_000_000_u64).for_each(|n| numbers.push(n));
        black_box(numbers);
    }),
    ("1,000,000 boxes of 48 bytes, dropped in order", || boxes(|_| ())),
    ("in reverse", || boxes(|boxes| boxes.reverse())),
    ("at random", || boxes(|boxes| Rng::with_seed(0x5eed).shuffle(boxes))),
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

/// Makes boxes, and drops them in another order.
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

/// `PROGRAM CASE`: does the work and prints how many seconds it took, and by how many KiB it made the process larger at
/// its peak.
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
