//! `make` builds what its targets need, whatever settings the user has for cargo, git or the shell.

use common::cargo::{copy_of_the_project, host, shell};
use common::*;
use std::collections::BTreeMap;
use std::fs;

#[test]
fn make_does_the_same_under_each() {
    // Git tells its hooks by a variable which repository they are for. The copy is another one.
    let hooked = tempfile::tempdir().unwrap();
    // SAFETY: this is the only test here, so no other thread uses the environment.
    unsafe { std::env::set_var("GIT_DIR", hooked.path()) };
    let project = copy_of_the_project("copy");
    assert_eq!(fs::read_dir(hooked.path()).unwrap().count(), 0);
    // A ZIP file doesn't keep the executable bit; not every cp replaces a file that runs; and not every gdb has Python.
    let other_tools = r#"
        chmod -x tests/install-tools; mkdir bin; printf '#!/bin/sh\n' | tee bin/gdb >bin/cp
        echo '[ ! -e alloc ] && exec /bin/cp "$@"' >>bin/cp; chmod +x bin/*
        mkdir -p ../.cargo
    "#;
    shell(&project, other_tools);
    let host = host();
    // What `make bench` measures, which takes long.
    let size = "@cargo build $(for-target) --quiet --release --bin alloc && wc -c <$(built)/release/alloc";
    let mut without = BTreeMap::new();
    // A target of make; what is in the environment; and what is in the configuration in a directory above.
    for (target, environment, config) in [
        ("asm", "", ""),
        ("size", "", ""),
        ("gdb", "", "profile.dev = { debug = 1, strip = true, split-debuginfo = 'packed', debug-assertions = false }"),
        ("gdb", "CARGO_PROFILE_DEV_DEBUG=1 CARGO_PROFILE_DEV_OPT_LEVEL=1 SHELL=/bin/false PROGRAM=no", ""),
        ("gdb PROGRAM=bump", "", ""),
        ("malloc", "", ""),
        ("layout", "", "profile.dev = { lto = true, panic = 'unwind', debug-assertions = false }"),
        ("layout", "", &format!("target.{host}.runner = ['none', 'none']")),
        ("asm", "", "profile.release = { opt-level = 0, lto = false, debug-assertions = true, strip = true }"),
        ("size", "", "profile.release = { debug = 1, strip = true, overflow-checks = true, panic = 'unwind' }"),
        ("run", "", "build = { target = 'aarch64-unknown-linux-gnu', target-dir = 'other', build-dir = 'other' }"),
        ("run", "", &format!("build.target = ['{host}', 'x86_64-unknown-linux-musl']")),
        ("run", "", "build.rustflags = ['-Clink-arg=-fuse-ld=none']"),
        ("run", "", &format!("target.{host}.rustflags = ['-Clink-arg=-fuse-ld=none']")),
        ("run", "RUSTFLAGS=-Cnone CARGO_ENCODED_RUSTFLAGS=-Cnone CARGO_BUILD_TARGET=none TARGET=none", ""),
        ("run", "CARGO_TARGET_DIR=/dev/null CARGO_BUILD_BUILD_DIR=/dev/null", ""),
        ("run CARGO_TARGET_DIR=elsewhere", "", ""),
        ("run", "PATH=$PWD/bin:$PATH", ""),
    ] {
        let needs_more = target.starts_with("gdb") || target == "asm";
        if needs_more && lacks("Ptrace") || target == "asm" && cfg!(not(target_arch = "x86_64")) {
            continue;
        }
        fs::write(project.join("../.cargo/config.toml"), config).unwrap();
        // This is what runs if make builds nothing, or elsewhere.
        fs::write(project.join("alloc"), "#!/bin/sh\necho old").unwrap();
        let before = r"rm -f target/*/*/alloc; chmod +x alloc; printf 'tour\ntour\ntour\ntour\ntour\nkill\nquit\n'";
        let commands = format!("{before} | {environment} make -s --eval='size:; {size}' {target}");
        let seen = shell(&project, &commands);
        let expected: &[&str] = match target {
            "gdb" => &["    *heap = *b\"HI\\n\";\n", "brk(", "write(1, "],
            "gdb PROGRAM=bump" => &["mod.rs:", "brk("],
            "layout" => &["program break"],
            "asm" | "size" if without.entry(target).or_insert(seen.clone()) == &seen => &[],
            _ => &["HI\n"],
        };
        assert!(expected.iter().all(|part| seen.contains(part)), "{environment} {config}: {seen}");
    }
    if let Some(listing) = without.get("asm") {
        let is_shown = include_str!("../benches/README.md").contains(listing) || !is_the_pages_compiler();
        assert!(is_shown && listing.matches("\n        syscall").count() == 5, "{listing}");
        assert!(listing.contains(", and 18 in the article's program\n"), "{listing}");
    }

    let told = shell(&project, "PATH=$PWD/bin:$PATH make -s gdb 2>&1 || true");
    assert!(told.contains("make: this gdb has no Python, "), "{told}");
    // Cargo knows from before where the linker scripts were.
    let moved = "rm -rf moved; mv project moved; touch moved/src/main.rs; make -s -C moved run; mv moved project";
    assert_eq!(shell(project.parent().unwrap(), moved), "HI\n");
}
