//! `program_break_malloc::Heap`.
#[global_allocator]
static HEAP: program_break_malloc::Heap = program_break_malloc::Heap::new();

#[used]
#[unsafe(link_section = ".init_array")]
static FIRST: extern "C" fn() = under_std::before_the_heap;

fn main() {
    under_std::main();
}
