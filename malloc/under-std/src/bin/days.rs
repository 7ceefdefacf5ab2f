//! Work that is hard on a heap, for the tests: what it takes must stay within bounds. `days WORK`.
use program_break::{current_break, move_break};
use program_break_malloc::{Heap, NoLock};
use std::alloc::{GlobalAlloc, Layout};
use std::cmp::max;

under_std::keep_glibc_off_the_break!();

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Not the global allocator, so that the program can count on what the heap does.
struct Measured {
    heap: Heap<NoLock>,
    start: usize,
}

/// A block for so many bytes.
fn bytes(size: usize) -> Layout {
    Layout::from_size_align(size, 1).expect("a size")
}

fn now() -> usize {
    current_break().unwrap().addr()
}

impl Measured {
    fn new() -> Measured {
        // SAFETY: this program has one thread.
        Measured { heap: unsafe { Heap::without_lock() }, start: now() }
    }

    /// How many bytes the break has moved up.
    fn size(&self) -> usize {
        now() - self.start
    }

    fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the size isn't 0.
        unsafe { self.heap.alloc(layout) }
    }

    fn free(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is from there.
        unsafe { self.heap.dealloc(block, layout) }
    }

    fn realloc(&self, block: *mut u8, old: Layout, size: usize) -> *mut u8 {
        // SAFETY: the block is from there.
        unsafe { self.heap.realloc(block, old, size) }
    }

    /// How many calls of `brk` some steps take.
    fn calls(&self, mut steps: impl FnMut()) -> usize {
        let before = self.heap.calls();
        steps();
        self.heap.calls() - before
    }
}

/// Does something while the kernel has no more memory for anybody, as `RLIMIT_DATA` is below what the process has.
fn without_more(action: impl FnOnce()) {
    // SAFETY: the calls only read and write the limit.
    let limit = |bytes| unsafe {
        let mut old = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        assert_eq!(libc::getrlimit(libc::RLIMIT_DATA, &mut old), 0);
        assert_eq!(libc::setrlimit(libc::RLIMIT_DATA, &libc::rlimit { rlim_cur: bytes, ..old }), 0);
        old.rlim_cur
    };
    let old = limit(0);
    action();
    limit(old);
}

