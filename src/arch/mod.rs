//! Level 1: all that is assembly, in a file for each architecture.
//!
//! Such a file defines:
//!
//! - `_start!`, the macro that defines `_start`, where the kernel starts a program. It ends the chain of callers that a
//!   debugger follows, aligns the stack as functions expect it, and calls `main`;
//! - the raw system calls `brk`, `write`, `exit` and `exit_group`: registers in, a register out, nothing checked. Each
//!   is the pair of instructions that loads the number of the call and enters the kernel.

#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86_64")]
pub use x86_64::*;
