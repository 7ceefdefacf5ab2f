//! Millions of random steps on the heap, with the contents checked; a limit reached in the middle; somebody else's
//! break.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;
use core::fmt::Write;
use program_break::stdio::{LineWriter, STDOUT};
use program_break::{Error, current_break, move_break};
use program_break_malloc::Heap;
use syscalls::{Sysno, syscall};

#[global_allocator]
static HEAP: Heap = Heap::new();

program_break::entry!(main);

const SEED: u64 = 0x5eed;

/// Marsaglia's xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 as usize % limit
    }

    fn size(&mut self) -> usize {
        let bits = if self.below(100) == 0 { 18 } else { self.below(11) };
        1 + self.below(1 << bits)
    }
}

/// Each block is full of a number, which is known beside it.
#[track_caller]
fn check(block: &[u8], number: u8) {
    assert!(block.iter().all(|byte| *byte == number), "a block of {} bytes has been overwritten", block.len());
}

fn steps(count: usize, random: &mut Random) {
    let mut blocks: Vec<(Vec<u8>, u8)> = Vec::new();
    for step in 0..count {
        let number = step as u8;
        match random.below(5) {
            0 | 1 => {
                let mut block = alloc::vec![0; random.size()];
                check(&block, 0);
                block.fill(number);
                blocks.push((block, number));
            }
            2 if !blocks.is_empty() => {
                let which = random.below(blocks.len());
                let (block, number) = &mut blocks[which];
                block.resize(random.size(), *number);
                block.shrink_to_fit();
                check(block, *number);
            }
            _ if blocks.len() > 100 || step % 3 == 0 && !blocks.is_empty() => {
                let which = random.below(blocks.len());
                let (block, number) = blocks.swap_remove(which);
                check(&block, number);
            }
            _ => {}
        }
    }
    blocks.iter().for_each(|(block, number)| check(block, *number));
}

fn moved(from: usize) -> usize {
    current_break().unwrap() as usize - from
}

