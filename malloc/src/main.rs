//! How does `malloc` itself get memory from the kernel? `Box`, `Vec` and `BTreeMap` in a freestanding program, whose
//! every byte comes from `brk` and goes back by `brk`.
//!
//! Each line is a step, and says where the program break is after it, how far that moved, and in how many calls of
//! `brk`: the break goes up while things are made, in a few large moves, and down again when they are dropped.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;
use program_break::stdio::{LineWriter, STDOUT};
use program_break::{Error, current_break};
use program_break_malloc::Heap;

#[global_allocator]
static HEAP: Heap = Heap::new();

program_break::entry!(main);

fn main() -> Result<(), Error> {
    let mut out = LineWriter::new(STDOUT);
    writeln!(out, "{:<44}{:>14}{:>14}{:>8}", "", "program break", "moved, bytes", "calls")?;
    let start = current_break()?.addr();
    let (mut last, mut last_calls) = (start, 0);
    let mut print = |what: &str| {
        let (program_break, mut calls) = (current_break()?.addr(), HEAP.brk_calls());
        let moved = program_break.wrapping_sub(last) as isize;
        (last, last_calls, calls) = (program_break, calls, calls - last_calls);
        writeln!(out, "{what:<44}{program_break:>#14x}{moved:>+14}{calls:>8}")
    };
    print("at the start")?;

    let number = Box::new(42);
    print("a Box of a number")?;

    let mut numbers = Vec::new();
    for n in 0..1_000_000_u64 {
        numbers.push(n * number.as_ref());
    }
    print("a Vec of 1,000,000 numbers, grown one by one")?;

    let mut squares = BTreeMap::new();
    for n in &numbers[..10_000] {
        squares.insert(format!("{n} squared"), n * n);
    }
    print("a BTreeMap of 10,000 strings")?;

    drop(numbers);
    print("the Vec below the BTreeMap is dropped")?;
    drop(squares);
    print("the BTreeMap is dropped")?;
    drop(number);
    print("the Box is dropped")?;

    let kept = last - start;
    writeln!(out, "\n{kept} bytes stay with the heap, as a reserve for what comes next.")
}
