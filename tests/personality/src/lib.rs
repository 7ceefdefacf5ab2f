//! What the compiler asks of a program with unwinding panics. Nothing here unwinds, since the panic handler of
//! `program_break::entry!` ends the program: so nobody calls it. Weak, since the tests have std's.
#![no_std]
#![feature(lang_items, linkage)]
#![allow(internal_features)]

#[lang = "eh_personality"]
#[linkage = "weak"]
extern "C" fn personality() {}
