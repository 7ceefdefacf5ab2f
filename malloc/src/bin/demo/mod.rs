//! The program that `bump`, `free_list` and `malloc` run, each on its own allocator. Each line that it prints is for a
//! step: where the program break is after the step, and how many bytes that is above where the break was at the start.

extern crate alloc;

use crate::NUMBERS;
use alloc::string::String;
use alloc::vec::Vec;
use program_break::stdio::{LineWriter, STDOUT};
use program_break::{Error, current_break};

program_break::entry!(main);

fn main() -> Result<(), Error> {
    let mut out = LineWriter::new(STDOUT);
    writeln!(out, "{:32}{:>14}{:>13}", "", "program break", "above start")?;
    let start = current_break()?;
    let mut print = |what: &str| {
        let program_break = current_break()?;
        writeln!(out, "{what:<32}{program_break:>14p}{:>13}", program_break.addr() - start.addr())
    };
    print("at the start")?;

    let text = String::from("HI");
    print("a String")?;
    let numbers: Vec<u64> = (0..NUMBERS).collect();
    print("a Vec of numbers, made at once")?;
    let mut grown = Vec::new();
    for number in &numbers {
        grown.push(*number);
    }
    print("the same, grown one by one")?;
    drop(numbers);
    print("the first Vec is dropped")?;
    let copy = grown.clone();
    print("the other one is copied")?;
    // The compiler may leave out an allocation that nobody looks at.
    let (text, grown, copy) = core::hint::black_box((text, grown, copy));
    drop(text);
    drop(grown);
    drop(copy);
    print("all are dropped")
}
