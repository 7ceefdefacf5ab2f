//! The package in `tests/own-program`, built by plain cargo, as anybody's program on this library.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What `.cargo/config.toml` says, as an option of cargo's.
pub const BOOTSTRAP: &str = "env.RUSTC_BOOTSTRAP='compiler_builtins'";

pub fn cargo(args: &[&str]) -> Command {
    // No environment of the cargo that runs this test: as typed into a shell.
    let mut command = Command::new(env!("CARGO"));
    for (key, _) in std::env::vars().filter(|(key, _)| key.starts_with("CARGO_") || key == "RUSTC_BOOTSTRAP") {
        if key != "CARGO_HOME" {
            command.env_remove(key);
        }
    }
    command.args(args).current_dir("/");
    command
}

/// Builds it with `options`, and returns the directory of the programs.
pub fn build(profile: &str, options: &[&str]) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("own-program").join(options.concat());
    // The tests of malloc/ build it too.
    let mut roots = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let manifest = roots.find_map(|root| root.join("tests/own-program/Cargo.toml").canonicalize().ok()).unwrap();
    let manifest = manifest.to_str().unwrap();
    let target_dir = target.to_str().unwrap();
    let args = ["build", "--locked", "--manifest-path", manifest, "--profile", profile, "--target-dir", target_dir];
    let output = cargo(&[&args, options].concat()).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert!(!log.contains("warning"), "{log}");
    target.join(if profile == "dev" { "debug" } else { profile })
}
