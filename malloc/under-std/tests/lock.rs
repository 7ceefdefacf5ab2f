//! The heap's lock, alone.

#[path = "../../src/lock.rs"]
mod lock;

use std::sync::mpsc::channel;

/// Four threads sleep in the kernel while the lock is held. Then each gets it.
#[test]
fn threads_sleep_until_they_are_woken() {
    // SAFETY: the call only sets a timer. If a thread never sleeps, or is never woken, `SIGALRM` ends the program.
    unsafe { libc::alarm(20) };
    let (lock, (started, ids)) = (lock::Lock::new(0), channel());
    let work = || {
        // SAFETY: the call only returns a number.
        started.send(unsafe { libc::gettid() }).unwrap();
        // At the first of these, the thread has to wait.
        (0..100_000).for_each(|_| lock.locked(|count| *count += 1));
    };
    std::thread::scope(|scope| {
        lock.locked(|_| {
            (0..4).for_each(|_| _ = scope.spawn(work));
            for id in ids.iter().take(4) {
                while !std::fs::read_to_string(format!("/proc/self/task/{id}/stat")).unwrap().contains(") S ") {}
            }
        });
    });
    // No two have changed the value at the same time.
    assert_eq!(lock.locked(|count| *count), 400_000);
}
