//! `program_break_malloc::Heap`.
#[global_allocator]
static HEAP: program_break_malloc::Heap = program_break_malloc::Heap::new();

under_std::first!();

fn main() {
    under_std::main();
}
