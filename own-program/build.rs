//! Links the programs of this package as freestanding, with the arguments that program-break has for the linker.

fn main() {
    // These come from program-break's own build script, so no file is to be watched.
    println!("cargo::rerun-if-env-changed=DEP_PROGRAM_BREAK_LINK_ARGS");
    let args = std::env::var("DEP_PROGRAM_BREAK_LINK_ARGS").expect("program-break sets it");
    for arg in args.split(' ') {
        println!("cargo::rustc-link-arg-bins={arg}");
    }
}
