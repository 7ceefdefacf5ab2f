//! The allocator of `malloc/src/bin/free_list.rs`, checked against the model, while others move the break, and while
//! the kernel refuses to. It is for programs with one thread, and the test harness has more, so this program has
//! no harness.

#[expect(unused_attributes, reason = "it says no_std of itself")]
#[path = "../../src/bin/free_list.rs"]
mod free_list;
mod model;

use fastrand::Rng;
use model::{Block, run};
use program_break::current_break;
use std::alloc::Layout;
use std::hint::black_box;
use under_std::{others_take, with_room};

fn main() {
    let new = |size, align| Block::new(Layout::from_size_align(size, align).unwrap(), 1, false);

    // What is left below somebody else's memory isn't lost.
    let below = new(48, 16);
    let mut others = vec![others_take(1)];
    let (above, left) = (new(10_000, 1), new(48, 16));
    assert!(left.start.addr() < others[0].as_ptr().addr() && others[0].as_ptr().addr() < above.start.addr());
    drop((below, above, left));

    // Somebody else leaves the break at any address, again and again, while there are blocks.
    let mut random = Rng::with_seed(0);
    others.reserve(80);
    for _ in 0..80 {
        let mut kept = run(&mut random);
        others.push(others_take(random.usize(1..10_000)));
        kept.truncate(kept.len() / 2);
        // This is more than is free.
        with_room(0, || assert!(black_box(Vec::<u8>::new()).try_reserve_exact(1 << 30).is_err()));
        drop(run(&mut random));
        // All free blocks have been joined. So the break is back down, except for the bytes below the first address
        // that a block can have.
        let left = current_break().unwrap().addr() - others.last().unwrap().as_ptr_range().end.addr();
        assert!(left < 16, "{left} bytes stay above somebody else's memory");
    }
    assert!(others.iter().all(|bytes| bytes.iter().all(|&byte| byte == 9)), "somebody else's memory was written to");
}
