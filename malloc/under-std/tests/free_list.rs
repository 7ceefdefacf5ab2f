//! The allocator of `malloc/src/bin/free_list.rs`, checked against the model. It is for programs with one thread, and
//! the test harness has more, so this program has no harness.

#[expect(unused_attributes, reason = "it says no_std of itself")]
#[path = "../../src/bin/free_list.rs"]
mod free_list;
mod model;

use fastrand::Rng;
use program_break::current_break;

fn main() {
    let mut random = Rng::with_seed(0);
    let start = current_break();
    for _ in 0..80 {
        let mut kept = model::run(&mut random);
        kept.truncate(kept.len() / 2);
        drop(model::run(&mut random));
        drop(kept);
        // All free blocks have been joined.
        assert_eq!(current_break(), start, "the break is back down");
    }
}
