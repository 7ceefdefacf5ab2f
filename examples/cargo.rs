//! `cargo run --example article` builds and runs article.rs by the command in its first lines. Cargo can't build it
//! itself: `cargo test` builds all examples, with panics that unwind, and a program without std can't have these.

use std::process::Command;

fn main() {
    if cfg!(not(target_arch = "x86_64")) {
        println!("The article's program is for x86-64. On this machine, `cargo run` does the same.");
        return;
    }
    let command = include_str!("article.rs").lines().find_map(|line| line.strip_prefix("//!     "));
    let mut shell = Command::new("sh");
    shell.args(["-c", command.expect("it is there")]).current_dir(env!("CARGO_MANIFEST_DIR"));
    assert!(shell.status().expect("sh starts").success());
}
