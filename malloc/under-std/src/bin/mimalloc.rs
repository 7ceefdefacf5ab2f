//! mimalloc, which is written in C.
#[global_allocator]
static HEAP: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    under_std::main();
}
