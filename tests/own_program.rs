//! The library in somebody else's program, which plain cargo builds.

use common::cargo::{build, cargo, shell};
use common::*;
use std::fs;
use std::path::Path;

#[test]
fn runs_as_it_is_and_as_a_copy_and_in_a_workspace() {
    // The directory's name has all that is hard to quote.
    let directory = tempfile::Builder::new().prefix("it's a blank, a comma & an \"ö\"").tempdir().unwrap();
    let directory = directory.path();
    let copies = "cp -r alloc/own-program hello; mkdir team; cp -r hello team; mv team/hello/Cargo.lock team";
    shell(directory, &format!("ln -s \"$0\" alloc; {copies}; echo 'ENTRY(none)' >hello/linker.ld"));
    let write = |file, text: &str| fs::write(directory.join(file), text).unwrap();
    let manifest = fs::read_to_string(directory.join("hello/Cargo.toml")).unwrap();
    write("hello/Cargo.toml", &manifest.replace("path = \"..", "path = \"../alloc"));
    // What the comments there say of a workspace.
    let (package, rest) = manifest.split_once("# Nothing unwinds").unwrap();
    let profiles = rest.split_once('\n').unwrap().1.split_once("# This keeps").unwrap().0;
    write("team/hello/Cargo.toml", &package.replace("path = \"..", "path = \"../../alloc"));
    write("team/Cargo.toml", &format!("[workspace]\nmembers = [\"hello\"]\nresolver = \"3\"\n\n{profiles}"));
    for package in ["alloc/own-program", "hello", "team/hello"] {
        let cargo = |args: &[&str]| cargo(&directory.join(package), &directory.join("target"), args).output().unwrap();
        for profile in [&[][..], &["--release"]] {
            let ended = cargo(&[&["run", "--quiet", "--locked"], profile].concat());
            let squares = "[1, 4, 9, 16, 25, 36, 49, 64, 81, 100]";
            assert_ended(&ended, &format!("Hello\n{squares}\n"), &String::from_utf8_lossy(&ended.stderr), 0);
        }
        let tested = cargo(&["test", "--locked"]);
        assert!(tested.status.success(), "{tested:?}");
    }
}

/// With LTO, and for musl, where the flags in `.cargo/config.toml` are needed.
#[test]
fn may_do_more_with_mem_and_without() {
    let musl = format!("{}-unknown-linux-musl", std::env::consts::ARCH.replace("riscv64", "riscv64gc"));
    for (triple, profile) in [("", "dev"), ("", "release"), (&musl, "dev"), (&musl, "release")] {
        let core = format!("ls \"$(rustc --print target-libdir --target {triple})\"");
        if triple == musl && fails("", &core) {
            continue;
        }
        // Without optimisation, core itself may call `memcpy`.
        let mem = if profile == "dev" { "mem" } else { "" };
        let [zeroed, copies] = [("zeroed", mem), ("copies", "mem")].map(|(program, features)| {
            let options = ["--bin", program, "--features", features];
            let program = build("others", &root().join("tests/programs"), triple, profile, &options).join(program);
            assert_loads(&program, true);
            program
        });
        let message = "zeroed: panicked at src/bin/zeroed.rs:18:14:\n42 is too much\n";
        assert_ended(&limited(zeroed).output().unwrap(), "", message, EX_SOFTWARE);
        let lines = format!("short\n{:>1124}\n", "longer than the buffer");
        let errors = "brk: refused; write: errno 1; ";
        assert_ended(&limited(&copies).output().unwrap(), &format!("{lines}part"), errors, 42);
        if lacks("Ptrace") {
            continue;
        }
        // The first failure is returned.
        for (call, stdout, errors) in [(2, "short\n", ""), (6, &lines, errors)] {
            let traced = strace(&copies, &[&format!("-einject=write:error=EIO:when={call}")]);
            assert_ended(&traced.output, stdout, &format!("{errors}copies: write: errno 5\n"), EX_IOERR);
        }
        if profile == "dev" {
            let output = gdb(copies.to_str().unwrap(), &["start", "break main", "run"]);
            assert_eq!(output.matches("::app::main () at src/bin/copies.rs:").count(), 2, "{output}");
        }
    }
}

#[test]
fn stops_with_one_sentence_on_another_target_or_as_a_test() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("other-target");
    for triple in ["powerpc64le-unknown-linux-gnu", "x86_64-apple-darwin", "x86_64-unknown-linux-gnux32"] {
        let mut command = cargo(root(), &target, &["check", "--locked", "--target", triple]);
        // The user's own flags for the compiler may be meant for this machine alone.
        let log = String::from_utf8(command.env("RUSTFLAGS", "").output().unwrap().stderr).unwrap();
        let errors: Vec<_> = log.lines().filter(|line| line.starts_with("error")).collect();
        let [message, "error: build script logged errors"] = errors[..] else { panic!("{triple}: {log}") };
        assert!(message.ends_with("and builds for no other target"), "{triple}: {log}");
    }
    let output = cargo(root(), &target, &["test", "--bin=alloc"]).output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("error: a test needs std, which this program has not") && !log.contains("E0152"), "{log}");
}
