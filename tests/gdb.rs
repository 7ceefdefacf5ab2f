//! `./alloc` in gdb: stepping through it, and the guided tour. On the build with debug information.
#![cfg(debug_assertions)]

use common::*;
use std::collections::HashMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

const ALLOC: &str = env!("CARGO_BIN_EXE_alloc");

const TOUR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/gdb/tour.py");
/// How long a gdb may take.
const LIMIT: Duration = Duration::from_secs(10);

const MAIN_RS: &str = include_str!("../src/main.rs");

/// What gdb prints for `commands` (after the options in `first`), standard error included. What `alloc` prints itself
/// is kept apart: gdb's own output has a buffer, so that it could come anywhere in between.
fn gdb_with(first: &[&str], commands: &[&str], set_up: impl FnOnce(&mut Command)) -> (String, String) {
    let printed = tempfile::NamedTempFile::new().unwrap();
    let redirect = format!("set args > '{}'", printed.path().display());
    let mut command = Command::new("gdb");
    command.args(["-q", "-nx", "-batch", "-ex", "set width 0", "-ex", &redirect]).args(first);
    for line in commands {
        command.args(["-ex", line]);
    }
    command.env("LC_ALL", "C.UTF-8").env_remove("NO_COLOR");
    set_up(&mut command);
    let output = finish(captured(command.arg(ALLOC)).spawn().unwrap(), LIMIT);
    let output = String::from_utf8(output.stdout).unwrap() + str::from_utf8(&output.stderr).unwrap();
    (output, std::fs::read_to_string(printed.path()).unwrap())
}

fn gdb(first: &[&str], commands: &[&str]) -> String {
    gdb_with(first, commands, |_| ()).0
}

/// The lines of `src/main.rs`, as gdb shows them when it stops there.
fn main_rs(output: &str) -> Vec<&str> {
    let source: Vec<_> = MAIN_RS.lines().collect();
    let shown = output.lines().filter_map(|line| line.split_once('\t'));
    shown
        .filter(|(n, text)| source.get(n.parse().unwrap_or(0usize).wrapping_sub(1)) == Some(text))
        .map(|(_, text)| text.trim())
        .collect()
}

#[track_caller]
fn assert_in_order(lines: &[&str], expected: &[&str]) {
    let mut rest = lines.iter();
    for part in expected {
        assert!(rest.any(|line| line.contains(part)), "{part:?} is not in its place in {lines:#?}");
    }
}

/// The story, as its lines begin.
const STORY: [&str; 9] = [
    "let heap_start = current_break()",
    "let heap_end =",
    "move_break(heap_end)",
    "let heap =",
    "*heap = *b\"HI",
    "stdio::write_all(",
    "move_break(heap_start)",
    "exit(0)",
];

#[test]
fn next_walks_through_the_story() {
    if lacks(Need::Ptrace) {
        return;
    }
    let (output, printed) = gdb_with(&[], &[&["break alloc::main", "run"][..], &["next"; 14]].concat(), |_| ());
    assert_in_order(&main_rs(&output), &STORY);
    assert_eq!(printed, "HI\n", "{output}");
    assert!(output.contains("exited normally"), "{output}");
    assert!(!output.contains("No such file"), "{output}");
}

#[test]
fn step_goes_into_functions_and_finds_their_source() {
    if lacks(Need::Ptrace) {
        return;
    }
    let output = gdb(&[], &[&["break _start", "run"][..], &["step"; 60]].concat());
    assert_in_order(&main_rs(&output), &STORY);
    for function in ["current_break", "brk", "move_break", "write_all", "exit"] {
        assert!(output.contains(&format!("::{function} (")), "not in {function}: {output}");
    }
    assert!(output.contains("exited normally"), "{output}");
    assert!(!output.contains("No such file"), "{output}");
    // Where a step stops in another function, gdb says in which file.
    let files = output.lines().filter_map(|line| line.rsplit_once(" at ")).map(|(_, place)| place);
    let files = files.filter(|place| place.contains(".rs:"));
    assert!(files.clone().count() > 10);
    assert_eq!(files.filter(|place| !place.starts_with("src/")).collect::<Vec<_>>(), Vec::<&str>::new(), "{output}");
}

