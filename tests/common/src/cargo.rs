//! Cargo as anybody calls it, and the package in `tests/own-program`, which uses the library as anybody's program does.

use crate::{BUILD_LIMIT, captured, finish, root, scratch};
use std::path::PathBuf;
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

/// Fails on any warning of the compiler's, too. (Cargo has others, such as about a slow network.)
#[track_caller]
pub fn assert_built(output: &Output) {
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert!(!log.contains("warning: `"), "{log}");
}

/// Builds `tests/own-program` with `options`, and returns the directory of the programs.
pub fn build(profile: &str, options: &[&str]) -> PathBuf {
    let target = scratch().join("own-program").join(options.concat());
    // The directory is made here, since two cargos that make one at the same time can fail.
    std::fs::create_dir_all(&target).unwrap();
    let mut command = cargo(&["build", "--locked", "--profile", profile, "--manifest-path"]);
    command.arg(root().join("tests/own-program/Cargo.toml")).arg("--target-dir").arg(&target).args(options);
    assert_built(&run_cargo(&mut command));
    target.join(if profile == "dev" { "debug" } else { profile })
}
