//! What this machine, or a container on it, may not be able to do.

use crate::limited;
use std::io::{Write, stderr};
use std::panic::Location;

/// Returns from a test if this machine [`lacks`] one of these things.
#[macro_export]
macro_rules! needs {
    ($($need:ident),+) => {
        if $($crate::lacks(stringify!($need)))||+ {
            return;
        }
    };
}

/// Whether this machine lacks what a test needs. If it does, this says so. With `ALL_TESTS=1` in the environment, that
/// is a failure.
#[track_caller]
pub fn lacks(need: &str) -> bool {
    let command = match need {
        "Browser" => "chromium --version", // Debian's, for the page
        // For a process whose addresses are the same each time. Docker's default filter of system calls refuses it.
        "FixedAddresses" => "setarch $(uname -m) -R true",
        // With a gdb that has Python. Some containers refuse it.
        "Ptrace" => "strace -o /dev/null true && gdb -nx -batch -ex 'python print(1)' | grep 1",
        // For a terminal of a given size.
        "Script" => "script -qec true /dev/null",
        // The README is about pages of this size.
        "SmallPages" => "[ $(getconf PAGE_SIZE) = 4096 ]",
        _ => panic!("{need}"),
    };
    fails("ALL_TESTS", command)
}

/// Whether a command of the shell fails here. If it does, this says that the test leaves something out, and why. But if
/// `variable` is set in the environment, this panics. (An empty `variable` is never set.)
#[track_caller]
pub fn fails(variable: &str, command: &str) -> bool {
    let fails = !limited("sh").args(["-c", command]).output().unwrap().status.success();
    if fails {
        assert!(std::env::var_os(variable).is_none(), "this fails here: {command}");
        // The output of eprintln! in a test that passes isn't shown.
        #[expect(clippy::explicit_write)]
        writeln!(stderr(), "{}: something is left out, since this fails here: {command}", Location::caller()).unwrap();
    }
    fails
}

/// Whether the compiler is the one that benches/README.md names. Another one may make other code.
#[track_caller]
pub fn is_the_pages_compiler() -> bool {
    !fails("", "grep -F \"$(rustc --version)\" benches/README.md")
}
