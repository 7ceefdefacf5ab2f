//! `program_break_malloc::Heap`.
#[global_allocator]
static HEAP: program_break_malloc::Heap = program_break_malloc::Heap::new();

fn main() {
    under_std::main();
}
