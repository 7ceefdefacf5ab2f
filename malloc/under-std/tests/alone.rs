//! The heap alone on the break: how often it moves the break, and how far, in cases that are hard for a heap.

use program_break::{current_break, move_break};
use program_break_malloc::Heap;
use std::alloc::{GlobalAlloc, Layout};
use std::cmp::max;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use under_std::{PAGE, memory, others_take, with_room};

under_std::first!();

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// A heap. As long as it exists, no other test has one.
struct Alone {
    heap: Heap,
    start: usize,
    _turn: MutexGuard<'static, ()>,
}

/// The layout of a block of so many bytes.
fn bytes(size: usize) -> Layout {
    Layout::from_size_align(size, 1).expect("a size")
}

fn now() -> usize {
    current_break().unwrap().addr()
}

impl Alone {
    fn new() -> Alone {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        Alone { heap: Heap::new(), start: now(), _turn: turn }
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
        // SAFETY: the block is from this heap.
        unsafe { self.heap.dealloc(block, layout) }
    }

    fn realloc(&self, block: *mut u8, old: Layout, size: usize) -> *mut u8 {
        // SAFETY: the block is from this heap.
        unsafe { self.heap.realloc(block, old, size) }
    }
}

/// Does something that must not touch the memory from `start` to `end`, as far as there are whole pages in it.
fn untouched(start: *mut u8, end: *mut u8, action: impl FnOnce()) {
    let start = start.map_addr(|address| address.next_multiple_of(PAGE));
    let protect = |rights| {
        // SAFETY: the memory isn't in use.
        assert_eq!(unsafe { libc::mprotect(start.cast(), (end.addr() - start.addr()) / PAGE * PAGE, rights) }, 0);
    };
    protect(libc::PROT_NONE);
    action();
    protect(libc::PROT_READ | libc::PROT_WRITE);
}

/// One block grows in small steps while small ones are made: the peak is not many times what is in use.
#[test]
fn a_block_that_grows_among_small_ones_leaves_no_holes() {
    let heap = Alone::new();
    let in_use = 16 * MIB + 255 * 1400 * 48;
    let mut block = heap.alloc(bytes(64 * KIB));
    for size in (64 * KIB..16 * MIB).step_by(64 * KIB) {
        block = heap.realloc(block, bytes(size), size + 64 * KIB);
        (0..1400).for_each(|_| assert!(!heap.alloc(bytes(48)).is_null()));
        assert!(heap.size() < 3 * in_use, "{} for {in_use}", heap.size());
    }
}

/// A large block, or many small ones at a time, on heaps of many sizes.
#[test]
fn the_same_blocks_over_and_over_take_few_calls() {
    let large = [100 * KIB, 300 * KIB, 1_000_000, 1_200_000, 5 * MIB, 32 * MIB].map(|size| (size, 1));
    for (size, count) in large.into_iter().chain([(100, 1), (100, 1000), (100, 20_000)]) {
        for (below, newest_first) in (0..=9 * MIB).step_by(MIB).zip([false, true].into_iter().cycle()) {
            let heap = Alone::new();
            heap.alloc(bytes(below + 2000));
            let mut blocks = Vec::with_capacity(count);
            for _ in 0..max(10, 3000 / count) {
                blocks.extend((0..count).map(|_| heap.alloc(bytes(size))));
                if newest_first {
                    blocks.reverse();
                }
                blocks.drain(..).for_each(|block| heap.free(block, bytes(size)));
            }
            let calls = heap.heap.brk_calls();
            assert!(calls <= 40, "{calls} calls for {count} blocks of {size} bytes above {below}");
        }
    }
}

/// A free block that is large enough is found, even where there are many that are a little too small.
#[test]
fn finds_a_free_block_that_is_large_enough() {
    for align in [1, 4096, 64 * KIB] {
        let heap = Alone::new();
        let wanted = Layout::from_size_align(900_000, align).expect("an alignment");
        let room = heap.alloc(wanted);
        let gaps: Vec<_> = (1..100).map(|n| (heap.alloc(bytes(2000)), heap.alloc(bytes(900_000 - 32 * n)))).collect();
        heap.alloc(bytes(2000));
        with_room(0, || {
            // Nothing is left at the top.
            while !heap.alloc(bytes(2000)).is_null() {}
            heap.free(room, wanted);
            for (n, (_, gap)) in (1..).zip(gaps) {
                heap.free(gap, bytes(900_000 - 32 * n));
            }
            assert_eq!(heap.alloc(wanted), room, "aligned to {align}");
        });
    }
}

