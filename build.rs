//! Tells cargo how to link the freestanding programs, and only them: as `rustflags` in `.cargo/config.toml`, these
//! arguments would also reach the tests and this program, which need a C library.

use std::env::var;

fn main() {
    let target = |key| var(format!("CARGO_CFG_TARGET_{key}")).unwrap_or_default();
    let is_known = ["aarch64", "riscv64", "x86_64"].contains(&target("ARCH").as_str());
    if !is_known || [target("OS"), target("ENDIAN"), target("POINTER_WIDTH")] != ["linux", "little", "64"] {
        println!(
            "cargo::error=this program makes Linux's system calls itself, for x86-64, aarch64 and riscv64, \
             and builds for no other target"
        );
        return;
    }

    let here = var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let debug = var("DEBUG").expect("cargo sets it") != "false";
    let mut args = vec![
        // These leave out the C library, and its files that define another `_start`.
        "-nostartfiles".to_string(),
        "-nostdlib".to_string(),
        // There is no dynamic linker, so nothing is relocated when the program starts.
        "-static".to_string(),
        "-no-pie".to_string(),
        // Some distributions' `cc` asks for a build ID.
        "-Wl,--build-id=none".to_string(),
        // The linker script. It is an argument of its own, not one after -Wl, so that a comma or a space in the path
        // stays a part of the path.
        format!("-T{here}/{}", if debug { "debug.ld" } else { "linker.ld" }),
    ];
    if !debug {
        // This drops local symbols, such as the names of source files. The global ones stay.
        args.push("-Wl,--discard-all".to_string());
    }
    for arg in &args {
        println!("cargo::rustc-link-arg-bins={arg}");
    }

    // This is where debug.ld finds linker.ld, here and in packages that depend on this one.
    println!("cargo::rustc-link-search={here}");
    // Cargo gives this to their build scripts, as DEP_PROGRAM_BREAK_LINK_ARGS. No path has the separator in it.
    println!("cargo::metadata=link-args={}", args.join("\x1f"));
    for file in ["build.rs", "linker.ld", "debug.ld"] {
        println!("cargo::rerun-if-changed={file}");
    }
}
