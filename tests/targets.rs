//! The programs on the other architectures, under qemu-user, which prints their system calls.
//!
//! An architecture is left out, with a line that says so, where its tools are missing. `ALL_TARGETS=1` makes that a
//! failure.

use common::cargo::{BOOTSTRAP, build};
use common::*;
use std::path::PathBuf;
use std::process::Command;

/// An architecture, by its name in Rust's target and its name for gcc and qemu.
struct Target {
    triple: &'static str,
    name: &'static str,
}

const TARGETS: [Target; 2] = [
    Target { triple: "aarch64-unknown-linux-gnu", name: "aarch64" },
    Target { triple: "riscv64gc-unknown-linux-gnu", name: "riscv64" },
];

/// The targets, other than this machine's own, whose programs can be built and run here.
fn targets() -> impl Iterator<Item = &'static Target> {
    TARGETS.iter().filter(|target| target.name != std::env::consts::ARCH).filter(|Target { triple, name }| {
        let core = format!("ls \"$(rustc --print target-libdir --target {triple})\"");
        let tools = [format!("{name}-linux-gnu-gcc --version"), format!("qemu-{name} --version")];
        let commands = tools.into_iter().chain(["ld.lld --version".to_string(), core]);
        let missing: Vec<_> = commands.filter(|command| !works(&["sh", "-c", command])).collect();
        if !missing.is_empty() {
            left_out("ALL_TARGETS", &format!("{triple}, since these commands fail: {}", missing.join(", ")));
        }
        missing.is_empty()
    })
}

impl Target {
    fn build(&self, package: &str, profile: &str, options: &[&str]) -> PathBuf {
        let linker = format!("target.{}.linker='{}-linux-gnu-gcc'", self.triple, self.name);
        let lld = format!("target.{}.rustflags=['-Clink-arg=-fuse-ld=lld']", self.triple);
        let all = [&["--config", BOOTSTRAP, "--config", &linker, "--config", &lld], options].concat();
        build(package, self.triple, profile, &all)
    }

    fn qemu(&self) -> Command {
        limited(format!("qemu-{}", self.name))
    }
}

#[test]
fn alloc_does_the_same() {
    for target in targets() {
        for profile in ["dev", "release"] {
            let alloc = target.build("", profile, &["--bin=alloc"]).join("alloc");
            assert_loads(&alloc, false, 4096);
            let size = alloc.metadata().unwrap().len();
            assert!(profile == "dev" || size <= 1500, "{}: {size} bytes", target.triple);

            let output = run(target.qemu().arg("-strace").arg(&alloc));
            assert_eq!((&*output.stdout, status(&output)), (&b"HI\n"[..], 0));
            // Each line has the number of the process in front.
            let log = String::from_utf8(output.stderr).unwrap();
            let calls = log.lines().map(|line| line.split_once(' ').unwrap().1.trim()).collect::<Vec<_>>().join("; ");
            let [start, end] = ["address 0", "address 1"];
            let expected = format!(
                "brk(NULL) = {start}; brk({end}) = {end}; write(1,{start},3) = 3; brk({start}) = {start}; exit(0)"
            );
            assert_eq!(normal(&calls), expected);

            for (redirection, errors) in [("> /dev/full", "alloc: write: errno 28\n"), (">&- 2>&-", "")] {
                let line = format!("exec qemu-{} \"$0\" {redirection}", target.name);
                assert_ended(&run(limited("sh").args(["-c", &line]).arg(&alloc)), "", errors, EX_IOERR);
            }
        }
    }
}

#[test]
fn the_other_programs_run() {
    for target in targets() {
        for (package, name, line, expected) in [
            ("", "layout", "moved by -4\n", 0),
            ("malloc", "bump", "all are dropped ", 0),
            ("malloc", "free_list", "all are dropped ", 0),
            ("malloc", "malloc", "the Box is dropped ", 0),
            ("tests/own-program", "zeroed", "", 42),
            ("tests/own-program", "copies", "", 42),
        ] {
            let program = target.build(package, "release", &["--bin", name, "--all-features"]).join(name);
            let output = run(target.qemu().arg(&program));
            assert_eq!((status(&output), &*output.stderr), (expected, &b""[..]), "{name}");
            assert!(str::from_utf8(&output.stdout).unwrap().contains(line), "{name}: {output:?}");
            if name == "layout" || name == "zeroed" {
                // For each size of page that there is.
                assert_loads(&program, true, if target.name == "aarch64" { 64 * 1024 } else { 4096 });
            }
        }
    }
}
