//! glibc's malloc, which std uses by itself.
fn main() {
    under_std::main();
}
