//! The same in Rust with std: it stores four bytes in a box, and writes three of them to standard output.
use std::io::Write;

fn main() -> std::io::Result<()> {
    let heap: Box<[u8]> = Box::new(*b"HI\n\0");
    std::io::stdout().write_all(&heap[..3])
}
