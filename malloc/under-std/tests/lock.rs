//! The heap's lock, alone.

#[path = "../../src/lock.rs"]
mod lock;

use std::sync::mpsc::channel;
use std::thread::spawn;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(20);

static LOCK: lock::Lock<usize> = lock::Lock::new(0);

/// Four threads sleep in the kernel while the lock is held. Then each gets it. One that is never woken is left behind.
#[test]
fn threads_sleep_until_they_are_woken() {
    let start = Instant::now();
    let (sender, ids) = channel();
    LOCK.locked(|_| {
        for _ in 0..4 {
            let sender = sender.clone();
            spawn(move || {
                // SAFETY: the call only returns a number.
                let id = unsafe { libc::gettid() };
                sender.send(id).unwrap();
                // At the first of these, the thread has to wait.
                (0..100_000).for_each(|_| LOCK.locked(|count| *count += 1));
                sender.send(id).unwrap();
            });
        }
        for id in ids.iter().take(4) {
            let stat = format!("/proc/self/task/{id}/stat");
            while !std::fs::read_to_string(&stat).unwrap().contains(") S ") {
                assert!(start.elapsed() < LIMIT, "thread {id} doesn't sleep");
            }
        }
    });
    (0..4).for_each(|_| _ = ids.recv_timeout(LIMIT).expect("each thread is woken"));
    // No two have changed the value at the same time.
    assert_eq!(LOCK.locked(|count| *count), 400_000);
}
