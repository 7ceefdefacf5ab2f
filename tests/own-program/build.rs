fn main() {
    let mut flags = vec!["-nostartfiles", "-nostdlib", "-static", "-no-pie"];
    if std::env::var("DEBUG").is_ok_and(|debug| debug != "false") {
        flags.push("-Tunwind.ld"); // for gdb's backtraces
    }
    flags.push("-Tlinker.ld");
    for flag in flags {
        println!("cargo::rustc-link-arg-bins={flag}");
    }
}
