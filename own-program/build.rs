//! Links the programs of this package as freestanding, with the arguments that program-break has for the linker.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let args = std::env::var("DEP_PROGRAM_BREAK_LINK_ARGS").expect("program-break sets it");
    for arg in args.split(' ') {
        println!("cargo::rustc-link-arg-bins={arg}");
    }
}
