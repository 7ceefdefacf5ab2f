//! Level 1: all the assembly, in a file for each architecture.
//!
//! Such a file defines:
//!
//! - `_start!`, the macro that defines `_start`, where the kernel starts a program. It calls the function that `entry!`
//!   names, with the stack aligned as functions expect it, and a debugger's backtrace ends there;
//! - the raw system calls `brk`, `write` and `exit`, which check nothing. Each is the pair of instructions that loads
//!   the number of the call and enters the kernel.
//!
//! A new file has to be named here, in `build.rs`, and in `Cargo.toml` (the targets of the dependencies).

#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(target_arch = "riscv64", path = "riscv64.rs")]
#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
mod calls;

pub use calls::*;
