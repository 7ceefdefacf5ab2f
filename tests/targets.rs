//! The programs on the other architectures, under qemu-user, which prints their system calls.
//!
//! An architecture is left out, with a line that says so, where an empty program can't be linked for it and run.
//! `ALL_TARGETS=1` makes that a failure.

use common::cargo::{CONFIG, build};
use common::*;

#[test]
fn the_programs_do_the_same() {
    // Rust's target, the architecture's name for clang and qemu, and a program that only exits.
    for (triple, arch, exit) in [
        ("aarch64-unknown-linux-gnu", "aarch64", "mov x8, 93; mov x0, 0; svc 0"),
        ("riscv64gc-unknown-linux-gnu", "riscv64", "li a7, 93; li a0, 0; ecall"),
    ] {
        if arch == std::env::consts::ARCH {
            continue;
        }
        let flags = [&*format!("--target={arch}-linux-gnu"), "-fuse-ld=lld", "-Wno-unused-command-line-argument"];
        let directory = tempfile::tempdir().unwrap();
        let empty = format!(
            "cd {:?} && echo '.globl _start; _start: {exit}' |
             clang {} -nostdlib -static -x assembler - && qemu-{arch} ./a.out &&
             ls \"$(rustc --print target-libdir --target {triple})\"",
            directory.path(),
            flags.join(" "),
        );
        if !works(&["sh", "-c", &empty]) {
            left_out("ALL_TARGETS", &format!("{triple}, since this fails: {empty}"));
            continue;
        }
        let linker = format!("target.{triple}.linker='clang'");
        let lld = format!("target.{triple}.rustflags={:?}", flags.map(|flag| format!("-Clink-arg={flag}")));
        let build = |package, profile, options: &[&str]| {
            let all = [&["--config", CONFIG, "--config", &linker, "--config", &lld], options].concat();
            build(package, triple, profile, &all)
        };
        let qemu = || limited(format!("qemu-{arch}"));

        for profile in ["dev", "release"] {
            let alloc = build("", profile, &["--bin=alloc"]).join("alloc");
            assert_loads(&alloc, false, 4096);
            let size = alloc.metadata().unwrap().len();
            assert!(profile == "dev" || size <= 1400, "{triple}: {size} bytes");

            let output = qemu().arg("-strace").arg(&alloc).output().unwrap();
            assert_eq!((&*output.stdout, status(&output)), (&b"HI\n"[..], 0));
            // Each line has the number of the process in front.
            let log = String::from_utf8(output.stderr).unwrap();
            let calls = log.lines().map(|line| line.split_once(' ').unwrap().1.trim()).collect::<Vec<_>>().join("; ");
            let [start, end] = ["address 0", "address 1"];
            let expected = format!(
                "brk(NULL) = {start}; brk({end}) = {end}; write(1,{start},3) = 3; brk({start}) = {start}; exit_group(0)"
            );
            assert_eq!(normal(&calls), expected);

            for (redirection, errors) in [("> /dev/full", "alloc: write: errno 28\n"), (">&- 2>&-", "")] {
                let line = format!("exec qemu-{arch} \"$0\" {redirection}");
                assert_ended(&limited("sh").args(["-c", &line]).arg(&alloc).output().unwrap(), "", errors, EX_IOERR);
            }
        }

        for (package, program, line, expected) in [
            ("", "layout", "── program break ──", 0),
            ("malloc", "bump", "all are dropped ", 0),
            ("malloc", "free_list", "all are dropped ", 0),
            ("malloc", "malloc", "the Box is dropped ", 0),
            ("tests/own-program", "zeroed", "", EX_SOFTWARE),
            ("tests/own-program", "copies", "", 42),
        ] {
            let file = build(package, "release", &["--bin", program, "--all-features"]).join(program);
            let output = qemu().arg(&file).output().unwrap();
            assert_eq!(status(&output), expected, "{program}: {output:?}");
            assert!(str::from_utf8(&output.stdout).unwrap().contains(line), "{program}: {output:?}");
            if program == "layout" || program == "zeroed" {
                // This is right for the largest pages that the architecture has.
                assert_loads(&file, true, if arch == "aarch64" { 64 * 1024 } else { 4096 });
            }
        }
    }
}