/// A search comes to blocks that are large enough, but have no room for an aligned one.
#[test]
fn finds_an_aligned_block() {
    for below in [2000, 2016] {
        let heap = Alone::new();
        heap.alloc(bytes(below));
        let gaps: Vec<_> = (0..40).map(|_| (heap.alloc(bytes(4088)), heap.alloc(bytes(2000))).0).collect();
        gaps.iter().for_each(|gap| heap.free(*gap, bytes(4088)));
        assert!(!heap.alloc(Layout::from_size_align(4072, 32).expect("valid")).is_null());
    }
}

/// A small block can be allocated as long as there is any room for it.
#[test]
fn finds_room_for_small_blocks_to_the_last() {
    let heap = Alone::new();
    let gaps: Vec<_> = (0..100).map(|_| (heap.alloc(bytes(2000)), heap.alloc(bytes(64_000)))).collect();
    let in_runs: Vec<_> = (0..2000).map(|n| bytes([80, 1000][n % 2])).map(|size| (heap.alloc(size), size)).collect();
    let fill = |layout: Layout| -> Vec<_> {
        std::iter::repeat_with(|| heap.alloc(layout)).take_while(|block| !block.is_null()).collect()
    };
    with_room(0, || {
        for size in [100_000, 1100, 16] {
            fill(bytes(size));
        }
        gaps.iter().for_each(|(_, gap)| heap.free(*gap, bytes(64_000)));
        // In the gaps, each block takes less than five times its size.
        for (size, align) in [(16, 1), (16, 16), (512, 512)] {
            let layout = Layout::from_size_align(size, align).expect("valid");
            let blocks = fill(layout);
            assert!(blocks.len() >= 100 * 64_000 / size / 5, "{} of {layout:?}", blocks.len());
            assert!(blocks.iter().all(|block| block.addr().is_multiple_of(align)), "{layout:?}");
            blocks.iter().for_each(|block| heap.free(*block, layout));
        }
        // Where all else is full, a free block in a run of larger ones is used, if it is aligned well enough.
        fill(bytes(16));
        let layout = Layout::from_size_align(16, 16).expect("valid");
        let freed = in_runs.iter().enumerate().filter(|(n, _)| n % 5 > 0);
        freed.for_each(|(_, (block, size))| heap.free(*block, *size));
        let blocks = fill(layout);
        assert!(blocks.len() >= 800, "{}", blocks.len());
        blocks.iter().for_each(|block| heap.free(*block, layout));
    });
    // There is nothing left at the top, and the heap goes on above others.
    others_take(1);
    assert!(!heap.alloc(bytes(64_000)).is_null());
}

/// A block is freed without a look at those that are free, in a debug build, too.
#[test]
fn frees_a_block_without_a_search() {
    let heap = Alone::new();
    let blocks: Vec<_> = (0..30_000).map(|_| heap.alloc(bytes(16))).collect();
    let free = |range: Range<usize>| blocks[range].iter().for_each(|block| heap.free(*block, bytes(16)));
    free(6000..24_000);
    // What is freed next has links to these.
    free(0..3000);
    untouched(blocks[6000], blocks[24_000], || free(3000..5000));
}

/// Many gaps are as large as a run, but have no room for one at a multiple of 16 KiB. A search for a run touches few.
#[test]
fn finds_room_for_a_run_without_a_long_search() {
    let heap = Alone::new();
    let (aligned, gap) = (Layout::from_size_align(66_000, 16 * KIB).expect("valid"), bytes(25_000));
    let gaps = (0..200).map(|_| (heap.alloc(aligned), heap.alloc(gap), heap.alloc(bytes(20_000))).1);
    let gaps: Vec<_> = gaps.collect();
    // The last ones that are freed are the first that are tried.
    (50..150).chain(0..50).chain(150..200).for_each(|n| heap.free(gaps[n], gap));
    untouched(gaps[50], gaps[149], || {
        let blocks: Vec<_> = (0..100_000).map(|_| heap.alloc(bytes(100))).collect();
        blocks.iter().for_each(|block| heap.free(*block, bytes(100)));
    });
}

