//! What the heap promises, in a program that has nothing else: when memory goes back, what is touched, limits, and
//! others on the break. A promise that isn't kept is a panic.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::boxed::Box;
use alloc::vec::Vec;
use program_break::{current_break, move_break};
use program_break_malloc::Heap;
use syscalls::{Sysno, syscall};

#[global_allocator]
static HEAP: Heap = Heap::new();

program_break::entry!(main);

/// The most that stays with a heap that has never grown again after it had shrunk, in bytes.
const RESERVE: usize = 512 << 10;

fn now() -> usize {
    current_break().unwrap().addr()
}

/// Sets how many bytes of data the process may have (`RLIMIT_DATA` in man 2 getrlimit).
fn limit(bytes: u64) {
    const RLIMIT_DATA: usize = 2;
    let limit = [bytes, u64::MAX];
    // SAFETY: the kernel only reads the limit.
    unsafe { syscall!(Sysno::prlimit64, 0, RLIMIT_DATA, limit.as_ptr(), 0) }.unwrap();
}

fn reserve(bytes: usize) -> Option<Vec<u8>> {
    let mut block = Vec::new();
    block.try_reserve_exact(bytes).ok().map(|()| block)
}

/// How many pages of a block the kernel has mapped. At the ends of the block, up to 64 KiB are left out.
fn resident(block: &[u8]) -> usize {
    // A page starts here, whatever the size of a page is.
    let first = block.as_ptr().addr().next_multiple_of(64 << 10);
    let mut pages = alloc::vec![0_u8; block.len() / 4096];
    // SAFETY: there is one byte for each page.
    unsafe { syscall!(Sysno::mincore, first, block.len() - (64 << 10), pages.as_mut_ptr()) }.unwrap();
    pages.iter().filter(|page| **page & 1 == 1).count()
}

fn main() -> Result<(), program_break::Error> {
    // Somebody else has used a page, and left the break in the middle of it: the heap may not take it for new.
    let old = current_break().unwrap();
    // SAFETY: the break moves up, and back down to where nothing is used again.
    unsafe {
        move_break(old.wrapping_add(4096)).unwrap();
        old.write_bytes(9, 4096);
        move_break(old.wrapping_add(8)).unwrap();
    }
    assert!(alloc::vec![0_u8; 2500].iter().all(|byte| *byte == 0));
    let start = old.addr();

    gives_back(start);
    touches_little();
    uses_again();
    grows_in_place();
    keeps_to_limits(start);
    leaves_others_alone();
    // This has to link: the `alloc` crate as it is delivered has code in it that can unwind.
    assert!(alloc::format!("{start:#x}").starts_with("0x"));
    Ok(())
}

/// New memory is not touched to zero it, except at its two ends, where others may have touched a huge page.
fn touches_little() {
    let zeroed = alloc::vec![0_u8; 32 << 20];
    assert!(resident(&zeroed) < 2048);
    assert!(zeroed.iter().all(|byte| *byte == 0));
}

/// The break comes down, whatever is freed last, and whatever is left below.
fn gives_back(start: usize) {
    let below = Box::new([1_u8; 48]);
    let large: Vec<u8> = Vec::with_capacity(8 << 20);
    let small: Vec<_> = (0..20_000).map(|_| Box::new([1_u8; 48])).collect();
    drop(large);
    small.into_iter().rev().for_each(drop);
    assert!(now() - start <= RESERVE, "{}", now() - start);
    drop(below);
}

/// What is free below is used before what is at the top.
fn uses_again() {
    // Blocks that are freed in full runs.
    let new = || Some(Box::new([1_u8; 48]));
    let mut boxes: Vec<_> = (0..100_000).map(|_| new()).collect();
    let before = now();
    boxes.iter_mut().step_by(2).for_each(|one| *one = None);
    boxes.iter_mut().step_by(2).for_each(|one| *one = new());
    assert_eq!(now(), before);
    drop(boxes);

    // Also where there is more room at the top.
    let [below, above] = [reserve(1 << 20).unwrap(), reserve(1 << 20).unwrap()];
    let place = below.as_ptr();
    drop(below);
    let again = reserve(1 << 20).unwrap();
    assert!(again.as_ptr() <= place);
    drop((again, above));
}

/// A block at the top of the heap grows where it is.
fn grows_in_place() {
    // No gap is so large.
    let mut top: Vec<u8> = Vec::with_capacity(64 << 20);
    let before = top.as_ptr();
    top.reserve_exact(100 << 20);
    assert_eq!(top.as_ptr(), before);
}

/// The heap goes on working when a limit is reached, and when it is lifted.
fn keeps_to_limits(start: usize) {
    limit((now() - start) as u64 + (2 << 20));
    let mut blocks = Vec::with_capacity(10_000);
    while let Some(mut block) = reserve(100_000) {
        block.resize(100_000, 7);
        blocks.push(block);
    }
    assert!(blocks.iter().flatten().all(|byte| *byte == 7));
    blocks.truncate(5);
    assert!(reserve(100_000).is_some());
    limit(u64::MAX);
    drop(blocks);

    // The heap gets nearly all that the limit allows. The program's data counts, too.
    let large = reserve(200 << 20);
    let more = 60 << 20;
    limit((now() - start + more + (256 << 10)) as u64);
    // The heap has a reserve, but not so much.
    assert!(reserve(more + (40 << 20)).is_none());
    assert!(reserve(more).is_some());
    limit(u64::MAX);
    drop(large);
}

/// If somebody else moves the break up, the heap leaves that memory alone.
fn leaves_others_alone() {
    let top = reserve(60 << 20);
    let others = current_break().unwrap();
    // SAFETY: the break moves up, and then only these bytes are used.
    let bytes = unsafe {
        move_break(others.wrapping_add(5000)).unwrap();
        core::slice::from_raw_parts_mut(others, 5000)
    };
    bytes.fill(9);
    // Free memory below it stays where it is, and is used.
    drop(top);
    assert_eq!(now(), others.addr() + 5000);
    let again = reserve(60 << 20).unwrap();
    assert!(again.as_ptr().addr() < others.addr());
    let above: Vec<_> = (0..1000).map(|n| alloc::vec![7_u8; n * 100]).collect();
    let large = reserve(200 << 20).unwrap();
    assert!(large.as_ptr().addr() >= others.addr() + 5000);
    drop((again, above, large));
    assert!(bytes.iter().all(|byte| *byte == 9));
    assert!(now() >= others.addr() + 5000);
}
