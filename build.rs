//! Tells cargo how to link the freestanding programs, and only them: as `rustflags` in `.cargo/config.toml`, these
//! arguments would also reach the tests and this program, which need a C library.

use std::env::var;
use std::fs::copy;

fn main() {
    let target = ["ARCH", "OS", "ENDIAN", "POINTER_WIDTH"].map(|key| var(format!("CARGO_CFG_TARGET_{key}")).unwrap());
    if !matches!(target.each_ref().map(String::as_str), ["aarch64" | "riscv64" | "x86_64", "linux", "little", "64"]) {
        println!(
            "cargo::error=this program makes Linux's system calls itself, for x86-64, aarch64 and riscv64, \
             and builds for no other target"
        );
        return;
    }

    let debug = var("DEBUG").expect("cargo sets it") != "false";
    let args = [
        // These leave out the C library, and its files that define another `_start`.
        "-nostartfiles",
        "-nostdlib",
        // There is no dynamic linker, so nothing is relocated when the program starts.
        "-static",
        "-no-pie",
        // Some distributions' `cc` asks for a build ID.
        "-Wl,--build-id=none",
        // The linker script. The linker searches the directories of the libraries for it. Without debug information,
        // local symbols, such as the names of source files, are dropped, too. The global ones stay.
        if debug { "-Tprogram-break-debug.ld" } else { "-Wl,-Tprogram-break-linker.ld,--discard-all" },
    ];
    for arg in args {
        println!("cargo::rustc-link-arg-bins={arg}");
    }
    // Cargo gives this to the build scripts of packages that depend on this one, as DEP_PROGRAM_BREAK_LINK_ARGS.
    println!("cargo::metadata=link-args={}", args.join(" "));

    // The linker finds the scripts here, for those packages, too, under names that no script in the current directory
    // has. If the checkout is moved, cargo knows that this directory has moved with it.
    let out = var("OUT_DIR").expect("cargo sets it");
    println!("cargo::rustc-link-search={out}");
    for script in ["linker.ld", "debug.ld"] {
        copy(script, format!("{out}/program-break-{script}")).expect("a copy of the linker script");
        println!("cargo::rerun-if-changed={script}");
    }
}
