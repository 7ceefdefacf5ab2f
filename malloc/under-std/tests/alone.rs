//! The heap alone on the break: how often it moves the break, and how far, in cases that are hard for a heap.

use program_break::{current_break, move_break};
use program_break_malloc::Heap;
use std::alloc::{GlobalAlloc, Layout};
use std::ptr::with_exposed_provenance_mut;
use std::sync::{LockResult, Mutex, MutexGuard};
use under_std::memory;

#[used]
#[unsafe(link_section = ".init_array")]
static FIRST: extern "C" fn() = under_std::before_the_heap;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// The largest size of a page on the supported architectures, in bytes.
const PAGE: usize = 64 * KIB;

/// A heap. As long as it exists, no other test has one.
struct Alone {
    heap: Heap,
    start: usize,
    _turn: LockResult<MutexGuard<'static, ()>>,
}

fn bytes(size: usize) -> Layout {
    Layout::from_size_align(size, 1).unwrap()
}

fn now() -> usize {
    current_break().unwrap().addr()
}

/// Moves the break up by `bytes`, as others do, and fills the new memory with 9.
fn others_take(bytes: usize) -> &'static [u8] {
    let start = current_break().unwrap();
    // SAFETY: the break moves up, and nobody else uses the memory between the old break and the new one.
    unsafe {
        move_break(start.wrapping_add(bytes)).expect("memory");
        start.write_bytes(9, bytes);
        std::slice::from_raw_parts(start, bytes)
    }
}

/// Does something while the break can move up by `bytes`, but not by 128 KiB more: another mapping is in the way, and
/// the kernel leaves a page below it free.
fn with_room(bytes: usize, action: impl FnOnce()) {
    let obstacle = with_exposed_provenance_mut((now() + bytes).next_multiple_of(PAGE) + PAGE);
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: nothing else is there.
    assert_eq!(unsafe { libc::mmap(obstacle, PAGE, libc::PROT_NONE, flags, -1, 0) }, obstacle);
    action();
    // SAFETY: nobody uses it.
    assert_eq!(unsafe { libc::munmap(obstacle, PAGE) }, 0);
}

impl Alone {
    fn new() -> Alone {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock();
        Alone { heap: Heap::new(), start: now(), _turn: turn }
    }

    /// How many bytes the break has moved up.
    fn size(&self) -> usize {
        now() - self.start
    }

    /// Returns a block, or null.
    fn aligned(&self, size: usize, align: usize) -> *mut u8 {
        // SAFETY: the size isn't 0.
        unsafe { self.heap.alloc(Layout::from_size_align(size, align).unwrap()) }
    }

    fn alloc(&self, size: usize) -> *mut u8 {
        let block = self.aligned(size, 1);
        assert!(!block.is_null());
        block
    }

    fn free(&self, block: *mut u8, size: usize) {
        // SAFETY: the block is from this heap, and in the class of this size, or large.
        unsafe { self.heap.dealloc(block, bytes(size)) }
    }

    fn resize(&self, block: *mut u8, old: usize, new: usize) -> *mut u8 {
        // SAFETY: the block is from this heap, and has this size.
        unsafe { self.heap.realloc(block, bytes(old), new) }
    }
}

/// A large block, or many small ones at a time, on heaps of many sizes.
#[test]
fn the_same_blocks_over_and_over_take_few_calls() {
    for (size, count, turns) in [(300 * KIB, 1, 3000), (32 * MIB, 1, 250_000), (100, 10_000, 20)] {
        for below in [2000, 3 * MIB, 6 * MIB, 9 * MIB] {
            let heap = Alone::new();
            heap.alloc(below);
            for turn in 0..turns {
                let mut blocks: Vec<_> = (0..count).map(|_| heap.alloc(size)).collect();
                blocks.rotate_left(turn % count);
                blocks.into_iter().for_each(|block| heap.free(block, size));
            }
            let calls = heap.heap.brk_calls();
            assert!(calls <= 40, "{calls} calls for {count} blocks of {size} bytes above {below}");
        }
    }
}

