//! What this machine, or a container on it, may not be able to do.

use crate::limited;
use std::io::Write;
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
        // Debian's, for the page.
        "Browser" => "chromium --version",
        // For a process whose addresses are the same each time. Docker's default filter of system calls refuses it.
        "FixedAddresses" => "setarch $(uname -m) -R true",
        // With a gdb that has Python. Some containers refuse it.
        "Ptrace" => "strace -o /dev/null true && gdb -nx -batch -ex 'python print(1)' | grep 1",
        _ => panic!("{need}"),
    };
    let is_lacking = !works(&["sh", "-c", command]);
    if is_lacking {
        left_out("ALL_TESTS", &format!("{need} is not available here"));
    }
    is_lacking
}

/// Says which test leaves something out, and why. With `variable` in the environment, that is a failure.
#[track_caller]
pub fn left_out(variable: &str, reason: &str) {
    assert!(std::env::var_os(variable).is_none(), "{reason}");
    say(&format!("{}: left out: {reason}", Location::caller()));
}

/// Says something on standard error, whether or not the test passes.
pub fn say(message: &str) {
    #[expect(clippy::explicit_write, reason = "what a test that passes writes with eprintln! is never seen")]
    writeln!(std::io::stderr(), "{message}").unwrap();
}

/// Whether the compiler is the one that benches/README.md names. Another one may make other code.
pub fn is_the_pages_compiler() -> bool {
    let version = limited("rustc").arg("--version").output().unwrap().stdout;
    let is_the_pages = include_str!("../../../benches/README.md").contains(str::from_utf8(&version).unwrap());
    if !is_the_pages {
        say("this compiler isn't the one that benches/README.md names, so the figures there and in docs/ may differ");
    }
    is_the_pages
}

/// Whether a command can be run here, and succeeds.
pub fn works(command: &[&str]) -> bool {
    limited(command[0]).args(&command[1..]).output().is_ok_and(|output| output.status.success())
}