#[test]
fn shows_the_heap_in_its_variables() {
    if lacks(Need::Ptrace) {
        return;
    }
    let output = gdb(&[], &["break program_break::stdio::write_all", "run", "up", "info locals"]);
    let start = output.lines().find_map(|line| line.strip_prefix("heap_start = 0x")).expect(&output);
    let end = output.lines().find_map(|line| line.strip_prefix("heap_end = 0x")).expect(&output);
    let address = |hex: &str| u64::from_str_radix(hex.split(' ').next().unwrap(), 16).unwrap();
    assert_eq!(address(end) - address(start), 4, "{output}");
    assert!(!output.contains("optimized out"), "{output}");
}

#[test]
fn backtraces_end_at_start() {
    if lacks(Need::Ptrace) {
        return;
    }
    let output = gdb(&[], &["set backtrace past-entry on", "break program_break::arch::calls::brk", "run", "bt"]);
    let frames: Vec<_> = output.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(frames.len(), 4, "{output}");
    for (frame, function) in frames.iter().zip(["::brk ", "::current_break ", "alloc::main ", "_start "]) {
        assert!(frame.contains(function), "{function} is not in {frame}");
    }
    assert!(!output.contains("Backtrace stopped"), "{output}");
}

#[test]
#[cfg(target_arch = "x86_64")]
fn shows_the_articles_instructions() {
    if lacks(Need::Ptrace) {
        return;
    }
    for (function, number) in [("brk", "0xc"), ("write", "0x1"), ("exit", "0x3c")] {
        let output = gdb(&[], &[&format!("break program_break::arch::calls::{function}"), "run", "disassemble"]);
        let mnemonics: Vec<_> = output.lines().filter_map(|line| line.split('\t').nth(1)).collect();
        let mov = format!("mov    ${number},%eax");
        assert!(mnemonics.windows(2).any(|two| two[0].starts_with(&mov) && two[1].trim() == "syscall"), "{output}");
    }
}

#[test]
fn rust_gdb_works() {
    if lacks(Need::Ptrace) {
        return;
    }
    // A wrapper of rustup's: not everybody has it.
    let mut command = Command::new("rust-gdb");
    command.args(["-q", "-nx", "-batch", "-ex", "break alloc::main", "-ex", "run", ALLOC]);
    let Ok(child) = captured(&mut command).spawn() else { return };
    let output = String::from_utf8(finish(child, LIMIT).stdout).unwrap();
    assert!(output.contains("let heap_start = current_break()"), "{output}");
}

/// One stop of the tour.
struct Stop<'a> {
    text: &'a str,
    /// The addresses of the picture, from the top down, each with its label (or none).
    edges: Vec<(u64, &'a str)>,
    /// Start and end of each mapping, by the name in `/proc/PID/maps`.
    maps: HashMap<&'a str, (u64, u64)>,
}

impl Stop<'_> {
    fn edge(&self, label: &str) -> u64 {
        self.edges.iter().find(|(_, found)| *found == label).unwrap_or_else(|| panic!("no {label} in {}", self.text)).0
    }
}

/// The stops of a tour through all five steps. After each of them, gdb itself shows the mappings.
fn tour(output: &str) -> Vec<Stop<'_>> {
    let stops = output.split("\nStep ").skip(1);
    stops
        .map(|text| {
            let (text, maps) = text.split_once("Mapped address spaces:").unwrap();
            let rulers = text.lines().filter(|line| line.starts_with("0x") && line.contains("──"));
            let edges = rulers.map(|line| {
                let (address, label) = line.split_once(' ').unwrap();
                (hex(address), label.split('◄').next().unwrap().trim_matches([' ', '─']))
            });
            let mappings = maps.lines().filter(|line| line.trim_start().starts_with("0x")).map(|line| {
                let [start, end] = [0, 1].map(|n| hex(line.split_whitespace().nth(n).unwrap()));
                // The name is the last column, and may have blanks in it. (Its place differs from gdb to gdb.)
                let name = line.find(['/', '[']).map_or("", |at| line[at..].trim_end());
                (name, (start, end))
            });
            Stop { text, edges: edges.collect(), maps: mappings.collect() }
        })
        .collect()
}

