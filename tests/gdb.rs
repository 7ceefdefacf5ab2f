//! `./alloc` in gdb: stepping through it, and the guided tour. This uses the build with debug information.
#![cfg(debug_assertions)]

use common::*;
use std::io::Write;
use std::process::{Command, Stdio};

const ALLOC: &str = env!("CARGO_BIN_EXE_alloc");
const TOUR: &str = concat!("source ", env!("CARGO_MANIFEST_DIR"), "/gdb/tour.py");
const MAIN_RS: &str = include_str!("../src/main.rs");

/// How the lines of `main` begin, in the order in which they are run.
const STORY: [&str; 8] = [
    "let heap_start = current_break()",
    "let heap_end =",
    "unsafe { move_break(heap_end) }",
    "let heap =",
    "*heap = *b\"HI",
    "let printed = stdio::write_all(",
    "let freed = unsafe { move_break(heap_start) }",
    "printed.and(freed)",
];

/// The lines of `src/main.rs` that gdb shows.
fn main_rs(output: &str) -> Vec<&str> {
    let source: Vec<_> = MAIN_RS.lines().collect();
    let shown = output.lines().filter_map(|line| line.split_once('\t'));
    let shown = shown.filter(|(n, text)| n.parse::<usize>().is_ok_and(|n| source.get(n.wrapping_sub(1)) == Some(text)));
    shown.map(|(_, text)| text.trim()).collect()
}

#[track_caller]
fn assert_in_order<'a>(lines: impl IntoIterator<Item = &'a str>, expected: &[&str], output: &str) {
    let mut lines = lines.into_iter();
    for part in expected {
        assert!(lines.any(|line| line.contains(part)), "{part:?} is not in its place in {output}");
    }
}

#[test]
fn next_walks_through_the_story() {
    if lacks(Need::Ptrace) {
        return;
    }
    for start in [&["set args", "start"][..], &["set args", "break main", "run"]] {
        let mut command = gdb_command(ALLOC, &[start, &["next"; 12]].concat());
        let mut outputs = vec![run(&mut command)];
        if !lacks(Need::RustGdb) {
            outputs.push(run(Command::new("rust-gdb").args(command.get_args())));
        }
        for output in outputs {
            let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| str::from_utf8(text).unwrap());
            assert_in_order(main_rs(stdout), &STORY, stdout);
            assert!(stdout.contains("HI\n") && stdout.contains("exited normally"), "{stdout}");
            assert!(!stderr.contains("No such file"), "{stderr}");
        }
    }
}

#[test]
fn step_goes_into_functions_of_this_project_alone() {
    if lacks(Need::Ptrace) {
        return;
    }
    let output = gdb(ALLOC, &[&["skip -rfu ^core::", "break _start", "run"][..], &["step"; 60]].concat());
    assert_in_order(main_rs(&output), &STORY, &output);
    let functions = ["current_break", "brk", "move_break", "brk", "write_all", "write", "move_break", "brk", "exit"];
    let expected = functions.map(|name| format!("::{name} ("));
    assert_in_order(output.lines(), &expected.each_ref().map(String::as_str), &output);
    assert!(output.contains("exited normally"), "{output}");
    // Where a step stops in another function, gdb says in which file.
    let files = output.lines().filter_map(|line| line.rsplit_once(" at ")).map(|(_, place)| place);
    let outside: Vec<_> = files.filter(|place| place.contains(".rs:") && !place.starts_with("src/")).collect();
    assert_eq!(outside, Vec::<&str>::new(), "{output}");
}

#[test]
fn shows_the_heap_in_its_variables() {
    if lacks(Need::Ptrace) {
        return;
    }
    let output = gdb(ALLOC, &["break program_break::stdio::write_all", "run", "up", "info locals"]);
    let [start, end] = ["heap_start = 0x", "heap_end = 0x"].map(|name| {
        let value = output.lines().find_map(|line| line.strip_prefix(name)).expect(&output);
        hex(value.split(' ').next().unwrap())
    });
    assert_eq!(end - start, 4, "{output}");
    assert!(!output.contains("optimized out"), "{output}");
}

