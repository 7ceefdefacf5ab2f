//! Cargo as anybody calls it, for what the tests build.

use crate::{limited, root};
use std::path::PathBuf;
use std::process::{Command, Output};

/// What `.cargo/config.toml` says, as an option of cargo's.
pub const BOOTSTRAP: &str = "env.RUSTC_BOOTSTRAP='compiler_builtins'";

/// A cargo as if typed into a shell: without the variables of the cargo, or the make, that runs this test.
pub fn cargo(args: &[&str]) -> Command {
    let mut command = limited(env!("CARGO"));
    unset_environment(&mut command);
    command.args(args).current_dir("/");
    command
}

/// Takes away what cargo and make tell the programs that they run.
pub fn unset_environment(command: &mut Command) {
    let is_theirs = |key: &str| key.starts_with("CARGO_") || key.starts_with("MAKE") || key == "RUSTC_BOOTSTRAP";
    for (key, _) in std::env::vars().filter(|(key, _)| is_theirs(key) && key != "CARGO_HOME") {
        command.env_remove(key);
    }
}

/// Fails on any warning of the compiler's, too. (Cargo has others, such as about a slow network.)
#[track_caller]
pub fn assert_built(output: &Output) {
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert!(!log.contains("warning: `"), "{log}");
}

/// Builds programs of the package in a directory of this project, and returns the directory that they are in. An empty
/// `triple` is this machine's target.
pub fn build(package: &str, triple: &str, profile: &str, options: &[&str]) -> PathBuf {
    // This is in the target directory, where this test is in PROFILE/deps.
    let test = std::env::current_exe().unwrap();
    let directory = test.ancestors().nth(3).unwrap().join("tmp/built").join(package);
    // It is made here, since two cargos that make one at the same time can fail.
    std::fs::create_dir_all(&directory).unwrap();
    let mut command = cargo(&["build", "--locked", "--profile", profile, "--manifest-path"]);
    command.arg(root().join(package).join("Cargo.toml")).arg("--target-dir").arg(&directory).args(options);
    if !triple.is_empty() {
        // RUSTFLAGS may be meant for this machine alone.
        command.args(["--target", triple]).env_remove("RUSTFLAGS");
    }
    assert_built(&command.output().unwrap());
    directory.join(triple).join(if profile == "dev" { "debug" } else { profile })
}
