//! `program_break_malloc::Heap` without a lock. So the work in threads is not for it.
use program_break_malloc::{Heap, NoLock};

#[global_allocator]
// SAFETY: this program has one thread.
static HEAP: Heap<NoLock> = unsafe { Heap::without_lock() };

under_std::first!();

fn main() {
    under_std::main();
}
