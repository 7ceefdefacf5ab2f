//! Cargo as anybody calls it, for what the tests build.

use crate::{limited, root};
use std::path::PathBuf;
use std::process::{Command, Output};

/// The file that cargo reads if it is started in the project's directory.
pub const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.cargo/config.toml");

/// A cargo as if typed into a shell: without the variables of the cargo, or the make, that runs this test.
pub fn cargo(args: &[&str]) -> Command {
    let mut command = limited(env!("CARGO"));
    unset_environment(&mut command);
    command.args(args).current_dir("/");
    command
}

/// Takes away what cargo and make tell the programs that they run, except for the profiles of `make test`.
pub fn unset_environment(command: &mut Command) {
    let is_theirs = |key: &str| key.starts_with("CARGO_") || key.starts_with("MAKE") || key == "RUSTC_BOOTSTRAP";
    let is_kept = |key: &str| key == "CARGO_HOME" || key.starts_with("CARGO_PROFILE_");
    for (key, _) in std::env::vars().filter(|(key, _)| is_theirs(key) && !is_kept(key)) {
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

/// This machine's target.
pub fn host() -> String {
    let version = limited("rustc").arg("-vV").output().unwrap().stdout;
    let mut lines = str::from_utf8(&version).unwrap().lines();
    lines.find_map(|line| line.strip_prefix("host: ")).unwrap().to_string()
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
    // The target is given in any case, since the user's own configuration may have another.
    let target = if triple.is_empty() { &host() } else { triple };
    command.args(["--target", target]);
    if !triple.is_empty() {
        // RUSTFLAGS may be meant for this machine alone.
        command.env_remove("RUSTFLAGS");
    }
    assert_built(&command.output().unwrap());
    directory.join(target).join(if profile == "dev" { "debug" } else { profile })
}
