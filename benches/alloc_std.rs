//! The same in Rust with std: four bytes in a box, written to standard output.
use std::io::Write;

fn main() -> std::io::Result<()> {
    let heap: Box<[u8]> = Box::new(*b"HI\n\0");
    std::io::stdout().write_all(&heap[..3])
}