/// The break comes down, though others have had memory above it for some time. What others have is left alone.
#[test]
fn gives_memory_back_when_others_above_have_gone() {
    let heap = Alone::new();
    let block = heap.alloc(bytes(51 * MIB));
    // SAFETY: the block has so many bytes.
    unsafe { block.write_bytes(255, 51 * MIB) };
    let others = others_take(5000).as_ptr_range();
    heap.free(block, bytes(51 * MIB));
    assert_eq!(now(), others.end.addr());
    let again = || {
        let block = heap.alloc(bytes(2000));
        assert!(block.addr() < others.start.addr(), "what is free below others is used");
        heap.free(block, bytes(2000));
    };
    (0..100_000).for_each(|_| again());
    assert!(heap.heap.brk_calls() <= 40);
    // SAFETY: the break moves down to where it was, and nothing above is used.
    unsafe { move_break(others.start.cast_mut()) }.expect("down");
    (0..100_000).for_each(|_| again());
    assert!(heap.size() < MIB, "{}", heap.size());

    // Others take what this heap has used and given back.
    others_take(1);
    // A block that can't grow, since others are above it, moves above their memory. Its old place is used again.
    let below = heap.alloc(bytes(20 * MIB));
    let others = others_take(5000);
    let above = heap.realloc(below, bytes(20 * MIB), 40 * MIB);
    let end = others.as_ptr_range().end.addr();
    assert!(above.addr() >= end);
    // SAFETY: the block has so many bytes.
    unsafe { above.write_bytes(7, 40 * MIB) };
    let below = heap.alloc(bytes(20 * MIB));
    assert!(below.addr() < others.as_ptr().addr());
    heap.free(above, bytes(40 * MIB));
    assert!(now() >= end && others.iter().all(|&byte| byte == 9));
}

/// However often the heap couldn't give back what is below others, what is above them comes back.
#[test]
fn gives_memory_back_above_others() {
    let heap = Alone::new();
    let below = heap.alloc(bytes(20 * MIB));
    let end = others_take(5000).as_ptr_range().end.addr();
    heap.free(below, bytes(20 * MIB));
    (0..70_000).for_each(|_| heap.free(heap.alloc(bytes(2000)), bytes(2000)));
    let above = heap.alloc(bytes(40 * MIB));
    assert!(above.addr() >= end);
    heap.free(above, bytes(40 * MIB));
    assert!(now() < end + MIB, "{} bytes stay", now() - end);
}

/// What is free is used before what is at the top. The break comes down, whatever is freed last, and whatever is left
/// below.
#[test]
fn uses_memory_again_and_gives_it_back() {
    let heap = Alone::new();
    heap.alloc(bytes(48));
    let large = heap.alloc(bytes(8 * MIB));
    let mut small: Vec<_> = (0..20_000).map(|_| heap.alloc(bytes(48))).collect();
    let before = now();
    // These are in full runs.
    small.iter().step_by(2).for_each(|block| heap.free(*block, bytes(48)));
    small.iter_mut().step_by(2).for_each(|block| *block = heap.alloc(bytes(48)));
    assert_eq!(now(), before);
    heap.free(large, bytes(8 * MIB));
    // There is more room at the top.
    let top = heap.alloc(bytes(MIB));
    assert!(top <= large);
    heap.free(top, bytes(MIB));
    small.iter().rev().for_each(|block| heap.free(*block, bytes(48)));
    assert!(heap.size() <= 512 * KIB, "{}", heap.size());
}

/// A block at the top grows where it is, and so does one before a free block. When the kernel has little left, the heap
/// takes no more than it needs.
#[test]
fn takes_what_the_kernel_has() {
    let heap = Alone::new();
    let block = heap.alloc(bytes(200 * MIB));
    assert_eq!(heap.realloc(block, bytes(200 * MIB), 300 * MIB), block);
    heap.alloc(bytes(2000));
    assert_eq!(heap.realloc(block, bytes(300 * MIB), 100 * MIB), block);
    assert_eq!(heap.realloc(block, bytes(100 * MIB), 250 * MIB), block);
    with_room(0, || while !heap.alloc(bytes(MIB)).is_null() {});
    with_room(4 * MIB, || {
        assert!(heap.alloc(bytes(8 * MIB)).is_null());
        assert!(!heap.alloc(bytes(4 * MIB)).is_null());
    });
}

