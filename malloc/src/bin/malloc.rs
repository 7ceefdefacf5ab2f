//! From a free list to a heap that is quick, also for threads: `program_break_malloc::Heap`, with so many numbers that
//! the heap moves the break up several times, in large steps, and down again.
#![no_std]
#![no_main]

mod demo;

/// How many numbers the program makes.
const NUMBERS: u64 = 20_000;

#[global_allocator]
static HEAP: program_break_malloc::Heap = program_break_malloc::Heap::new();
