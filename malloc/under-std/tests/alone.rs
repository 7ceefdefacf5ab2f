//! The heap alone on the break: how often it moves the break, and how far, in cases that are hard for a heap.

use program_break::{current_break, move_break};
use program_break_malloc::Heap;
use std::alloc::{GlobalAlloc, Layout};
use std::cmp::max;
use std::hint::spin_loop;
use std::ops::Range;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
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

/// The size of a page on this machine, in bytes.
fn page_size() -> usize {
    // SAFETY: the call only returns a number.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

/// Lets memory of this process be used, or not.
fn set_access(start: *mut u8, bytes: usize, allowed: bool) {
    let rights = if allowed { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_NONE };
    // SAFETY: the memory isn't in use.
    assert_eq!(unsafe { libc::mprotect(start.cast(), bytes, rights) }, 0);
}

/// Does something that must not touch the memory from `start` to `end`, as far as there are whole pages in it.
fn untouched(start: *mut u8, end: *mut u8, page: usize, action: impl FnOnce()) {
    let start = start.map_addr(|address| address.next_multiple_of(page));
    let bytes = end.addr().saturating_sub(start.addr()) / page * page;
    set_access(start, bytes, false);
    action();
    set_access(start, bytes, true);
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
            let turns = if size == 32 * MIB && below == 0 { 1_000_000 } else { max(10, 3000 / count) };
            for _ in 0..turns {
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

/// Where nothing is left at the top, small blocks are in what is free below others.
#[test]
fn finds_room_for_small_blocks_to_the_last() {
    let heap = Alone::new();
    let gaps: Vec<_> = (0..100).map(|_| (heap.alloc(bytes(2000)), heap.alloc(bytes(64_000)))).collect();
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
    untouched(blocks[6000], blocks[24_000], PAGE, || free(3000..5000));
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
    untouched(gaps[50], gaps[149], PAGE, || {
        let blocks: Vec<_> = (0..100_000).map(|_| heap.alloc(bytes(100))).collect();
        blocks.iter().for_each(|block| heap.free(*block, bytes(100)));
    });
}

/// A box that is made and dropped again and again, alone in its class, doesn't make a run each time.
#[test]
fn keeps_the_run_of_a_box() {
    let heap = Alone::new();
    let block = heap.alloc(bytes(48));
    heap.alloc(bytes(40_000));
    heap.free(block, bytes(48));
    // What follows the run has its header in the run's last word. If the run goes back, that is noted there.
    let end = block.map_addr(|address| (address + 1).next_multiple_of(16 * KIB));
    untouched(block, end, page_size(), || (0..100).for_each(|_| heap.free(heap.alloc(bytes(48)), bytes(48))));
}

/// The thread that holds the lock gets a signal. Its handler returns when the other thread, which waits for the lock,
/// sleeps.
#[test]
fn a_thread_waits_in_the_kernel() {
    static GUARDED: AtomicPtr<u8> = AtomicPtr::new(null_mut());
    static HELD: AtomicBool = AtomicBool::new(false);
    static WAITS: AtomicI32 = AtomicI32::new(0);
    static SLEPT: AtomicBool = AtomicBool::new(false);
    extern "C" fn on_signal(_: libc::c_int) {
        HELD.store(true, SeqCst);
        let end = Instant::now() + Duration::from_secs(20);
        while !SLEPT.load(SeqCst) && Instant::now() < end {
            let stat = std::fs::read_to_string(format!("/proc/self/task/{}/stat", WAITS.load(SeqCst)));
            SLEPT.store(stat.is_ok_and(|stat| stat.contains(") S ")), SeqCst);
        }
        set_access(GUARDED.load(SeqCst), PAGE, true);
    }

    let heap = Alone::new();
    let (_below, block, _above) = (heap.alloc(bytes(200_000)), heap.alloc(bytes(100_000)), heap.alloc(bytes(2000)));
    heap.free(block, bytes(100_000));
    // The header of the free block is in here, and nothing but this heap.
    GUARDED.store(block.map_addr(|address| (address - 1) / PAGE * PAGE), SeqCst);
    set_access(GUARDED.load(SeqCst), PAGE, false);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| {
            // SAFETY: the call only returns a number.
            WAITS.store(unsafe { libc::gettid() }, SeqCst);
            while !HELD.load(SeqCst) {
                spin_loop();
            }
            // SAFETY: the size isn't 0.
            unsafe { heap.heap.alloc(bytes(3000)) }.addr()
        });
        // SAFETY: the handler uses no more than a thread may that is in the middle of `alloc`.
        let before = unsafe { libc::signal(libc::SIGSEGV, on_signal as extern "C" fn(_) as usize) };
        while WAITS.load(SeqCst) == 0 {
            spin_loop();
        }
        let again = heap.alloc(bytes(100_000));
        // If there was no signal, the other thread doesn't wait for it for ever.
        HELD.store(true, SeqCst);
        assert_eq!(again, block);
        // SAFETY: this is what was there before.
        unsafe { libc::signal(libc::SIGSEGV, before) };
        assert!(waits.join().unwrap() > 0 && SLEPT.load(SeqCst));
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

/// When a block at the top becomes smaller, the break moves down, though a run without a block in use lies above it.
#[test]
fn gives_memory_back_when_a_block_shrinks() {
    let heap = Alone::new();
    let large = heap.alloc(bytes(50 * MIB));
    // SAFETY: the block has so many bytes.
    unsafe { large.write_bytes(1, 50 * MIB) };
    heap.free(heap.alloc(bytes(800)), bytes(800));
    assert_eq!(heap.realloc(large, bytes(50 * MIB), 2000), large);
    assert!(heap.size() <= 512 * KIB, "{}", heap.size());
}

/// Above others, there is room for the whole of a block, wherever they end.
#[test]
fn has_room_above_others() {
    // The break moves to multiples of 64 KiB. So these sizes leave the least room with one alignment or the other.
    let sizes = (128 * KIB - 128..128 * KIB).chain(160 * KIB - 64..160 * KIB + 64).step_by(3);
    for size in sizes.chain([150 * KIB, 900 * KIB]) {
        for align in [1, 16 * KIB] {
            let (heap, layout) = (Alone::new(), Layout::from_size_align(size, align).expect("valid"));
            heap.free(heap.alloc(bytes(100 * KIB)), bytes(100 * KIB));
            others_take(align.saturating_sub(64) + size % 61);
            let block = heap.alloc(layout);
            assert!(block.addr() + size <= now(), "{layout:?}");
        }
    }
}

/// What is free is used before what is at the top. The break comes down, whatever is freed last, and whatever is left
/// below.
#[test]
fn uses_memory_again_and_gives_it_back() {
    let heap = Alone::new();
    heap.alloc(bytes(48));
    let large = heap.alloc(bytes(8 * MIB));
    let mut small: Vec<_> = (0..20_000).map(|_| heap.alloc(bytes(48))).collect();
    // These are in full runs.
    let end = small.iter().max().unwrap().wrapping_add(16 * KIB);
    small.iter().step_by(2).for_each(|block| heap.free(*block, bytes(48)));
    small.iter_mut().step_by(2).for_each(|block| *block = heap.alloc(bytes(48)));
    assert!(small.iter().all(|block| *block < end));
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

/// The kernel is asked for huge pages where memory is filled, and not where it is only reserved.
#[test]
fn asks_for_huge_pages_where_memory_is_filled() {
    let heap = Alone::new();
    let reserved = (0..10).map(|_| heap.alloc(bytes(10 * MIB))).last().unwrap();
    let grown_to_reserve = heap.realloc(heap.alloc(bytes(2000)), bytes(2000), 10 * MIB);
    let grown = heap.realloc(heap.alloc(bytes(8 * MIB)), bytes(8 * MIB), 16 * MIB);
    let small = (0..100_000).map(|_| heap.alloc(bytes(48))).last().unwrap();
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let is_advised = |block: *mut u8| {
        let is_there = |line: &&str| {
            let range = line.split(' ').next().and_then(|range| range.split_once('-'));
            let address = |word| usize::from_str_radix(word, 16).ok();
            range.is_some_and(|(start, end)| address(start) <= Some(block.addr()) && Some(block.addr()) < address(end))
        };
        let flags = maps.lines().skip_while(|line| !is_there(line)).find(|line| line.starts_with("VmFlags:"));
        flags.unwrap().contains(" hg")
    };
    let [reserved, grown_to_reserve] = [reserved, grown_to_reserve].map(|block| block.wrapping_add(5 * MIB));
    assert!(!is_advised(reserved) && !is_advised(grown_to_reserve));
    // A kernel without huge pages can't be asked, and one with larger pages refuses.
    let there_are = std::fs::exists("/sys/kernel/mm/transparent_hugepage").unwrap();
    if there_are && page_size() == 4096 {
        assert!(is_advised(grown.wrapping_add(12 * MIB)) && is_advised(small));
    }
}

/// The break moves up by half of the heap, but not by more than 32 MiB, if that is more than what is needed.
#[test]
fn moves_the_break_up_in_large_steps() {
    let heap = Alone::new();
    for size in [10_000, 100_000, MIB, 100 * MIB] {
        for _ in 0..100 * MIB / size {
            let (before, calls) = (heap.size(), heap.heap.brk_calls());
            heap.alloc(bytes(size));
            let step = heap.size() - before;
            // The other call looks up where the break is.
            assert_eq!(heap.heap.brk_calls() - calls, if step > 0 { 2 } else { 0 });
            assert!(step == 0 || step >= (before / 2).min(32 * MIB), "{step} bytes after {before}");
            assert!(step <= max(before / 2, size).min(max(size, 32 * MIB)) + 2 * MIB, "{step} bytes after {before}");
        }
    }
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