/// Somebody else has used a page, and left the break in the middle of it: the heap must not take the rest for zeroed.
/// But memory that is new is not touched to zero it.
#[test]
fn zeroes_what_is_not_new() {
    let heap = Alone::new();
    let left = others_take(4096).as_ptr().cast_mut().wrapping_add(8);
    // SAFETY: what is above is not used again.
    unsafe { move_break(left) }.expect("down");
    for size in [2500, 32 * MIB] {
        let before = memory("VmRSS:");
        // SAFETY: the size isn't 0.
        let block = unsafe { heap.heap.alloc_zeroed(bytes(size)) };
        // In KiB, and the kernel may give a huge page at the first access.
        assert!(memory("VmRSS:") < before + 4096);
        // SAFETY: the block has so many bytes.
        assert!(unsafe { std::slice::from_raw_parts(block, size) }.iter().all(|byte| *byte == 0));
    }
}

/// Heaps in two threads never take each other's memory, though both move the break.
#[test]
fn several_heaps_share_the_break() {
    let _alone = Alone::new();
    let turns = if cfg!(miri) { 1 } else { 100 };
    let work = |fill: u8| {
        for _ in 0..turns {
            let heaps: [_; 20] = std::array::from_fn(|_| Heap::new());
            // SAFETY: the blocks are from these heaps, and have so many bytes.
            unsafe {
                let blocks = heaps.each_ref().map(|heap| {
                    let block = heap.alloc(bytes(200 * KIB));
                    block.write(fill);
                    block
                });
                assert!(blocks.iter().all(|block| block.read() == fill));
                heaps.iter().zip(blocks).for_each(|(heap, block)| heap.dealloc(block, bytes(200 * KIB)));
            }
        }
    };
    std::thread::scope(|scope| (1..=2).for_each(|fill| drop(scope.spawn(move || work(fill)))));
}

/// Blocks of the sizes that programs ask for most lie side by side, and so do those that are aligned to a page.
#[test]
fn blocks_take_little_more_than_their_size() {
    for (size, align) in [(24, 8), (40, 8), (4096, 4096), (8192, 8192), (65_536, 65_536)] {
        let (heap, layout) = (Alone::new(), Layout::from_size_align(size, align).expect("valid"));
        let blocks: Vec<_> = (0..1000).map(|_| heap.alloc(layout).addr()).collect();
        let taken = blocks.iter().max().unwrap() - blocks.iter().min().unwrap();
        assert!(taken < 1100 * size, "{taken} for 1,000 of {layout:?}");
    }
}

/// The kernel isn't asked for huge pages for memory that is only reserved, so that is in memory page by page.
#[test]
fn what_is_reserved_has_no_huge_pages() {
    let heap = Alone::new();
    let reserved = (0..100).map(|_| heap.alloc(bytes(MIB))).last().unwrap();
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let is_of_it = |line: &&str| {
        let range = line.split(' ').next().and_then(|range| range.split_once('-'));
        let number = |word| usize::from_str_radix(word, 16).ok();
        range.is_some_and(|(start, end)| number(start) <= Some(reserved.addr()) && Some(reserved.addr()) < number(end))
    };
    let flags = maps.lines().skip_while(|line| !is_of_it(line)).find(|line| line.starts_with("VmFlags:")).unwrap();
    assert!(!flags.contains(" hg"), "{flags}");
}

/// All blocks are freed, in any order.
#[test]
fn little_stays_when_all_is_freed() {
    for seed in 0..100 {
        let (heap, mut random) = (Alone::new(), fastrand::Rng::with_seed(seed));
        let mut size = || 1 + random.usize(..) % (1 << random.usize(1..18));
        let layouts: Vec<_> = (0..2000).map(|_| bytes(size())).collect();
        let mut blocks: Vec<_> = layouts.iter().map(|layout| (heap.alloc(*layout), *layout)).collect();
        random.shuffle(&mut blocks);
        blocks.iter().for_each(|(block, layout)| heap.free(*block, *layout));
        assert!(heap.size() <= 512 * KIB, "{}", heap.size());
    }
}
