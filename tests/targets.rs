//! The programs on the other architectures, under qemu-user, which prints their system calls.
//!
//! An architecture is left out, with a line that says so, where its tools are missing. `ALL_TARGETS=1` makes that a
//! failure.

use common::cargo::{BOOTSTRAP, build};
use common::*;
use std::path::{Path, PathBuf};
use std::process::Output;

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
    TARGETS.iter().filter(|target| target.name != std::env::consts::ARCH).filter(|target| {
        let missing = target.missing();
        if !missing.is_empty() {
            left_out("ALL_TARGETS", &format!("{}: left out: {} missing", target.triple, missing.join(", ")));
        }
        missing.is_empty()
    })
}

impl Target {
    fn missing(&self) -> Vec<String> {
        let rustc = std::env::var("RUSTC").unwrap_or("rustc".into());
        let libraries = run(limited(rustc).args(["--print", "target-libdir", "--target", self.triple]));
        let libraries = PathBuf::from(String::from_utf8(libraries.stdout).unwrap().trim());
        let has_core = libraries.read_dir().is_ok_and(|mut files| files.next().is_some());
        let tools = [self.gcc(), self.qemu(), "ld.lld".to_string()];
        let mut missing: Vec<_> = tools.into_iter().filter(|tool| !works(&[tool, "--version"])).collect();
        missing.extend((!has_core).then(|| "Rust's core".to_string()));
        missing
    }

    fn gcc(&self) -> String {
        format!("{}-linux-gnu-gcc", self.name)
    }

    fn qemu(&self) -> String {
        format!("qemu-{}", self.name)
    }

    fn build(&self, package: &str, profile: &str, options: &[&str]) -> PathBuf {
        let linker = format!("target.{}.linker='{}'", self.triple, self.gcc());
        let lld = format!("target.{}.rustflags=['-Clink-arg=-fuse-ld=lld']", self.triple);
        build(
            package,
            self.triple,
            profile,
            &[&["--config", BOOTSTRAP, "--config", &linker, "--config", &lld], options].concat(),
        )
    }

    fn run(&self, program: &Path) -> Output {
        run(limited(self.qemu()).arg(program))
    }
}

#[test]
fn alloc_does_the_same() {
    for target in targets() {
        for profile in ["dev", "release"] {
            let alloc = target.build("", profile, &["--bin=alloc"]).join("alloc");
            let output = run(limited(target.qemu()).arg("-strace").arg(&alloc));
            assert_eq!((&*output.stdout, status(&output)), (&b"HI\n"[..], 0));
            // Each line is `NUMBER name(arguments) = result`, with the number of the process in front.
            let log = String::from_utf8(output.stderr).unwrap();
            let calls: Vec<_> = log.lines().map(|line| line.split_once(' ').unwrap().1.trim()).collect();
            let [find, up, print, down, exit] = calls[..] else { panic!("not five calls: {log}") };
            let start = hex(find.strip_prefix("brk(NULL) = ").unwrap());
            let [low, high] = [start, start + 4].map(|address| format!("0x{address:016x}"));
            assert_eq!(up, format!("brk({high}) = {high}"));
            assert_eq!(print, format!("write(1,{start:#x},3) = 3"));
            assert_eq!(down, format!("brk({low}) = {low}"));
            assert_eq!(exit, "exit(0)");

            for (redirection, errors) in [("> /dev/full", "alloc: write: errno 28\n"), (">&- 2>&-", "")] {
                let mut shell = limited("sh");
                shell.args(["-c", &format!("exec \"$@\" {redirection}"), "sh", &target.qemu()]).arg(&alloc);
                assert_ended(&run(&mut shell), "", errors, EX_IOERR);
            }

            assert_loads(&alloc, false, 4096);
            let size = alloc.metadata().unwrap().len();
            assert!(profile == "dev" || size <= 1500, "{}: {size} bytes", target.triple);
        }
    }
}

#[test]
fn the_other_programs_run() {
    for target in targets() {
        for (package, name, parts) in [
            ("", "layout", &["start of the program", "moved by +4", "moved by -4"][..]),
            ("malloc", "bump", &["all are dropped"]),
            ("malloc", "free_list", &["all are dropped"]),
            ("malloc", "malloc", &["the Box is dropped"]),
        ] {
            let output = target.run(&target.build(package, "dev", &["--bin", name]).join(name));
            assert_eq!((status(&output), &*output.stderr), (0, &b""[..]));
            let stdout = String::from_utf8(output.stdout).unwrap();
            assert!(parts.iter().all(|part| stdout.contains(part)), "{stdout}");
        }

        let programs = target.build("tests/own-program", "release", &["--bins", "--features=malloc"]);
        for (name, stdout, expected) in
            [("own-program", "Hello\n", 0), ("data", "", 42), ("zeroed", "", 42), ("copies", "", 42)]
        {
            assert_ended(&target.run(&programs.join(name)), stdout, "", expected);
        }
        // For each size of page that there is.
        assert_loads(&programs.join("data"), true, if target.name == "aarch64" { 64 * 1024 } else { 4096 });
    }
}