fn main() {
    let work = std::env::args().nth(1).expect("WORK");
    let heap = Measured::new();
    match &*work {
        // One block grows in small steps while small ones are made: the peak is not many times what is in use.
        "growth-among-small-blocks" => {
            let (mut size, mut peak) = (64 * KIB, 0);
            let mut block = heap.alloc(bytes(size));
            for _ in 0..255 {
                block = heap.realloc(block, bytes(size), size + 64 * KIB);
                size += 64 * KIB;
                for _ in 0..1400 {
                    assert!(!heap.alloc(bytes(48)).is_null());
                }
                peak = max(peak, heap.size());
            }
            let in_use = size + 255 * 1400 * 48;
            assert!(peak < 3 * in_use, "{peak} for {in_use}");
        }
        // The same steps over and over, on heaps of many sizes.
        "one-block-again" => {
            for below in (0..=9 * MIB).step_by(MIB) {
                for size in [100 * KIB, 300 * KIB, 1_000_000, 1_200_000, 5 * MIB, 32 * MIB] {
                    let heap = Measured::new();
                    heap.alloc(bytes(below + 2000));
                    let calls = heap.calls(|| (0..3000).for_each(|_| heap.free(heap.alloc(bytes(size)), bytes(size))));
                    assert!(calls <= 40, "{calls} calls for blocks of {size} bytes above {below}");
                }
            }
        }
        "small-blocks-again" => {
            for below in (0..=9 * MIB).step_by(3 * MIB) {
                for (burst, newest_first) in [(1, false), (1000, false), (1000, true), (20_000, false), (20_000, true)]
                {
                    let heap = Measured::new();
                    heap.alloc(bytes(below + 2000));
                    let mut blocks = Vec::with_capacity(burst);
                    let calls = heap.calls(|| {
                        for _ in 0..200_000 / burst {
                            blocks.extend((0..burst).map(|_| heap.alloc(bytes(100))));
                            if newest_first {
                                blocks.reverse();
                            }
                            blocks.drain(..).for_each(|block| heap.free(block, bytes(100)));
                        }
                    });
                    assert!(calls <= 40, "{calls} calls for {burst} at a time above {below}");
                }
            }
        }
        // A block that has room in what is free is found, even where there are many that are a little too small.
        "fit-among-many" => {
            for align in [1, 4096, 64 * KIB] {
                let heap = Measured::new();
                let wanted = Layout::from_size_align(900_000, align).expect("an alignment");
                let room = heap.alloc(wanted);
                let gaps: Vec<_> =
                    (1..100).map(|n| (heap.alloc(bytes(2000)), heap.alloc(bytes(900_000 - 32 * n)))).collect();
                heap.alloc(bytes(2000));
                // Nothing is left at the top.
                without_more(|| while !heap.alloc(bytes(2000)).is_null() {});
                heap.free(room, wanted);
                for (n, (_, gap)) in (1..).zip(gaps) {
                    heap.free(gap, bytes(900_000 - 32 * n));
                }
                without_more(|| assert_eq!(heap.alloc(wanted), room, "aligned to {align}"));
            }
        }
        // A small block is had as long as there is any room for it.
        "small-blocks-to-the-last" => {
            let gaps: Vec<_> = (0..100).map(|_| (heap.alloc(bytes(2000)), heap.alloc(bytes(64_000)))).collect();
            let in_runs: Vec<_> = (0..1000).map(|_| heap.alloc(bytes(1000))).collect();
            let mut blocks = Vec::with_capacity(2_000_000);
            let fill = |blocks: &mut Vec<*mut u8>, layout: Layout| {
                blocks.clear();
                blocks.extend(std::iter::repeat_with(|| heap.alloc(layout)).take_while(|block| !block.is_null()));
                assert!(blocks.iter().all(|block| block.addr().is_multiple_of(layout.align())));
                blocks.len()
            };
            without_more(|| {
                for size in [100_000, 1100, 16] {
                    fill(&mut blocks, bytes(size));
                }
                gaps.iter().for_each(|(_, gap)| heap.free(*gap, bytes(64_000)));
                // Each takes less than five times as much there.
                for layout in [bytes(16), Layout::new::<[u128; 1]>(), Layout::from_size_align(512, 512).expect("valid")]
                {
                    assert!(
                        fill(&mut blocks, layout) >= 100 * 64_000 / layout.size() / 5,
                        "{} of {layout:?}",
                        blocks.len()
                    );
                    blocks.iter().for_each(|block| heap.free(*block, layout));
                }
                // Where all else is full, the blocks in runs of larger ones are left.
                fill(&mut blocks, bytes(16));
                let freed = in_runs.iter().enumerate().filter(|(n, _)| n % 5 > 0);
                freed.for_each(|(_, block)| heap.free(*block, bytes(1000)));
                assert!(fill(&mut blocks, bytes(16)) >= 800, "{}", blocks.len());
                blocks.iter().for_each(|block| heap.free(*block, bytes(16)));
            });
        }
        // With all these blocks in use and freed, a debug build takes no longer for each of them.
        "a-million-freed" => {
            let blocks: Vec<_> = (0..1_000_000).map(|_| heap.alloc(bytes(8))).collect();
            blocks.iter().for_each(|block| heap.free(*block, bytes(8)));
        }
        // Many gaps are as large as a run, but have no room for one at a multiple of 64 KiB. A search for a run doesn't
        // touch them, so they needn't be accessible.
        "runs-without-a-search" => {
            let (aligned, gap) = (Layout::from_size_align(2000, 64 * KIB).expect("valid"), bytes(100_000));
            let gaps = (0..100).map(|_| (heap.alloc(aligned), heap.alloc(gap), heap.alloc(bytes(20_000))));
            let gaps: Vec<_> = gaps.collect();
            // The first ones and the last ones are freed last, since what is freed next has links to those.
            for n in (3..97).chain([0, 1, 2, 97, 98, 99]) {
                heap.free(gaps[n].1, gap);
            }
            let [start, end] = [3, 96].map(|n| gaps[n].1.addr().next_multiple_of(64 * KIB));
            let end = end - 64 * KIB;
            let protect = |rights| {
                // SAFETY: the memory isn't in use.
                let result =
                    unsafe { libc::mprotect(std::ptr::with_exposed_provenance_mut(start), end - start, rights) };
                assert_eq!(result, 0);
            };
            protect(libc::PROT_NONE);
            let blocks: Vec<_> = (0..100_000).map(|_| heap.alloc(bytes(100))).collect();
            blocks.iter().for_each(|block| heap.free(*block, bytes(100)));
            protect(libc::PROT_READ | libc::PROT_WRITE);
        }
        // The break comes down, though others have had memory above it for some time.
        "others-above-for-a-time" => {
            let block = heap.alloc(bytes(51 * MIB));
            let top = current_break().unwrap();
            // SAFETY: up, and down to where it was; and nothing in between is used.
            unsafe { move_break(top.wrapping_add(5000)) }.expect("memory");
            heap.free(block, bytes(51 * MIB));
            assert_eq!(now(), top.addr() + 5000);
            let again = || heap.free(heap.alloc(bytes(2000)), bytes(2000));
            assert!(heap.calls(|| (0..100_000).for_each(|_| again())) <= 40);
            // SAFETY: likewise.
            unsafe { move_break(top) }.expect("down");
            (0..100_000).for_each(|_| again());
            assert!(heap.size() < MIB, "{}", heap.size());
        }
        other => panic!("no work is called {other}"),
    }
}
