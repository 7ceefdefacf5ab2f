//! gdb.

use crate::limited;
use std::process::Command;

/// A command that prints `maps:` and then the mappings of the process.
pub const MAPS: &str = "python print('maps:', open(f'/proc/{gdb.selected_inferior().pid}/maps').read())";

/// A gdb that runs `commands` on a program and ends, whatever the user's start-up file says. What the program prints
/// goes nowhere: it could come in the middle of what gdb prints.
pub fn gdb_command(program: &str, commands: &[&str]) -> Command {
    let mut gdb = limited("gdb");
    gdb.args(["-q", "-nx", "-batch", "-ex", "set width 0", "-ex", "set args > /dev/null"]);
    gdb.args(commands.iter().flat_map(|command| ["-ex", command]));
    gdb.arg(program).env("SHELL", "/bin/sh");
    gdb
}

/// Returns what such a gdb prints, and after that its errors.
#[track_caller]
pub fn gdb(program: &str, commands: &[&str]) -> String {
    let output = gdb_command(program, commands).output().unwrap();
    String::from_utf8(output.stdout).unwrap() + str::from_utf8(&output.stderr).unwrap()
}
