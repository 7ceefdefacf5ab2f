//! The programs on the other architectures, under qemu-user, which prints their system calls.
//!
//! An architecture is left out, with a line that says so, where its tools are missing. `ALL_TARGETS=1` makes that a
//! failure.

use common::cargo::{assert_built, cargo, run_cargo};
use common::*;
use object::read::elf::{ElfFile64, FileHeader};
use object::{Endianness, elf};
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
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
        let libraries = run(Command::new(rustc).args(["--print", "target-libdir", "--target", self.triple]));
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

    /// Builds what `args` say, in one directory for all, and returns the directory of the programs.
    fn build(&self, manifest: &str, profile: &str, args: &[&str]) -> PathBuf {
        let directory = scratch().join("targets");
        std::fs::create_dir_all(&directory).unwrap();
        let mut command = cargo(&["build", "--locked", "--target", self.triple, "--profile", profile]);
        command.arg("--manifest-path").arg(root().join(manifest)).current_dir(root());
        command.arg("--target-dir").arg(&directory).args(args);
        let variable = format!("CARGO_TARGET_{}", self.triple.to_uppercase().replace('-', "_"));
        command.env_remove("RUSTFLAGS").env(format!("{variable}_LINKER"), self.gcc());
        command.env(format!("{variable}_RUSTFLAGS"), "-Clink-arg=-fuse-ld=lld");
        assert_built(&run_cargo(&mut command));
        directory.join(self.triple).join(if profile == "dev" { "debug" } else { profile })
    }

    fn emulate(&self, program: &Path) -> Command {
        let mut command = Command::new(self.qemu());
        command.arg(program);
        command
    }
}

#[test]
fn alloc_does_the_same() {
    for target in targets() {
        for profile in ["dev", "release"] {
            let alloc = target.build("Cargo.toml", profile, &["--bin=alloc"]).join("alloc");
            let output = run(Command::new(target.qemu()).arg("-strace").arg(&alloc));
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

            let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
            let output = finish(captured(&mut target.emulate(&alloc)).stdout(full).spawn().unwrap(), LIMIT);
            assert_ended(&output, "", "alloc: write: errno 28\n", EX_IOERR);
            let shell = |redirection: &str| {
                let mut shell = Command::new("sh");
                run(shell.args(["-c", &format!("exec \"$@\" {redirection}"), "sh", &target.qemu()]).arg(&alloc))
            };
            assert_ended(&shell(">&-"), "", "alloc: write: errno 9\n", EX_IOERR);
            assert_ended(&shell(">&- 2>&-"), "", "", EX_IOERR);

            let bytes = std::fs::read(&alloc).unwrap();
            let file = ElfFile64::<Endianness>::parse(&*bytes).unwrap();
            assert_eq!(file.elf_header().e_type(file.endian()), elf::ET_EXEC);
            assert_eq!(segments(&file, elf::PT_INTERP), []);
            let load = segments(&file, elf::PT_LOAD);
            assert_eq!(load.iter().map(|segment| segment.2).collect::<Vec<_>>(), [elf::PF_R | elf::PF_X]);
            let stack = segments(&file, elf::PT_GNU_STACK);
            assert_eq!(stack.iter().map(|segment| segment.2).collect::<Vec<_>>(), [elf::PF_R | elf::PF_W]);
            assert!(profile == "dev" || bytes.len() <= 1500, "{}: {} bytes", target.triple, bytes.len());
        }
    }
}

#[test]
fn the_other_programs_run() {
    for target in targets() {
        let programs = target.build("Cargo.toml", "dev", &["--bin=layout"]);
        let output = run(&mut target.emulate(&programs.join("layout")));
        assert_eq!((status(&output), &*output.stderr), (0, &b""[..]));
        let pictures = String::from_utf8(output.stdout).unwrap();
        for part in ["1. Before any allocation", "start of the program", "moved by +4", "moved by -4"] {
            assert!(pictures.contains(part), "{pictures}");
        }

        let programs = target.build("malloc/Cargo.toml", "dev", &["--bins"]);
        for (name, line) in
            [("bump", "all are dropped"), ("free_list", "all are dropped"), ("malloc", "the Box is dropped")]
        {
            let output = run(&mut target.emulate(&programs.join(name)));
            assert_eq!((status(&output), &*output.stderr), (0, &b""[..]));
            assert!(String::from_utf8(output.stdout).unwrap().contains(line));
        }

        let programs = target.build("tests/own-program/Cargo.toml", "release", &["--bins", "--features=malloc"]);
        assert_ended(&run(&mut target.emulate(&programs.join("own-program"))), "Hello\n", "", 0);
        for name in ["data", "zeroed", "copies"] {
            assert_ended(&run(&mut target.emulate(&programs.join(name))), "", "", 42);
        }
        // No page of any size has both text and data in it.
        let bytes = std::fs::read(programs.join("data")).unwrap();
        let load = segments(&ElfFile64::parse(&*bytes).unwrap(), elf::PT_LOAD);
        let page = if target.name == "aarch64" { 64 * 1024 } else { 4096 };
        assert!((load[0].0 + load[0].1 - 1) / page < load[1].0 / page, "{load:x?}");
    }
}
