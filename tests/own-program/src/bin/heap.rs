//! A million random steps on the heap, with the contents checked; a limit reached in the middle; somebody else's break.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;
use core::fmt::Write;
use program_break::malloc::Heap;
use program_break::stdio::{LineWriter, STDOUT};
use program_break::{current_break, move_break, start::exit};
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

/// Each block is full of its own number.
fn check(block: &[u8]) {
    assert!(block.iter().all(|byte| *byte == block[0]), "a block of {} has been overwritten", block.len());
}

fn steps(count: usize, random: &mut Random) {
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    for step in 0..count {
        match random.below(5) {
            0 | 1 => {
                let mut block = alloc::vec![0; random.size()];
                check(&block);
                block.fill(step as u8);
                blocks.push(block);
            }
            2 if !blocks.is_empty() => {
                let which = random.below(blocks.len());
                let block = &mut blocks[which];
                let size = random.size();
                block.resize(size.max(1), block[0]);
                block.shrink_to_fit();
                check(block);
            }
            _ if blocks.len() > 100 || step % 3 == 0 && !blocks.is_empty() => {
                let which = random.below(blocks.len());
                check(&blocks.swap_remove(which));
            }
            _ => {}
        }
    }
    blocks.iter().for_each(|block| check(block));
}

fn moved(from: usize) -> usize {
    current_break() as usize - from
}

extern "C" fn main() -> ! {
    let mut out = LineWriter::new(STDOUT);
    let _ = writeln!(out, "seed {SEED:#x}");
    let start = current_break() as usize;
    let mut random = Random(SEED);
    steps(1_000_000, &mut random);
    let _ = writeln!(out, "kept {}", moved(start));

    // At the top of the heap a block grows where it is.
    let mut top: Vec<u8> = Vec::with_capacity(1_000_000);
    let before = top.as_ptr();
    top.reserve_exact(10_000_000);
    let _ = writeln!(out, "grown in place {}", before == top.as_ptr());
    // Memory that is new is not touched to zero it: so it is no part of what is resident.
    let pages = |zeroed: &Vec<u8>| {
        let mut resident = alloc::vec![0_u8; zeroed.len() / 4096 + 1];
        let first = zeroed.as_ptr() as usize & !4095;
        // SAFETY: there is one byte for each page.
        unsafe { syscall!(Sysno::mincore, first, zeroed.len(), resident.as_mut_ptr()) }.unwrap();
        resident.iter().filter(|page| **page & 1 == 1).count()
    };
    let mut zeroed: Vec<u8> = alloc::vec![0; 8 << 20];
    let _ = writeln!(out, "few pages touched {}", pages(&zeroed) < 200);
    check(&zeroed);
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
    blocks.iter().for_each(|block| check(block));
    blocks.truncate(5);
    let mut again = Vec::<u8>::new();
    let _ = writeln!(out, "and on {}", again.try_reserve_exact(100_000).is_ok());
    limit(u64::MAX);
    drop((blocks, again));

    // Somebody else moves the break up, and the heap leaves that alone.
    let foreign = current_break();
    // SAFETY: up, and then only these bytes are used.
    let bytes = unsafe {
        move_break(foreign.wrapping_add(5000)).unwrap();
        core::slice::from_raw_parts_mut(foreign, 5000)
    };
    bytes.fill(9);
    steps(100_000, &mut random);
    let end = current_break();
    let _ = writeln!(out, "apart {}", bytes.iter().all(|byte| *byte == 9) && end as usize >= foreign as usize + 5000);
    let _ = writeln!(out, "kept {}", moved(start));
    exit(0)
}