fn main() -> Result<(), Error> {
    let mut out = LineWriter::new(STDOUT);
    let start = current_break().unwrap();
    // Somebody else has used a page, and left the break in the middle of it: the heap may not take it for new.
    // SAFETY: up, and back down to bytes that are not used again.
    unsafe {
        move_break(start.wrapping_add(4096)).unwrap();
        start.write_bytes(9, 4096);
        move_break(start.wrapping_add(8)).unwrap();
    }
    check(&alloc::vec![0; 2500], 0);
    let start = start as usize;
    let mut random = Random(SEED);

    // The first small blocks lie above a large one, and are freed last.
    let mut most = 0;
    for order in 0..3 {
        let large: Vec<u8> = Vec::with_capacity(8 << 20);
        let mut blocks: Vec<_> = (0..20_000).map(|_| alloc::boxed::Box::new([1_u8; 48])).collect();
        drop(large);
        while !blocks.is_empty() {
            blocks.swap_remove([0, blocks.len() - 1, random.below(blocks.len())][order]);
        }
        drop(blocks);
        most = most.max(moved(start));
    }
    // `format!` is there to be linked: the `alloc` crate as it is delivered has code in it that can unwind.
    let _ = writeln!(out, "{}", alloc::format!("seed {SEED:#x}"));
    let _ = writeln!(out, "kept {most}");

    steps(if cfg!(debug_assertions) { 1_000_000 } else { 10_000_000 }, &mut random);
    let _ = writeln!(out, "kept {}", moved(start));

    // One small block that stays doesn't keep what is above it.
    let below = alloc::boxed::Box::new([1_u8; 48]);
    let large: Vec<u8> = Vec::with_capacity(100 << 20);
    let above: Vec<_> = (0..2000).map(|_| alloc::boxed::Box::new([1_u8; 100])).collect();
    drop(large);
    drop(above);
    let _ = writeln!(out, "given back {}", moved(start) < 2 << 20);
    drop(below);

    // At the top of the heap a block grows where it is.
    let mut top: Vec<u8> = Vec::with_capacity(1_000_000);
    let before = top.as_ptr();
    top.reserve_exact(10_000_000);
    let _ = writeln!(out, "grown in place {}", before == top.as_ptr());
    // Memory that is new is not touched to zero it: so it is no part of what is resident. (But for its two ends, where
    // others have touched a huge page.)
    let pages = |zeroed: &Vec<u8>| {
        let mut resident = alloc::vec![0_u8; zeroed.len() / 4096 + 1];
        // Where a page starts, of any size that there is.
        let first = zeroed.as_ptr() as usize & !0xffff;
        // SAFETY: there is one byte for each page.
        unsafe { syscall!(Sysno::mincore, first, zeroed.len(), resident.as_mut_ptr()) }.unwrap();
        resident.iter().filter(|page| **page & 1 == 1).count()
    };
    let mut zeroed: Vec<u8> = alloc::vec![0; 32 << 20];
    let _ = writeln!(out, "few pages touched {}", pages(&zeroed) < 2048);
    check(&zeroed, 0);
    zeroed.fill(1);
    drop((top, zeroed));

    // A limit, reached in the middle, and lifted.
    const RLIMIT_DATA: usize = 2;
    let limit = |bytes: u64| {
        let limit = [bytes, u64::MAX];
        // SAFETY: the kernel only reads the limit.
        unsafe { syscall!(Sysno::prlimit64, 0, RLIMIT_DATA, limit.as_ptr(), 0) }.unwrap();
    };
    limit(moved(start) as u64 + (2 << 20));
    let mut blocks = Vec::new();
    let refused = loop {
        let mut block = Vec::<u8>::new();
        if block.try_reserve_exact(100_000).is_err() || blocks.len() == 1000 {
            break block;
        }
        block.resize(100_000, 7);
        blocks.push(block);
    };
    let _ = writeln!(out, "refused {}", refused.capacity() == 0 && (10..30).contains(&blocks.len()));
    blocks.iter().for_each(|block| check(block, 7));
    blocks.truncate(5);
    let mut again = Vec::<u8>::new();
    let _ = writeln!(out, "and on {}", again.try_reserve_exact(100_000).is_ok());
    limit(u64::MAX);
    drop((blocks, again));
    // A limit that leaves room for what is asked, rounded up to 64 KiB, and for the program's data, which counts too.
    // Mostly it leaves none for what is rounded up to huge pages.
    let large: Vec<u8> = Vec::with_capacity(32 << 20);
    limit(moved(start) as u64 + 8_300_000);
    let _ = writeln!(out, "and as much as there is {}", Vec::<u8>::new().try_reserve_exact(11_000_000).is_err());
    let mut fits = Vec::<u8>::new();
    let _ = writeln!(out, "to the last {}", fits.try_reserve_exact(8_200_000).is_ok());
    limit(u64::MAX);
    drop((large, fits));
    // A block below another one can't grow in place, and the heap doesn't grow in vain for it.
    let mut below: Vec<u8> = Vec::with_capacity(20 << 20);
    let above = alloc::boxed::Box::new([1_u8; 20]);
    limit(moved(start) as u64 + (45 << 20));
    let _ = writeln!(out, "not in vain {}", below.try_reserve_exact(40 << 20).is_ok());
    limit(u64::MAX);
    drop((below, above));

    // Blocks that are freed in full runs are used again.
    let new = |_| Some(alloc::boxed::Box::new([1_u8; 48]));
    let mut boxes: Vec<_> = (0..100_000).map(new).collect();
    let before = current_break().unwrap();
    boxes.iter_mut().step_by(2).for_each(|one| *one = None);
    boxes.iter_mut().step_by(2).for_each(|one| *one = new(0));
    let _ = writeln!(out, "used again {}", current_break().unwrap() == before);
    drop(boxes);

    // Somebody else moves the break up, and the heap leaves that alone. (More than it would keep at the most.)
    let top = core::hint::black_box(Vec::<u8>::with_capacity(16 << 20));
    let foreign = current_break().unwrap();
    // SAFETY: up, and then only these bytes are used.
    let bytes = unsafe {
        move_break(foreign.wrapping_add(5000)).unwrap();
        core::slice::from_raw_parts_mut(foreign, 5000)
    };
    bytes.fill(9);
    // Free memory below it stays where it is.
    drop(top);
    let _ = writeln!(out, "left alone {}", current_break().unwrap() == foreign.wrapping_add(5000));
    steps(100_000, &mut random);
    let end = current_break().unwrap();
    let _ = writeln!(out, "apart {}", bytes.iter().all(|byte| *byte == 9) && end as usize >= foreign as usize + 5000);
    let _ = writeln!(out, "kept {}", moved(start));
    out.result
}