#[test]
fn backtraces_end_at_start() {
    if lacks(Need::Ptrace) {
        return;
    }
    let all = ["set backtrace past-main on", "set backtrace past-entry on"];
    let output = gdb(ALLOC, &[&all[..], &["break program_break::arch::brk", "run", "bt"]].concat());
    let frames: Vec<_> = output.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(frames.len(), 5, "{output}");
    for (frame, function) in
        frames.iter().zip(["::brk ", "::current_break ", "alloc::main ", "alloc::start ", "_start "])
    {
        assert!(frame.contains(function), "{function} is not in {frame}");
    }
    assert!(!output.contains("Backtrace stopped"), "{output}");
}

#[test]
fn the_tour_draws_what_is_there() {
    if lacks(Need::Ptrace) {
        return;
    }
    const MAPS: &str = "python print('maps:', open(f'/proc/{gdb.selected_inferior().pid}/maps').read())";
    // The script starts the program at once, as gdb does by default: without randomisation, if it can.
    for again in [&[][..], &["set disable-randomization off", "kill", "tour"]] {
        let output = gdb(ALLOC, &[&[TOUR], again, &["tour", MAPS].repeat(5), &["tour"]].concat());
        assert!(output.contains("\nThe end\n") && !output.contains('\x1b'), "{output}");
        let stops: Vec<_> = output.split("\nStep ").skip(1).map(|stop| stop.split_once("maps: ").unwrap()).collect();
        let stops: Vec<_> = stops.iter().map(|(text, maps)| (*text, Drawing::parse(text), mappings(maps))).collect();
        assert_eq!(stops.len(), 5, "{output}");

        let start = stops[0].1.address("heap start");
        for (n, (text, drawing, maps)) in stops.iter().enumerate() {
            // It fits on a terminal of 24 lines, with the prompt.
            assert!(text.trim_end().lines().count() <= 23, "{text}");
            // The picture has all of user memory.
            let maps: Vec<_> = maps.iter().filter(|mapping| mapping.start >> 63 == 0).cloned().collect();
            drawing.assert_agrees(&maps);
            let ends = (drawing.edges[0].address, drawing.edges.last().unwrap().address);
            assert_eq!(ends, (maps.last().unwrap().end, maps[0].start), "{text}");
            for region in drawing.regions.iter().filter(|region| region.is_mapped) {
                let inside: Vec<_> =
                    maps.iter().filter(|mapping| mapping.start < region.end && region.start < mapping.end).collect();
                let names = [inside[inside.len() - 1], inside[0]].map(|mapping| match &*mapping.name {
                    "[stack]" => "stack; grows down",
                    "[heap]" if region.end > start + 4 => "not asked for",
                    "[heap]" => "heap",
                    name if name.starts_with('[') => name,
                    _ => "program",
                });
                let name = if names[0] == names[1] { names[0].to_string() } else { names.join(" to ") };
                assert_eq!(region.name, name, "{text}");
            }

            let is_full = (1..4).contains(&n);
            assert_eq!(drawing.address("heap start"), start, "{text}");
            assert_eq!(drawing.address("program break"), if is_full { start + 4 } else { start }, "{text}");
            if is_full {
                let heap = mapped(&maps, "[heap]");
                assert_eq!((heap.start, heap.end), (start, drawing.address("end of the page")), "{text}");
            }
            let gap = drawing.region("the gap");
            let below = if is_full { "end of the page" } else { "program break" };
            assert_eq!(gap.start, drawing.address(below), "{text}");
            assert!(gap.end - gap.start > 1 << 35 && maps.iter().any(|mapping| mapping.start == gap.end), "{text}");
        }

        // Each stop has the lines that belong to it, and no others.
        let page = mapped(&stops[1].2, "[heap]");
        let pages =
            format!("whole pages of {},{:03} bytes.", (page.end - page.start) / 1000, (page.end - page.start) % 1000);
        let zeroed = format!("{start:#18x}  00 00 00 00  \\0 \\0 \\0 \\0\n");
        let stored = format!("{start:#18x}  48 49 0a 00  H I \\n \\0");
        let [empty, full] =
            [start, start + 4].map(|program_break| format!("brk({program_break:#x}) = {program_break:#x}\n"));
        for ((text, drawing, _), (lines, marks, parts)) in stops.iter().zip([
            (&STORY[0..1], &["new"][..], &["1 of 5", &format!("brk(NULL) = {start:#x}\n")][..]),
            (&STORY[1..3], &["new", "moved by +4"], &["2 of 5", &full, &zeroed, &pages]),
            (&STORY[3..5], &["changed"], &["3 of 5", &format!("{stored} ◄ before: 00 00 00 00\n")]),
            (
                &STORY[5..6],
                &["printed"],
                &["4 of 5", &format!("write(1, {start:#x}, 3) = 3\n"), &stored, "them: H I \\n\n"],
            ),
            (&STORY[6..7], &["moved by -4"], &["5 of 5", &empty]),
        ]) {
            assert_eq!(main_rs(text).len(), lines.len(), "{text}");
            assert_in_order(main_rs(text), lines, text);
            assert_eq!(drawing.marks(), marks, "{text}");
            assert!(parts.iter().all(|part| text.contains(part)), "{parts:?}: {text}");
        }
    }
}

