fn main() {
    for flag in ["-nostartfiles", "-nostdlib", "-static", "-no-pie", "-Tlinker.ld"] {
        println!("cargo::rustc-link-arg-bins={flag}");
    }
}
