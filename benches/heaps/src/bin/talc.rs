//! `program_break::malloc::Heap`, which is talc on the program break.
#[global_allocator]
static HEAP: program_break::malloc::Heap = program_break::malloc::Heap::new();

fn main() {
    heaps::main();
}