/// Where nothing is left at the top, blocks are in what is free below others, though most of it is a little too small
/// for the large ones. Of the room for small blocks, each takes less than five times its size. When the kernel has
/// little left, the heap takes no more than it needs.
#[test]
fn finds_room_below_others_to_the_last() {
    for (size, align) in [(90_000, 1), (90_000, 4096), (90_000, 64 * KIB), (16, 1), (16, 16), (512, 512)] {
        let heap = Alone::new();
        let fill = |size, align| -> Vec<_> {
            std::iter::repeat_with(|| heap.aligned(size, align)).take_while(|block| !block.is_null()).collect()
        };
        let room = heap.aligned(90_000, align);
        let gaps: Vec<_> = (1..100).map(|n| (heap.alloc(2000), heap.alloc(90_000 - 32 * n)).1).collect();
        with_room(0, || {
            [100_000, 1100, 16].iter().for_each(|&size| drop(fill(size, 1)));
            [room].iter().chain(&gaps).for_each(|gap| heap.free(*gap, 90_000));
            let blocks = fill(size, align);
            let least = if size == 90_000 { 1 } else { 100 * 86_000 / 5 / size };
            assert!(blocks.len() >= least, "{} of {size} bytes, aligned to {align}", blocks.len());
            assert!(blocks.iter().all(|block| block.addr().is_multiple_of(align)), "{blocks:?}");
        });
        with_room(MIB, || assert!(heap.aligned(2 * MIB, 1).is_null() && !heap.aligned(1000 * KIB, 1).is_null()));
    }
}

/// Many gaps are as large as a run, but have no room for one at a multiple of 16 KiB. A search for a run touches few.
#[test]
fn finds_room_for_a_run_without_a_long_search() {
    let heap = Alone::new();
    let gap = |_| (heap.aligned(66_000, 16 * KIB), heap.alloc(25_000), heap.alloc(20_000)).1;
    let gaps: Vec<_> = (0..200).map(gap).collect();
    // The last ones that are freed are the first that are tried.
    (50..150).chain(0..50).chain(150..200).for_each(|n| heap.free(gaps[n], 25_000));
    let start = gaps[50].map_addr(|address| address.next_multiple_of(PAGE));
    let size = (gaps[149].addr() - start.addr()) / PAGE * PAGE;
    // SAFETY: the blocks there aren't used again.
    assert_eq!(unsafe { libc::mprotect(start.cast(), size, libc::PROT_NONE) }, 0);
    (0..50_000).for_each(|_| _ = heap.alloc(100));
}

/// The break comes down, though others have had memory above it for some time. What others have is left alone.
#[test]
fn gives_memory_back_when_others_above_have_gone() {
    let heap = Alone::new();
    let again = |below: *const u8, size| {
        for _ in 0..100_000 {
            let block = heap.alloc(size);
            assert!(block.cast_const() < below, "what is free below others is used");
            heap.free(block, size);
        }
    };
    let block = heap.alloc(51 * MIB);
    let others = others_take(5000).as_ptr_range();
    heap.free(block, 51 * MIB);
    assert_eq!(now(), others.end.addr());
    again(others.start, 2000);
    assert!(heap.heap.brk_calls() <= 40);
    // SAFETY: the break moves down to where it was, and nothing above is used.
    unsafe { move_break(others.start.cast_mut()) }.expect("down");
    again(others.start, 2000);
    assert!(heap.size() < MIB, "{}", heap.size());

    // A block that can't grow, since others are above it, moves above their memory, and its old place is used again.
    // The heap gives back what is above others, however often it could not give back what is below them.
    let below = heap.alloc(130 * MIB);
    let others = others_take(5000);
    let end = others.as_ptr_range().end.addr();
    heap.free(below, 130 * MIB);
    again(others.as_ptr(), 130 * MIB);
    let moved = heap.resize(heap.alloc(130 * MIB), 130 * MIB, 160 * MIB);
    assert!(moved.addr() >= end);
    assert_eq!(heap.alloc(130 * MIB), below);
    heap.free(moved, 160 * MIB);
    assert!(now() - end < MIB && others.iter().all(|&byte| byte == 9), "{} bytes stay", now() - end);
}

/// Above others, there is room for the whole of a block, wherever they end. What was free below them is used too.
#[test]
fn has_room_above_others() {
    // The break moves to multiples of 64 KiB. So these sizes and this alignment leave the least room.
    for size in (160 * KIB - 64..160 * KIB + 64).step_by(3) {
        let heap = Alone::new();
        let first = heap.alloc(MIB);
        // SAFETY: the block has so many bytes.
        unsafe { first.write_bytes(0xff, MIB) };
        heap.free(first, MIB);
        others_take(16 * KIB - 64 + size % 61);
        let (above, below) = (heap.aligned(size, 16 * KIB), heap.alloc(64 * KIB));
        assert!(above.addr() + size <= now() && below < above, "{size} bytes");
    }
}

