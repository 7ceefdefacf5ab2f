//! The library in another program's hands, built by plain cargo, away from this project's `.cargo/config.toml`.

mod common;

use common::{EX_SOFTWARE, status};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/own-program");

fn cargo(args: &[&str]) -> Output {
    // No environment of the cargo that runs this test: as typed into a shell.
    let mut command = Command::new(env!("CARGO"));
    for (key, _) in std::env::vars().filter(|(key, _)| key.starts_with("CARGO_") || key == "RUSTC_BOOTSTRAP") {
        if key != "CARGO_HOME" {
            command.env_remove(key);
        }
    }
    command.args(args).current_dir("/").output().unwrap()
}

/// Builds it and returns the directory of the programs.
fn build(target: &Path, profile: &str) -> PathBuf {
    let manifest = format!("{PACKAGE}/Cargo.toml");
    let target_dir = target.to_str().unwrap();
    let output =
        cargo(&["build", "--locked", "--manifest-path", &manifest, "--profile", profile, "--target-dir", target_dir]);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert!(!log.contains("warning"), "{log}");
    target.join(if profile == "dev" { "debug" } else { profile })
}

#[test]
fn builds_without_mem_and_runs() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("own-program");
    for profile in ["dev", "release"] {
        let programs = build(&target, profile);

        let output = Command::new(programs.join("own-program")).output().unwrap();
        assert_eq!((&*output.stdout, &*output.stderr, status(&output)), (&b"Hello\n"[..], &b""[..], 0), "{profile}");

        let output = Command::new(programs.join("panics")).output().unwrap();
        let message = String::from_utf8(output.stderr.clone()).unwrap();
        assert!(
            message.starts_with("panics: panicked at src/bin/panics.rs:7:5:\n42 is too much"),
            "{profile}: {message}"
        );
        assert_eq!((&*output.stdout, status(&output)), (&b""[..], EX_SOFTWARE), "{profile}");
    }
}

#[test]
fn stops_with_one_sentence_on_another_target() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("other-target");
    for triple in ["aarch64-unknown-linux-gnu", "x86_64-apple-darwin", "x86_64-unknown-linux-gnux32"] {
        let target_dir = target.to_str().unwrap();
        let output =
            cargo(&["check", "--locked", "--manifest-path", manifest, "--target", triple, "--target-dir", target_dir]);
        let log = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        let errors: Vec<_> = log.lines().filter(|line| line.starts_with("error")).collect();
        assert!(errors[0].ends_with("and builds for no other target"), "{triple}: {log}");
        assert_eq!(errors[1..], ["error: build script logged errors"], "{triple}: {log}");
    }
}
