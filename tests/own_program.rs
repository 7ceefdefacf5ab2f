//! The library in somebody else's program, which plain cargo builds, away from this project's `.cargo/config.toml`.

use common::cargo::{CONFIG, assert_built, build, cargo};
use common::*;
use std::path::Path;

#[test]
fn builds_and_runs_with_mem_and_without() {
    let musl = format!("{}-unknown-linux-musl", std::env::consts::ARCH.replace("riscv64", "riscv64gc"));
    let has_musl = works(&["sh", "-c", &format!("ls \"$(rustc --print target-libdir --target {musl})\"")]);
    if !has_musl {
        say(&format!("{musl} is left out, since Rust's core for it is missing"));
    }
    for (triple, profile) in [("", "dev"), ("", "release"), (&musl, "dev"), (&musl, "release")] {
        if triple == musl && !has_musl {
            continue;
        }
        let zeroed = build("tests/own-program", triple, profile, &["--config", CONFIG]).join("zeroed");
        assert_loads(&zeroed, true, 4096);
        let message = "zeroed: panicked at src/bin/zeroed.rs:18:14:
42 is too much
";
        assert_ended(&limited(zeroed).output().unwrap(), "", message, EX_SOFTWARE);
        let mem = ["--features=mem", "--config", CONFIG];
        let copies = build("tests/own-program", triple, profile, &mem).join("copies");
        assert_loads(&copies, true, 4096);
        let lines = format!(
            "short
{:>1124}
",
            "longer than the buffer"
        );
        let errors = "brk: refused; write: errno 1; ";
        assert_ended(&limited(&copies).output().unwrap(), &format!("{lines}part"), errors, 42);
        if lacks(Need::Ptrace) {
            continue;
        }
        // The first failure is returned, and nothing is written after it.
        for (call, stdout) in [
            (
                2, "short
",
            ),
            (6, &lines),
        ] {
            let traced = strace(&copies, &[&format!("-einject=write:error=EIO:when={call}")]);
            assert_ended(
                &traced.output,
                stdout,
                &format!(
                    "{errors}copies: write: errno 5
"
                ),
                EX_IOERR,
            );
        }
        if profile == "dev" {
            let output = gdb(copies.to_str().unwrap(), &["start", "break main", "run"]);
            assert_eq!(output.matches("copies::app::main () at src/bin/copies.rs:").count(), 2, "{output}");
        }
    }
}

#[test]
fn is_written_as_the_documentation_says() {
    // The directory's name has all that is hard to quote. What the documentation says must hold there to the letter.
    let directory = tempfile::Builder::new().prefix("it's a blank, a comma & an \"ö\"").tempdir().unwrap();
    let package = directory.path().join("own");
    std::fs::create_dir_all(package.join("src")).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_MANIFEST_DIR"), directory.path().join("alloc")).unwrap();
    let documentation = include_str!("../src/lib.rs").lines().filter_map(|line| line.strip_prefix("//!"));
    let documentation: String =
        documentation.map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect();
    let blocks = documentation.split("```").skip(1).step_by(2).map(|block| block.split_once('\n').unwrap().1);
    let files = ["Cargo.toml", "build.rs", "src/main.rs"];
    assert_eq!(blocks.clone().count(), files.len());
    for (file, text) in files.iter().zip(blocks) {
        std::fs::write(package.join(file), text).unwrap();
    }
    // This has the versions that are known to work.
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/own-program/Cargo.lock");
    std::fs::copy(lock, package.join("Cargo.lock")).unwrap();

    for args in [&["build", "--all-targets"][..], &["test"]] {
        assert_built(&cargo(args).current_dir(&package).output().unwrap());
    }
    for args in [&["run", "--quiet"][..], &["run", "--quiet", "--release"]] {
        assert_ended(&cargo(args).current_dir(&package).output().unwrap(), "Hello\n", "", 0);
    }
}

#[test]
fn stops_with_one_sentence_on_another_target() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("other-target");
    for triple in ["powerpc64le-unknown-linux-gnu", "x86_64-apple-darwin", "x86_64-unknown-linux-gnux32"] {
        let mut command = cargo(&["check", "--locked", "--manifest-path", manifest, "--target", triple]);
        // The user's own flags for the compiler may be meant for this machine alone.
        let output = command.arg("--target-dir").arg(&target).env("RUSTFLAGS", "").output().unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        let errors: Vec<_> = log.lines().filter(|line| line.starts_with("error")).collect();
        assert!(errors[0].ends_with("and builds for no other target"), "{triple}: {log}");
        assert_eq!(errors[1..], ["error: build script logged errors"], "{triple}: {log}");
    }
}