/// What is free is used before what is at the top. The break comes down, whatever is freed last, and whatever is left
/// below.
#[test]
fn uses_memory_again_and_gives_it_back() {
    let heap = Alone::new();
    // A block that has grown coalesces with what is free before it.
    let [first, second, third, _] = [10_000; 4].map(|size| heap.alloc(size));
    heap.free(first, 10_000);
    heap.free(third, 10_000);
    assert_eq!(heap.resize(second, 10_000, 15_000), second);
    heap.free(second, 15_000);
    assert_eq!(heap.alloc(30_000), first);

    // A box that is dropped doesn't take its run with it, so one that is made and dropped over and over makes no runs.
    let (small, large) = (heap.alloc(48), heap.alloc(8 * MIB));
    // SAFETY: the header is the word before the block. If the run below goes back, that is noted there.
    let header = || unsafe { large.cast::<usize>().sub(1).read() };
    let before = header();
    heap.free(small, 48);
    assert_eq!(header(), before);

    let mut small: Vec<_> = (0..20_000).map(|_| heap.alloc(48)).collect();
    // These are in full runs.
    let end = small.iter().max().unwrap().wrapping_add(16 * KIB);
    small.iter().step_by(2).for_each(|block| heap.free(*block, 48));
    small.iter_mut().step_by(2).for_each(|block| *block = heap.alloc(48));
    assert!(small.iter().all(|block| *block < end));
    heap.free(large, 8 * MIB);
    small.iter().rev().for_each(|block| heap.free(*block, 48));

    // A block at the top grows where it is, and becomes smaller below a run without a block in use.
    let large = heap.alloc(30 * MIB);
    assert_eq!(heap.resize(large, 30 * MIB, 50 * MIB), large);
    heap.free(heap.alloc(800), 800);
    assert_eq!(heap.resize(large, 50 * MIB, 2000), large);
    assert!(heap.size() <= 512 * KIB, "{}", heap.size());
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
        // SAFETY: the size isn't 0, and the block has so many bytes.
        let block = unsafe { std::slice::from_raw_parts(heap.heap.alloc_zeroed(bytes(size)), size) };
        // In KiB, and the kernel may give a huge page at the first access.
        assert!(memory("VmRSS:") < before + 4096);
        assert!(block.iter().all(|byte| *byte == 0));
    }
}

/// Heaps in two threads never take each other's memory, though both move the break.
#[test]
fn several_heaps_share_the_break() {
    let alone = Alone::new();
    let layout = bytes(200 * KIB);
    let (times, turns) = if cfg!(miri) { (1, 1) } else { (500, 10) };
    let work = |fill: u8| {
        for _ in 0..turns {
            let heaps: [_; 20] = std::array::from_fn(|_| Heap::new());
            // SAFETY: the blocks are from these heaps, and have so many bytes.
            unsafe {
                let blocks = heaps.each_ref().map(|heap| heap.alloc(layout));
                blocks.iter().for_each(|block| block.write(fill));
                assert!(blocks.iter().all(|block| block.read() == fill));
                heaps.iter().zip(blocks).for_each(|(heap, block)| heap.dealloc(block, layout));
            }
        }
    };
    for _ in 0..times {
        std::thread::scope(|scope| (1..=2).for_each(|fill| drop(scope.spawn(move || work(fill)))));
        // SAFETY: the heaps are gone.
        unsafe { move_break(with_exposed_provenance_mut(alone.start)) }.expect("down");
    }
}

/// Blocks of the sizes that programs ask for most lie side by side, and so do those that are aligned to a page. The
/// break comes down when all but one are freed.
#[test]
fn blocks_take_little_more_than_their_size() {
    for (size, align) in [(24, 8), (40, 8), (4096, 4096), (8192, 8192), (65_536, 65_536)] {
        let heap = Alone::new();
        let blocks: Vec<_> = (0..1000).map(|_| heap.aligned(size, align)).collect();
        let taken = blocks.iter().max().unwrap().addr() - blocks.iter().min().unwrap().addr();
        assert!(taken < 1100 * size, "{taken} for 1,000 of {size} bytes, aligned to {align}");
        let layout = Layout::from_size_align(size, align).unwrap();
        // SAFETY: the blocks are from this heap, with this layout.
        blocks[1..].iter().rev().for_each(|block| unsafe { heap.heap.dealloc(*block, layout) });
        // A run of these blocks has room for fewer than 32, or is no larger than 16 KiB.
        let left = now() - blocks[0].addr();
        assert!(left < 32 * size + MIB, "{left} for one of {size} bytes, aligned to {align}");
    }
}

