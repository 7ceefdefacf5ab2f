//! The programs on the other architectures, under qemu-user, which prints their system calls.
//!
//! An architecture is left out, with a line that says so, where one of its tools or Rust's core for it is missing.
//! `ALL_TARGETS=1` makes that a failure.

use common::cargo::build;
use common::*;

const CROSS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.cargo/cross.toml");

#[test]
fn the_programs_do_the_same() {
    for (triple, arch) in [("aarch64-unknown-linux-gnu", "aarch64"), ("riscv64gc-unknown-linux-gnu", "riscv64")] {
        if arch == std::env::consts::ARCH {
            continue;
        }
        let tools = format!("for tool in clang ld.lld qemu-{arch}; do command -v $tool || exit; done");
        let needed = format!("{tools}; ls \"$(rustc --print target-libdir --target {triple})\"");
        if !works(&["sh", "-c", &needed]) {
            left_out("ALL_TARGETS", &format!("{triple}, since this fails: {needed}"));
            continue;
        }
        for profile in ["dev", "release"] {
            for (package, program, line, expected) in [
                ("", "alloc", "HI", 0),
                ("", "layout", "start of the program", 0),
                ("malloc", "bump", "all are dropped ", 0),
                ("malloc", "free_list", "all are dropped ", 0),
                ("malloc", "malloc", "the Box is dropped ", 0),
                ("tests/programs", "zeroed", "", EX_SOFTWARE),
                ("tests/programs", "copies", "", 42),
            ] {
                let options = ["--config", CROSS, "--all-features", "--bin", program];
                let file = build(package, triple, profile, &options).join(program);
                let output = limited(format!("qemu-{arch}")).arg("-strace").arg(&file).output().unwrap();
                assert_eq!(status(&output), expected, "{program}: {output:?}");
                assert!(str::from_utf8(&output.stdout).unwrap().contains(line), "{program}: {output:?}");
                if program == "layout" || program == "zeroed" {
                    // This is right for the largest pages that the architecture has.
                    assert_loads(&file, true, if arch == "aarch64" { 64 * 1024 } else { 4096 });
                }
                if program != "alloc" {
                    continue;
                }
                assert_loads(&file, false, 4096);
                let size = file.metadata().unwrap().len();
                assert!(profile == "dev" || size <= 1400, "{triple}: {size} bytes");
                // Each line has the number of the process in front.
                let log = String::from_utf8(output.stderr).unwrap();
                let calls = log.lines().map(|line| line.split_once(' ').unwrap().1.trim()).collect::<Vec<_>>();
                let [start, end] = ["address 0", "address 1"];
                let expected = format!(
                    "brk(NULL) = {start}; brk({end}) = {end}; write(1,{start},3) = 3; brk({start}) = {start}; \
                     exit_group(0)"
                );
                assert_eq!(normal(&calls.join("; ")), expected);
                let mut full = limited("sh");
                full.args(["-c", &format!("exec qemu-{arch} \"$0\" > /dev/full")]).arg(&file);
                assert_ended(&full.output().unwrap(), "", "alloc: write: errno 28\n", EX_IOERR);
            }
        }
    }
}