const SHOW_EACH: [&str; 12] = [
    "tour",
    "info proc mappings",
    "tour",
    "info proc mappings",
    "tour",
    "info proc mappings",
    "tour",
    "info proc mappings",
    "tour",
    "info proc mappings",
    "tour",
    "info proc",
];

#[test]
fn the_tour_draws_what_is_there() {
    if lacks(Need::Ptrace) {
        return;
    }
    for random in ["on", "off"] {
        // The script starts the program at once, as gdb does by default: not randomised. So start it again.
        let again =
            [&format!("set disable-randomization {}", if random == "on" { "off" } else { "on" }), "kill", "tour"];
        let output = gdb(&["-x", TOUR], &[&again[..], &SHOW_EACH].concat());
        let stops = tour(&output);
        assert_eq!(stops.len(), 5, "{output}");

        // As the kernel names it, without a symbolic link.
        let alloc = std::fs::canonicalize(ALLOC).unwrap().to_str().unwrap().to_string();
        let start = stops[0].edge("program break");
        let breaks = [start, start + 4, start + 4, start + 4, start];
        for (stop, program_break) in stops.iter().zip(breaks) {
            assert!(stop.edges.is_sorted_by(|above, below| above.0 > below.0), "{}", stop.text);
            assert_eq!(stop.edge("program break"), program_break, "{}", stop.text);
            let (stack_start, stack_end) = stop.maps["[stack]"];
            assert_eq!((stop.edges[0].0, stop.edges[1].0), (stack_end, stack_start));
            assert_eq!(stop.edges.last().unwrap().0, stop.maps[&*alloc].0);
            assert!(stop.edges.iter().any(|edge| edge.0 == stop.maps[&*alloc].1));
            if program_break > start {
                let heap = stop.maps["[heap]"];
                assert_eq!((stop.edge("heap start"), stop.edge("end of the page")), heap, "{}", stop.text);
                assert_eq!(heap.0, start);
            } else {
                assert!(!stop.maps.contains_key("[heap]"));
                assert!(stop.edges.iter().all(|edge| edge.1 != "heap start"), "{}", stop.text);
            }
        }
        for (stop, expected) in stops.iter().zip([
            ["1 of 5", "current_break()", "brk(NULL) = 0x", "◄ new"],
            ["2 of 5", "move_break(heap_end)", "brk(0x", "◄ moved by +4"],
            ["3 of 5", "*heap = *b", "│ ◄ changed", "48 49 0a 00  H I \\n \\0  ◄ before: 00 00 00 00"],
            ["4 of 5", "write_all", "write(1, 0x", "printed them: H I \\n\n"],
            ["5 of 5", "move_break(heap_start)", "◄ moved by -4", "◄ gone: end of the page, heap start"],
        ]) {
            assert_in_order(&stop.text.lines().collect::<Vec<_>>(), &expected[..2]);
            assert!(expected.iter().all(|part| stop.text.contains(part)), "{expected:?}: {}", stop.text);
        }
        assert!(stops[3].text.contains("│ ◄ printed\n"), "{output}");
        assert!(stops[1].text.contains("00 00 00 00"), "new memory is zeroed: {}", stops[1].text);
        assert!(output.contains("\nThe end\n"), "{output}");
        assert_eq!(random == "on", start > stops[0].maps[&*alloc].1, "randomised, there is a gap below the heap");
        let (_, page_end) = stops[1].maps["[heap]"];
        let thousands = |bytes: u64| format!("{},{:03} bytes", bytes / 1000, bytes % 1000);
        let says = |words: &str| assert!(stops[1].text.contains(words), "not {words}: {}", stops[1].text);
        says("heap, 4 bytes");
        says(&format!("whole pages of {}", thousands(page_end - start)));
        let (stack, edges) = (stops[1].maps["[stack]"], &stops[1].edges);
        says(&format!("stack, {} KiB", (stack.1 - stack.0) / 1024));
        // To the nearest, since nearly all of it is empty.
        says(&format!("the gap, {} TiB", (edges[1].0 - edges[2].0 + (1 << 39)) >> 40));
        // Each with no more than the lines that belong to it.
        let lines = [1, 2, 2, 2, 1];
        assert_eq!(stops.iter().map(|stop| main_rs(stop.text).len()).collect::<Vec<_>>(), lines, "{output}");
        // And with its title and the prompt on a terminal of 24 lines.
        assert!(stops.iter().all(|stop| stop.text.trim_end().lines().count() <= 23), "{output}");
        assert!(!output.contains('\x1b'), "no colour in a file");
        // The mappings between are gdb's.
        let too_wide = stops.iter().flat_map(|stop| stop.text.lines()).find(|line| line.chars().count() > 80);
        assert_eq!(too_wide, None);
    }
}

