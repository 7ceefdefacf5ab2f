//! The package in `tests/own-program`, built by plain cargo, as anybody's program on this library.

use super::{BUILD_LIMIT, captured, finish};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What `.cargo/config.toml` says, as an option of cargo's.
pub const BOOTSTRAP: &str = "env.RUSTC_BOOTSTRAP='compiler_builtins'";

/// A cargo as if typed into a shell: without the environment of the cargo that runs this test.
pub fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    for (key, _) in std::env::vars().filter(|(key, _)| key.starts_with("CARGO_") || key == "RUSTC_BOOTSTRAP") {
        if key != "CARGO_HOME" {
            command.env_remove(key);
        }
    }
    command.args(args).current_dir("/");
    command
}

/// Runs a cargo that builds something.
#[track_caller]
pub fn run_cargo(command: &mut Command) -> Output {
    finish(captured(command).spawn().unwrap(), BUILD_LIMIT)
}

/// Fails on any warning, too.
#[track_caller]
pub fn assert_built(output: &Output) {
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert!(!log.contains("warning"), "{log}");
}

/// Builds it with `options`, and returns the directory of the programs.
pub fn build(profile: &str, options: &[&str]) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("own-program").join(options.concat());
    // Here, since two cargos that make one directory at the same time can fail.
    std::fs::create_dir_all(&target).unwrap();
    // The tests of malloc/ build it too.
    let mut roots = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let manifest = roots.find_map(|root| root.join("tests/own-program/Cargo.toml").canonicalize().ok()).unwrap();
    let mut command = cargo(&["build", "--locked", "--profile", profile]);
    command.arg("--manifest-path").arg(manifest).arg("--target-dir").arg(&target).args(options);
    assert_built(&run_cargo(&mut command));
    target.join(if profile == "dev" { "debug" } else { profile })
}
