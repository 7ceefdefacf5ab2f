//! The library in another program's hands, built by plain cargo, away from this project's `.cargo/config.toml`.

mod common;

use common::own_program::{self, build, cargo};
use common::{EX_SOFTWARE, segments, status};
use object::Endianness;
use object::elf::{PF_R, PF_W, PF_X, PT_LOAD};
use object::read::elf::ElfFile64;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the program says on standard output and on standard error, and its exit status.
fn run(program: PathBuf) -> (String, String, i32) {
    let output = Command::new(program).output().unwrap();
    let status = status(&output);
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap(), status)
}

#[test]
fn builds_without_mem_and_runs() {
    for profile in ["dev", "release"] {
        let programs = build(profile, &[]);
        assert_eq!(run(programs.join("own-program")), ("Hello\n".into(), "".into(), 0), "{profile}");

        let (stdout, message, status) = run(programs.join("panics"));
        assert!(message.starts_with("panics: panicked at src/bin/panics.rs:7:5:\n42 is too much\n"), "{message}");
        assert_eq!((stdout, status), ("".into(), EX_SOFTWARE), "{profile}");
    }
}

#[test]
fn places_data_apart_from_the_text() {
    for profile in ["dev", "release"] {
        let programs = build(profile, &[]);
        for name in ["data", "zeroed"] {
            let program = programs.join(name);
            let bytes = std::fs::read(&program).unwrap();
            let file = ElfFile64::<Endianness>::parse(&*bytes).unwrap();
            let pages = segments(&file, PT_LOAD).into_iter();
            let pages: Vec<_> =
                pages.map(|(start, size, flags)| (flags, start / 4096, (start + size - 1) / 4096)).collect();
            assert_eq!(pages.len(), 2, "{name}, {profile}: {pages:x?}");
            assert_eq!((pages[0].0, pages[1].0), (PF_R | PF_X, PF_R | PF_W), "{name}, {profile}");
            assert!(pages[0].2 < pages[1].1, "a page that both need, {name}, {profile}: {pages:x?}");
            assert_eq!(run(program), ("".into(), "".into(), 42), "{name}, {profile}");
        }
    }
}

#[test]
fn has_mem_from_compiler_builtins() {
    for profile in ["dev", "release"] {
        let programs = build(profile, &["--features=mem", "--config", own_program::BOOTSTRAP]);
        assert_eq!(run(programs.join("copies")), ("".into(), "".into(), 42), "{profile}");
    }
}

#[test]
fn stops_with_one_sentence_on_another_target() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("other-target");
    for triple in ["aarch64-unknown-linux-gnu", "x86_64-apple-darwin", "x86_64-unknown-linux-gnux32"] {
        let target_dir = target.to_str().unwrap();
        let args = ["check", "--locked", "--manifest-path", manifest, "--target", triple, "--target-dir", target_dir];
        // RUSTFLAGS may be for this target alone.
        let output = cargo(&args).env_remove("RUSTFLAGS").output().unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        let errors: Vec<_> = log.lines().filter(|line| line.starts_with("error")).collect();
        assert!(errors[0].ends_with("and builds for no other target"), "{triple}: {log}");
        assert_eq!(errors[1..], ["error: build script logged errors"], "{triple}: {log}");
    }
}
