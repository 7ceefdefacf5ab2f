//! Tells cargo how to link the freestanding programs, and them alone: as `rustflags`, these would reach the tests and
//! this program too, which need a C library.

use std::env::var;

fn main() {
    let target = |key| var(format!("CARGO_CFG_TARGET_{key}")).unwrap_or_default();
    if [target("OS"), target("ARCH"), target("POINTER_WIDTH")] != ["linux", "x86_64", "64"] {
        println!(
            "cargo::error=this program makes Linux's system calls for x86-64 itself, and builds for no other target"
        );
        return;
    }

    let here = var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let mut flags = vec![
        // No C library, and not its `_start`.
        "-nostartfiles".to_string(),
        "-nostdlib".to_string(),
        // No dynamic linker, so no relocation while the program starts.
        "-static".to_string(),
        "-no-pie".to_string(),
        // Some distributions' `cc` asks for one.
        "-Wl,--build-id=none".to_string(),
    ];
    if var("DEBUG").expect("cargo sets it") == "false" {
        // Local symbols go: among them the file names of what was looked at and not linked. The global ones stay.
        flags.push("-Wl,--discard-all".to_string());
    } else {
        flags.push(format!("-T{here}/unwind.ld"));
    }
    // Behind unwind.ld: a section belongs to the first script that names it. The scripts are arguments of their own,
    // and not behind -Wl, so that a comma or a blank in the path stays a part of the path.
    flags.push(format!("-T{here}/linker.ld"));
    for flag in flags {
        println!("cargo::rustc-link-arg-bins={flag}");
        println!("cargo::rustc-link-arg-examples={flag}");
    }

    // A program that depends on this package finds the scripts here: it links with -Tlinker.ld.
    println!("cargo::rustc-link-search={here}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=linker.ld");
    println!("cargo::rerun-if-changed=unwind.ld");
}
