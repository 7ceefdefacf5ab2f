//! The programs on the other architectures, under qemu-user, which can print their system calls.
//!
//! An architecture is left out, with a line that says so, where one of its tools or Rust's core for it is missing.
//! `ALL_TARGETS=1` makes that a failure.

use common::cargo::{build, cargo};
use common::*;
use regex_lite::Regex;

const CROSS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.cargo/cross.toml");

#[test]
fn the_programs_do_the_same() {
    for (triple, arch) in [("aarch64-unknown-linux-gnu", "aarch64"), ("riscv64gc-unknown-linux-gnu", "riscv64")] {
        let tools = format!("for tool in clang ld.lld qemu-{arch}; do command -v $tool || exit; done");
        let needed = format!("{tools}; ls \"$(rustc --print target-libdir --target {triple})\"");
        if arch == std::env::consts::ARCH || fails("ALL_TARGETS", &needed) {
            continue;
        }
        let calls = "HI\nbrk(NULL) = address 0\nbrk(address 1) = address 1\nwrite(1,address 0,3) = 3\n\
                     brk(address 0) = address 0\nexit_group(0)\n";
        let run = ["run", "--quiet", "--locked", "--config", CROSS, "--target", triple];
        let mut run = cargo(root(), env!("CARGO_TARGET_TMPDIR").as_ref(), &run);
        assert_ended(&run.env_remove("RUSTFLAGS").output().unwrap(), "HI\n", "", 0);
        // A program, how it is run, what it prints among other things, and its exit status.
        for (package, program, option, printed, expected) in [
            ("", "alloc", "-strace", calls, 0),
            ("", "alloc", ">/dev/full", "alloc: write: errno 28\n", EX_IOERR),
            ("", "layout", "", "start of the program", 0),
            ("malloc", "bump", "", "all are dropped ", 0),
            ("malloc", "free_list", "", "all are dropped ", 0),
            ("malloc", "malloc", "", "all are dropped ", 0),
            ("tests/programs", "zeroed", "", "zeroed: panicked at ", EX_SOFTWARE),
            ("tests/programs", "copies", "", "brk: refused; write: errno 1; ", 42),
        ] {
            for profile in ["dev", "release"] {
                let options = ["--config", CROSS, "--all-features", "--bin", program];
                let file = build("others", &root().join(package), triple, profile, &options).join(program);
                assert_loads(&file, program != "alloc");
                let command = format!("exec qemu-{arch} {option} \"$0\"");
                let output = limited("sh").args(["-c", &command]).arg(&file).output().unwrap();
                let text = [&*output.stdout, &*output.stderr].concat();
                // Each line about a call has the number of the process in front.
                let text = normal(&String::from_utf8(text).unwrap());
                let text = Regex::new(r"(?m)^\d+ ").unwrap().replace_all(&text, "");
                assert!(text.contains(printed) && status(&output) == expected, "{program} {option}: {output:?}");
            }
        }
    }
}