#[test]
fn the_tour_can_be_left_and_taken_up_again() {
    if lacks(Need::Ptrace) {
        return;
    }
    let output = gdb(
        &["-x", TOUR],
        &[
            "heap",
            "tour",
            "tour",
            "next",
            "break program_break::arch::calls::exit",
            "heap",
            "memory",
            "tour",
            "tour",
            "tour",
            "tour",
            "info breakpoints",
            "continue",
        ],
    );
    assert!(output.contains("not asked for the program break yet"), "{output}");
    assert!(output.contains("4 bytes\n0x"), "{output}");
    // A look in between doesn't take the marks from the next stop.
    let look = gdb(&["-x", TOUR], &["tour", "next", "next", "memory", "tour"]);
    assert_eq!(look.matches("◄ moved by +4").count(), 2, "{look}");
    // One's own breakpoint stops the tour.
    assert!(output.contains("\nBreakpoint 1"), "{output}");
    assert!(output.contains(", program_break::arch::calls::exit (status=0)"), "{output}");
    assert!(output.contains("breakpoint already hit 1 time"), "{output}");
    assert!(output.contains("exited normally]"), "an ordinary session: {output}");

    let output = gdb(&["-x", TOUR], &["kill", "memory", "heap", "tour", "tour"]);
    assert_eq!(output.matches("The program is not running. To start it, type: tour").count(), 2, "{output}");
    assert!(output.contains("\nStep 1 of 5"), "{output}");
}

#[test]
fn the_tour_says_what_its_commands_do() {
    if lacks(Need::Ptrace) {
        return;
    }
    let output = gdb(&["-x", TOUR], &["help user-defined", "help tour"]);
    for command in ["heap -- ", "memory -- ", "tour -- ", "Enter alone for each further step"] {
        assert!(output.contains(command), "{output}");
    }
    assert!(output.starts_with("This is ./alloc, before its first step."), "{output}");
}

#[test]
fn the_tour_is_ascii_where_nothing_else_can_be_shown() {
    if lacks(Need::Ptrace) {
        return;
    }
    let (output, _) = gdb_with(&["-x", TOUR], &["tour", "tour"], |command| _ = command.env("LC_ALL", "C"));
    assert!(output.is_ascii(), "{output}");
    assert!(output.contains("-- program break ---") && output.contains("< moved by +4"), "{output}");
}

