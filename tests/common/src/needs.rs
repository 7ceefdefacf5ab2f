//! What this machine, or a container on it, may not be able to do.

use crate::process::{LIMIT, captured, finish};
use std::collections::HashSet;
use std::io::Write;
use std::process::Command;
use std::sync::{LazyLock, Mutex};

/// What some tests need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// `personality(ADDR_NO_RANDOMIZE)`, for a process whose addresses are the same each time. Docker's default filter
    /// of system calls refuses it.
    FixedAddresses,
    /// `ptrace`, for strace, for gdb, and for tests that trace a process themselves. Some containers refuse it.
    Ptrace,
    /// A heap that starts at a random distance above the program. `kernel.randomize_va_space` can switch that off.
    RandomHeap,
}

/// Returns from a test if this machine [`lacks`] one of these things.
#[macro_export]
macro_rules! needs {
    ($($need:ident),+) => {
        if $($crate::lacks($crate::Need::$need))||+ {
            return;
        }
    };
}

/// Whether this machine lacks what a test needs. The first time, this says so on
/// standard error. With `ALL_TESTS=1` in the environment, that is a failure.
#[track_caller]
pub fn lacks(need: Need) -> bool {
    static HERE: LazyLock<[bool; 3]> = LazyLock::new(|| {
        [
            fixed_addresses(),
            works(&["strace", "-o", "/dev/null", "true"]),
            std::fs::read_to_string("/proc/sys/kernel/randomize_va_space").is_ok_and(|level| level.trim() == "2"),
        ]
    });
    let is_missing = !HERE[need as usize];
    if is_missing {
        left_out("ALL_TESTS", &format!("{need:?} is not available here: tests that need it are left out"));
    }
    is_missing
}

/// Says, once, what is left out and why. With `variable` in the environment, that is a failure.
#[track_caller]
pub fn left_out(variable: &str, message: &str) {
    assert!(std::env::var_os(variable).is_none(), "{message}");
    say(message);
}

/// Says something on standard error, once, whether or not the test passes.
pub fn say(message: &str) {
    static SAID: Mutex<Option<HashSet<String>>> = Mutex::new(None);
    if SAID.lock().unwrap().get_or_insert_default().insert(message.to_string()) {
        #[expect(clippy::explicit_write, reason = "what a test that passes writes with eprintln! is never seen")]
        writeln!(std::io::stderr(), "{message}").unwrap();
    }
}

fn fixed_addresses() -> bool {
    // Each thread has a personality of its own, so this changes that of no other test.
    std::thread::spawn(|| crate::randomise(false)).join().unwrap().is_ok()
}

/// Whether a command can be run here, and succeeds.
pub fn works(command: &[&str]) -> bool {
    let child = captured(Command::new(command[0]).args(&command[1..])).spawn();
    child.is_ok_and(|child| finish(child, LIMIT).status.success())
}