/// The kernel is asked for huge pages where memory is filled, and not where it is only reserved, or is somebody else's.
#[test]
fn asks_for_huge_pages_where_memory_is_filled() {
    let heap = Alone::new();
    // The top begins a little below a huge page, and ends a little above its start, where others begin.
    let next = heap.alloc(8 * MIB).addr() + 8 * MIB;
    heap.alloc(now() - next + 8 * MIB - 100 * KIB);
    with_room(256 * KIB, || heap.free(heap.alloc(200 * KIB), 200 * KIB));
    let others = others_take(2 * MIB).as_ptr().addr() + PAGE;
    (0..4000).for_each(|_| _ = heap.alloc(48));

    let reserved = (0..10).map(|_| heap.alloc(10 * MIB)).last().unwrap().addr() + 5 * MIB;
    let grown_to_reserve = heap.resize(heap.alloc(MIB), MIB, 10 * MIB).addr() + 5 * MIB;
    let grown = heap.resize(heap.alloc(8 * MIB), 8 * MIB, 16 * MIB).addr() + 12 * MIB;
    let small = (0..100_000).map(|_| heap.alloc(48)).last().unwrap().addr();
    let aligned = heap.aligned(64 * KIB, 64 * KIB).addr();

    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    // Other threads may change other mappings while this is read. The addresses are in ascending order all the same.
    let end = |line: &str| usize::from_str_radix(line.split(['-', ' ']).nth(1)?, 16).ok();
    let is_advised = |wanted| {
        let mut lines = maps.lines().skip_while(|line| end(line).is_none_or(|end| end <= wanted));
        lines.find(|line| line.starts_with("VmFlags:")).unwrap().contains(" hg")
    };
    assert_eq!([reserved, grown_to_reserve, aligned, others].map(is_advised), [false; 4]);
    // A kernel without huge pages can't be asked, and one with larger pages refuses.
    let there_are = std::fs::exists("/sys/kernel/mm/transparent_hugepage").unwrap();
    // SAFETY: the call only returns a number.
    if there_are && unsafe { libc::sysconf(libc::_SC_PAGESIZE) } == 4096 {
        assert_eq!([grown, small].map(is_advised), [true; 2]);
    }
}

/// The break moves up by half of the heap, but not by more than 32 MiB, if that is more than what is needed.
#[test]
fn moves_the_break_up_in_large_steps() {
    let heap = Alone::new();
    for size in [10_000, 100_000, MIB, 100 * MIB] {
        for _ in 0..100 * MIB / size {
            let (before, calls) = (heap.size(), heap.heap.brk_calls());
            heap.alloc(size);
            let step = heap.size() - before;
            // The other call looks up where the break is.
            assert_eq!(heap.heap.brk_calls() - calls, if step > 0 { 2 } else { 0 });
            assert!(step == 0 || step >= (before / 2).min(32 * MIB), "{step} bytes after {before}");
            assert!(step == 0 || before < 4 * MIB || now().is_multiple_of(2 * MIB), "{:#x}", now());
            assert!(step <= size.max(before / 2).min(size.max(32 * MIB)) + 2 * MIB, "{step} bytes after {before}");
        }
    }
    // After a trim that wasn't worth it, the break moves down for twice as much in addition to a quarter of the heap.
    drop(heap);
    let heap = Alone::new();
    for (size, stays) in [(10 * MIB, false), (28 * MIB, true), (60 * MIB, false)] {
        let (block, end) = (heap.alloc(size), now());
        heap.free(block, size);
        assert_eq!(now() == end, stays, "{size}");
    }
}

#[test]
fn little_stays_when_all_is_freed() {
    for seed in 0..100 {
        let (heap, mut random) = (Alone::new(), fastrand::Rng::with_seed(seed));
        let mut size = || 1 + random.usize(..) % (1 << random.usize(1..18));
        let mut blocks: Vec<_> = (0..2000).map(|_| size()).map(|size| (heap.alloc(size), size)).collect();
        random.shuffle(&mut blocks);
        blocks.into_iter().for_each(|(block, size)| heap.free(block, size));
        assert!(heap.size() <= 512 * KIB, "{}", heap.size());
    }
}

/// A panic would wait for the heap's lock, if the message is allocated there.
#[test]
fn a_header_that_was_overwritten_and_a_second_free_are_no_panic() {
    // The header of a block, or with the lowest bit that of a free block after it.
    for header in [0, 1, 16, 17, MIB, MIB + 1, usize::MAX - 15, usize::MAX - 14] {
        let heap = Alone::new();
        let [_, block, after, small, _] = [100_000, 10_000, 10_000, 200, 3 * MIB].map(|size| heap.alloc(size));
        heap.free(after, 10_000);
        // SAFETY: the header is the word before the block, and nobody else uses this heap.
        unsafe { [block, after][header % 2].cast::<usize>().sub(1).write(header) };
        heap.free(heap.resize(block, 10_000, 20_000), 20_000);
        [small; 2].iter().for_each(|block| heap.free(*block, 200));
    }
}