#[test]
fn the_tour_says_what_the_kernel_did() {
    if lacks(Need::Ptrace) {
        return;
    }
    let refused = ["set exec-wrapper sh -c 'ulimit -d 0; exec \"$0\" \"$@\"'", "kill", "tour", "tour", "tour"];
    let output = gdb(&["-x", TOUR], &refused);
    assert!(output.contains("the kernel refused") && !output.contains("Step 2"), "{output}");
    assert!(!output.contains("These bytes are ours"), "{output}");

    let full = ["set args > /dev/full", "kill", "tour", "tour", "tour", "tour", "tour", "tour", "tour"];
    let output = gdb(&["-x", TOUR], &full);
    assert!(output.contains("write(1, 0x") && output.contains(", 3) = -28\n"), "{output}");
    assert!(!output.contains("Step 4"), "{output}");
    // It is given back all the same.
    assert!(output.contains("Step 5 of 5"), "{output}");
}

#[test]
fn the_tour_goes_on_from_wherever_gdb_is() {
    if lacks(Need::Ptrace) {
        return;
    }
    for (before, expected) in [
        // At a line of main with nothing done since the last stop.
        (&["tour", "break main.rs:19", "tour", "tour"][..], ["Breakpoint 1", "Step 2 of 5"]),
        // In a function, and in the frame that called it.
        (&["step", "step", "tour", "tour"], ["brk (address=0x0)", "Step 2 of 5"]),
        (
            &["break program_break::arch::calls::brk", "tour", "up", "tour", "tour", "tour"],
            ["Step 1 of 5", "Step 2 of 5"],
        ),
        // Right at the instruction, and right behind it.
        (
            &["break program_break::arch::calls::brk", "tour", "stepi", "tour", "tour", "tour"],
            ["Step 1 of 5", "Step 2 of 5"],
        ),
        (&["step", "step", "step", "step", "tour", "tour"], ["Step 1 of 5", "Step 2 of 5"]),
        // Before main, and at the start of another run.
        (&["starti", "tour", "tour"], ["Step 1 of 5", "Step 2 of 5"]),
        (&["break _start", "kill", "tour", "tour"], ["Breakpoint 1", "Step 1 of 5"]),
        (
            &["tour", "tour", "break alloc::main", "run", "heap", "tour"],
            ["not asked for the program break", "Step 1 of 5"],
        ),
    ] {
        let output = gdb(&["-x", TOUR], before);
        assert!(expected.iter().all(|part| output.contains(part)), "{before:?}: {output}");
        assert!(!output.contains("Python Exception") && !output.contains("Step 3 of 5"), "{before:?}: {output}");
    }
}

#[test]
fn the_tour_leaves_no_step_out_that_was_made_by_hand() {
    if lacks(Need::Ptrace) {
        return;
    }
    // Over the store, and over the first two calls.
    let output = gdb(&["-x", TOUR], &["tour", "tour", "next", "next", "next", "tour", "tour"]);
    assert_in_order(&output.lines().collect::<Vec<_>>(), &["Step 2", "Step 3", "before: 00 00 00 00", "Step 4"]);
    let output = gdb(&["-x", TOUR], &["next", "next", "next", "tour", "tour"]);
    assert_in_order(&output.lines().collect::<Vec<_>>(), &["Step 1", "Step 2", "program break", "Step 3"]);
    let output = gdb(&["-x", TOUR], &[&["step"; 26][..], &["tour"; 2]].concat());
    assert!((1..=5).all(|step| output.matches(&format!("Step {step} of 5")).count() == 1), "{output}");
}

#[test]
fn the_tour_works_in_any_directory_and_locale() {
    if lacks(Need::Ptrace) {
        return;
    }
    let directory = tempfile::Builder::new().prefix("it's a blank, a comma & an \"ö\"").tempdir().unwrap();
    let (there, link) = (directory.path().join("real"), directory.path().join("link"));
    std::fs::create_dir(&there).unwrap();
    std::os::unix::fs::symlink(&there, &link).unwrap();
    for name in ["gdb", "src"] {
        std::os::unix::fs::symlink(format!("{}/{name}", env!("CARGO_MANIFEST_DIR")), there.join(name)).unwrap();
    }
    std::fs::copy(ALLOC, there.join("alloc")).unwrap();
    for locale in [None, Some("C"), Some("C.UTF-8")] {
        let mut command = Command::new("gdb");
        command.args(["-q", "-nx", "-batch", "-ex", "set args > /dev/null", "-x", "gdb/tour.py"]);
        command.args(["-ex", "tour"].repeat(6)).arg("./alloc").current_dir(&link);
        for variable in ["LC_ALL", "LC_CTYPE", "LANG"] {
            command.env_remove(variable);
        }
        let output = finish(captured(command.envs(locale.map(|locale| ("LC_ALL", locale)))).spawn().unwrap(), LIMIT);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{locale:?}");
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert_eq!(main_rs(&stdout).len(), 8, "{locale:?}: {stdout}");
        assert!(!there.join("gdb/__pycache__").exists(), "Python leaves nothing behind");
        assert!(stdout.contains("Step 5 of 5") && stdout.contains("The end"), "{locale:?}: {stdout}");
    }
}

