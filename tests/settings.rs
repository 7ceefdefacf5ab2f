//! `make` builds what its targets need, whatever settings the user has for cargo, git or the shell.
#![cfg(debug_assertions)] // make has its own profiles, so one is enough

use common::cargo::{host, unset_environment};
use common::*;
use std::collections::BTreeMap;
use std::path::Path;

/// Makes a copy of the project in `$0`, as git makes a clone on Windows. It keeps what was built in an older copy.
const COPY: &str = r#"
    find "$0" -mindepth 1 -maxdepth 1 ! -name target -exec rm -rf {} +
    git init --quiet "$0"
    export GIT_DIR="$0/.git"
    git --work-tree=. add --all
    cd "$0"
    git -c core.autocrlf=true checkout-index --all
"#;

#[test]
fn make_does_the_same_under_each() {
    let above = Path::new(env!("CARGO_TARGET_TMPDIR")).join("settings");
    let project = above.join("project");
    for directory in [&project, &above.join(".cargo")] {
        std::fs::create_dir_all(directory).unwrap();
    }
    let shell = |directory: &Path, commands: &str| {
        let mut command = limited("sh");
        unset_environment(&mut command);
        command.args(["-ec", commands]).arg(&project).current_dir(directory).env("GIT_CONFIG_GLOBAL", "/dev/null");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{commands}: {output:?}");
        output.stdout
    };
    shell(root(), COPY);

    let host = host();
    // What `make bench` measures, which takes long.
    let size = format!("@cargo build --quiet --release --bin alloc && wc -c <target/{host}/release/alloc");
    let mut without = BTreeMap::new();
    // A target of make; what is in the environment; and what is in the configuration in a directory above.
    for (target, environment, config) in [
        ("asm", "", ""),
        ("size", "", ""),
        ("gdb", "", "profile.dev = { debug = 1, opt-level = 1, split-debuginfo = 'packed', strip = true }"),
        ("gdb", "CARGO_PROFILE_DEV_DEBUG=1 CARGO_PROFILE_DEV_OPT_LEVEL=1", ""),
        ("layout", "", "profile.dev = { lto = true, panic = 'unwind' }"),
        ("gdb", "", "profile.dev.debug-assertions = false"),
        ("layout", "", &format!("target.{host}.runner = 'none'")),
        ("asm", "", "profile.release = { opt-level = 0, lto = false, debug-assertions = true, strip = true }"),
        ("size", "", "profile.release = { debug = 1, strip = true, overflow-checks = true, panic = 'unwind' }"),
        ("size", "", "profile.release = { debug = 1, strip = false }"),
        ("run", "", "build = { target = 'aarch64-unknown-linux-gnu', target-dir = 'elsewhere' }"),
        ("asm", "", &format!("build.target = '{host}'")),
        ("run", "", "build.rustflags = ['-Clink-arg=-fuse-ld=none']"),
        ("run", "", &format!("target.{host}.rustflags = ['-Clink-arg=-fuse-ld=none']")),
        ("run", "RUSTFLAGS=-Cnone CARGO_TARGET_DIR=/dev/null TARGET=none", ""),
        ("run", "CARGO_ENCODED_RUSTFLAGS=-Cnone CARGO_BUILD_TARGET=none", ""),
        ("run", "MAKEFLAGS=-k CDPATH=/ GREP_OPTIONS=--color=always", ""),
    ] {
        let needs_more = target == "gdb" || target == "asm";
        if needs_more && lacks(Need::Ptrace) || target == "asm" && cfg!(not(target_arch = "x86_64")) {
            continue;
        }
        std::fs::write(above.join(".cargo/config.toml"), config).unwrap();
        // This is what runs if make builds nothing, or elsewhere.
        std::fs::write(project.join("alloc"), "#!/bin/sh\necho old").unwrap();
        let typed = r"tour\ntour\ntour\ntour\ntour\nkill\nquit\n";
        let errors = if target == "gdb" { "2>&1" } else { "" };
        let commands = format!(
            "chmod +x alloc; printf '{typed}' | {environment} make -s --eval='size:; {size}' {target} {errors}"
        );
        let seen = String::from_utf8(shell(&project, &commands)).unwrap();
        let setting = format!("{environment} {config}: {seen}");
        match target {
            "gdb" => {
                for part in ["\t    *heap = *b\"HI\\n\\0\";\n", "brk(", "write(1, "] {
                    assert!(seen.contains(part) && !seen.contains("Traceback"), "{setting}");
                }
            }
            "run" => assert!(seen.ends_with("HI\n"), "{setting}"),
            "layout" => assert!(seen.contains("program break"), "{setting}"),
            _ => assert_eq!(&seen, without.entry(target).or_insert(seen.clone()), "{setting}"),
        }
    }
}