#[test]
fn the_tour_can_be_left_and_taken_up_again() {
    if lacks(Need::Ptrace) {
        return;
    }
    let to_exit = ["break program_break::arch::exit", "tour", "tour", "tour", "tour", "info breakpoints", "continue"];
    let output = gdb(ALLOC, &[&[TOUR, "tour", "tour", "next", "next", "memory"][..], &to_exit].concat());
    assert!(output.contains("48 49 0a 00  H I \\n \\0\n"), "{output}");
    // A breakpoint of the user's stops the tour.
    assert!(output.contains("\nBreakpoint 1") && output.contains("::exit (status=0)"), "{output}");
    assert!(output.contains("breakpoint already hit 1 time"), "{output}");
    assert!(output.contains("exited normally]"), "an ordinary session: {output}");

    // A look in between doesn't take the marks from the next stop.
    let output = gdb(ALLOC, &[TOUR, "tour", "next", "next", "memory", "tour"]);
    assert_eq!(output.matches("◄ moved by +4").count(), 2, "{output}");

    let output = gdb(ALLOC, &[TOUR, "kill", "memory", "tour", "tour"]);
    assert_eq!(output.matches("The program is not running. To start it, type: tour").count(), 1, "{output}");
    assert!(output.contains("\nStep 1 of 5"), "{output}");

    // The tour leaves gdb as it is.
    let output = gdb(
        ALLOC,
        &["set pagination on", TOUR, "catch syscall brk", "continue", "continue", "tour", "show pagination"],
    );
    assert!(output.contains("(call to syscall brk)") && output.contains("(returned from syscall brk)"), "{output}");
    assert!(output.contains("State of pagination is on"), "{output}");
}

#[test]
fn the_tour_goes_on_from_wherever_gdb_is() {
    if lacks(Need::Ptrace) {
        return;
    }
    let own = "break program_break::arch::brk";
    for (commands, expected) in [
        // At a line of main with nothing done since the last stop.
        (&["tour", "break main.rs:18", "tour", "tour"][..], &["Step 1 ", "Breakpoint 1", "Step 2 "][..]),
        // In a function; in the frame that called it; right at the instruction, and right after it.
        (&["step", "step", "tour", "tour"], &["brk (address=0x0)", "Step 1 ", "Step 2 "]),
        (&[own, "tour", "up", "tour", "tour", "tour"], &["Breakpoint 1", "Step 1 ", "Breakpoint 1", "Step 2 "]),
        (&[own, "tour", "stepi", "tour", "tour", "tour"], &["Breakpoint 1", "Step 1 ", "Breakpoint 1", "Step 2 "]),
        (&["step", "step", "step", "step", "tour", "tour"], &["Step 1 ", "Step 2 "]),
        // Before main, and at the start of another run.
        (&["starti", "tour", "tour"], &["Step 1 ", "Step 2 "]),
        (&["break _start", "kill", "tour", "tour"], &["Breakpoint 1", "Step 1 "]),
        (&["tour", "tour", "start", "tour"], &["Step 1 ", "Step 2 ", "Step 1 "]),
        // A step that was made by hand is not left out.
        (
            &["tour", "tour", "next", "next", "tour", "tour"],
            &["Step 1 ", "Step 2 ", "Step 3 ", "before: 00 00 00 00", "Step 4 "],
        ),
        (&["next", "next", "next", "tour", "tour"], &["Step 1 ", "Step 2 ", "program break", "Step 3 "]),
        (&[&["step"; 30][..], &["tour"; 2]].concat(), &["Step 1 ", "Step 2 ", "Step 3 ", "Step 4 ", "Step 5 "]),
    ] {
        let output = gdb(ALLOC, &[&[TOUR], commands].concat());
        // Errors come after all else.
        assert_in_order(output.lines(), expected, &format!("{commands:?}: {output}"));
        let steps = expected.iter().filter(|part| part.starts_with("Step")).count();
        assert_eq!(output.matches(" of 5: ").count(), steps, "{commands:?}: {output}");
        assert!(!output.contains("Python Exception") && !output.contains("Traceback"), "{commands:?}: {output}");
    }
}