#[test]
fn the_tour_leaves_gdb_as_it_is() {
    if lacks(Need::Ptrace) {
        return;
    }
    let output = gdb(&["-x", TOUR], &["catch syscall brk", "continue", "continue", "tour", "show pagination"]);
    assert!(output.contains("(call to syscall brk)") && output.contains("(returned from syscall brk)"), "{output}");
    let output = gdb(&["-x", TOUR], &["set pagination on", "tour", "show pagination"]);
    assert!(output.contains("State of pagination is on"), "{output}");
}

/// The tour on a terminal of 80 columns and 24 lines, with Enter for each step but the first.
fn on_a_terminal(variables: &[(&str, &str)]) -> String {
    let log = tempfile::NamedTempFile::new().unwrap();
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let inside = format!("stty cols 80 rows 24; exec gdb -q -nx -x {} {}", quoted(TOUR), quoted(ALLOC));
    let mut script = Command::new("script");
    captured(&mut script).args(["-qec", &inside]).arg(log.path());
    script.env("LC_ALL", "C.UTF-8").env("TERM", "xterm").env_remove("NO_COLOR").envs(variables.iter().copied());
    let mut terminal = script.stdin(Stdio::piped()).spawn().unwrap();
    // The keyboard stays there until the end, which `y` makes sure of, should gdb ask.
    let mut keyboard = terminal.stdin.take().unwrap();
    keyboard.write_all(b"tour\n\n\n\n\n\nquit\ny\n").unwrap();
    let output = finish(terminal, LIMIT);
    drop(keyboard);
    assert!(output.status.success(), "{output:?}");
    std::fs::read_to_string(log.path()).unwrap()
}

#[test]
fn the_tour_goes_on_with_enter_on_a_small_terminal() {
    if lacks(Need::Ptrace) {
        return;
    }
    let output = on_a_terminal(&[]);
    for step in 1..=5 {
        assert_eq!(output.matches(&format!("Step {step} of 5")).count(), 1, "{output}");
    }
    assert!(output.contains("The end") && !output.contains("--Type"), "{output}");
    // What the program prints belongs to no step, where it comes on the same terminal.
    let (before, after) = output.split_once("The program prints:\r\nHI\r\n\r\n").expect(&output);
    assert!(before.contains("Step 3 of 5") && after.lines().next().unwrap().contains("Step 4 of 5"), "{output}");
    // As gdb writes it: 1 for bold, perhaps among other attributes.
    let (attributes, _) = output.split_once("mStep 1 of 5").unwrap();
    let (_, attributes) = attributes.rsplit_once("\x1b[").unwrap();
    assert!(attributes.split(';').any(|attribute| attribute == "1"), "in bold: {output}");

    let output = on_a_terminal(&[("NO_COLOR", "1")]);
    assert!(output.contains("Step 5 of 5"), "{output}");
    // Before it, gdb has read the symbols. What readline does with the terminal isn't colour, which ends in an m.
    let (_, tour) = output.split_once("This is ./alloc").unwrap();
    let codes =
        tour.split("\x1b[").skip(1).map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';'));
    assert!(!codes.clone().any(|code| code.starts_with('m')), "{output:?}");
}
