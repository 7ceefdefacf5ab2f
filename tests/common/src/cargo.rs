//! Cargo as anybody calls it, for what the tests build.

use crate::{limited, root};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A command as if typed into a shell: without what cargo and make tell the programs that they run, except for the
/// profiles of `make test`, and without what git tells its hooks, such as which repository is meant.
fn typed(program: &str) -> Command {
    let mut command = limited(program);
    let is_theirs = |key: &str| ["CARGO_", "MAKE", "GIT_"].iter().any(|start| key.starts_with(start));
    let is_kept = |key: &str| key == "CARGO_HOME" || key.starts_with("CARGO_PROFILE_");
    for (key, _) in std::env::vars().filter(|(key, _)| is_theirs(key) && !is_kept(key)) {
        command.env_remove(key);
    }
    command
}

/// Runs commands as if typed in this directory. In them, `$0` is the project's directory. Returns what they print on
/// standard output.
#[track_caller]
pub fn shell(directory: &Path, commands: &str) -> String {
    let output = typed("sh").args(["-ec", commands]).arg(root()).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{commands}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A cargo for the package in this directory. It builds in `target`, whatever the user's configuration says: in the
/// directory of the cargo that runs this test, it might wait for that cargo.
pub fn cargo(package: &Path, target: &Path, args: &[&str]) -> Command {
    let mut command = typed(env!("CARGO"));
    command.env("CARGO_TARGET_DIR", target).env("CARGO_BUILD_BUILD_DIR", target).args(args).current_dir(package);
    command
}

/// This machine's target.
pub fn host() -> String {
    shell(root(), "rustc --print host-tuple").trim_end().to_string()
}

/// A directory for what the tests build. It is in the target directory, where this test is in PROFILE/deps.
fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let directory = test.ancestors().nth(3).unwrap().join("tmp/built").join(name);
    // It is made here, since two cargos that make one at the same time can fail.
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// The programs of this project in a profile: what `make` builds, whichever profile the tests are in.
pub fn programs(profile: &str) -> PathBuf {
    build("programs", root(), "", profile, &["--workspace", "--bins"])
}

/// A program of this project in both profiles.
pub fn in_both_profiles(program: &str) -> [PathBuf; 2] {
    ["dev", "release"].map(|profile| programs(profile).join(program))
}

/// A program of this project as `make gdb` shows it.
pub fn debugged(program: &str) -> String {
    programs("dev").join(program).to_str().unwrap().to_string()
}

/// Builds programs of the package in a directory, in a target directory of this name. Returns where the programs are.
/// An empty `triple` is this machine's target.
pub fn build(name: &str, package: &Path, triple: &str, profile: &str, options: &[&str]) -> PathBuf {
    // The target is given in any case, since the user's own configuration may have another.
    let target = if triple.is_empty() { &host() } else { triple };
    let directory = built(name);
    let mut command = cargo(package, &directory, &["build", "--locked", "--profile", profile, "--target", target]);
    if !triple.is_empty() {
        // RUSTFLAGS may be meant for this machine alone.
        command.env_remove("RUSTFLAGS");
    }
    // (There may be warnings. Each new cargo and rustc has others.)
    let output = command.args(options).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    directory.join(target).join(if profile == "dev" { "debug" } else { profile })
}

/// Copies the project, as git makes a clone on Windows, to where the tests build. It keeps what was built in an older
/// copy of that name.
pub fn copy_of_the_project(name: &str) -> PathBuf {
    let copy = built(name).join("project");
    fs::create_dir_all(&copy).unwrap();
    let commands = r#"
        find . -mindepth 1 -maxdepth 1 ! -name target -exec rm -rf {} +
        git init --quiet
        git -c core.excludesFile=/dev/null --git-dir=.git --work-tree="$0" add --all
        git -c core.autocrlf=true checkout-index --all
    "#;
    shell(&copy, commands);
    copy
}