#[test]
fn the_tour_says_what_the_kernel_did() {
    if lacks(Need::Ptrace) {
        return;
    }
    let limited = "set exec-wrapper sh -c 'ulimit -d 0; exec \"$0\" \"$@\"'";
    let output = gdb(ALLOC, &[TOUR, limited, "kill", "tour", "tour", "tour"]);
    assert!(output.contains("the kernel refused") && !output.contains("Step 2"), "{output}");
    assert!(!output.contains("These bytes are ours"), "{output}");

    let output = gdb(ALLOC, &[&[TOUR, "set args > /dev/full", "kill"], &["tour"; 7][..]].concat());
    assert!(output.contains("write(1, 0x") && output.contains(", 3) = -28\n"), "{output}");
    assert!(!output.contains("Step 4"), "{output}");
    // The memory is given back all the same.
    assert!(output.contains("Step 5 of 5"), "{output}");
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
        std::os::unix::fs::symlink(root().join(name), there.join(name)).unwrap();
    }
    std::fs::copy(ALLOC, there.join("alloc")).unwrap();
    for locale in [None, Some("C"), Some("C.UTF-8")] {
        let mut command =
            gdb_command("./alloc", &[&["source gdb/tour.py"], &["tour"; 6][..], &["help user-defined"]].concat());
        for variable in ["LC_ALL", "LC_CTYPE", "LANG"] {
            command.env_remove(variable);
        }
        let output = run(command.current_dir(&link).envs(locale.map(|locale| ("LC_ALL", locale))));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{locale:?}");
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert!(stdout.contains("This is ./alloc, before its first step."), "{stdout}");
        assert_eq!(main_rs(&stdout).len(), 7, "{locale:?}: {stdout}");
        assert!(stdout.contains("── program break ──") && stdout.contains("The end"), "{locale:?}: {stdout}");
        for command in ["memory -- ", "tour -- "] {
            assert!(stdout.contains(command), "{stdout}");
        }
        assert!(!there.join("gdb/__pycache__").exists(), "Python leaves nothing behind");
    }
}

/// On a terminal of 80 columns and 24 lines, with Enter for each step but the first.
#[test]
fn the_tour_goes_on_with_enter_on_a_small_terminal() {
    if lacks(Need::Ptrace) {
        return;
    }
    let log = tempfile::NamedTempFile::new().unwrap();
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let inside = format!("stty cols 80 rows 24; exec gdb -q -nx -ex {} {}", quoted(TOUR), quoted(ALLOC));
    let mut script = Command::new("script");
    captured(&mut script).args(["-qec", &inside]).arg(log.path()).env("TERM", "xterm");
    let mut terminal = script.stdin(Stdio::piped()).spawn().unwrap();
    // The keyboard stays there until the end, which `y` makes sure of, should gdb ask.
    let mut keyboard = terminal.stdin.take().unwrap();
    keyboard.write_all(b"tour\n\n\n\n\n\nquit\ny\n").unwrap();
    let ended = finish(terminal, LIMIT);
    drop(keyboard);
    assert!(ended.status.success(), "{ended:?}");
    let output = std::fs::read_to_string(log.path()).unwrap();
    for step in 1..=5 {
        assert_eq!(output.matches(&format!("Step {step} of 5")).count(), 1, "{output}");
    }
    assert!(output.contains("The end") && !output.contains("--Type"), "{output}");
    // What the program prints comes between the steps.
    let (before, after) = output.split_once("HI\r\n\r\n").expect(&output);
    assert!(before.contains("Step 3 of 5") && after.lines().next().unwrap().contains("Step 4 of 5"), "{output}");
}
