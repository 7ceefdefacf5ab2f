//! glibc's malloc, which std uses by itself.
fn main() {
    heaps::main();
}
