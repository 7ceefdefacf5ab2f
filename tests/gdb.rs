//! `./alloc` in gdb: stepping through it, and the guided tour. This uses the build with debug information.
#![cfg(debug_assertions)]

use common::*;
use std::io::Write;
use std::process::Stdio;

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
    needs!(Ptrace);
    for start in [&["set args", "start"][..], &["set args", "break main", "run"]] {
        let output = gdb(ALLOC, &[start, &["next"; 12]].concat());
        assert_in_order(main_rs(&output), &STORY, &output);
        assert!(output.contains("HI\n") && output.contains("exited normally"), "{output}");
        assert!(!output.contains("No such file"), "{output}");
    }
}

#[test]
fn step_goes_into_functions_of_this_project_alone() {
    needs!(Ptrace);
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
fn shows_the_frames_and_the_heap_in_its_variables() {
    needs!(Ptrace);
    let all = ["set backtrace past-main on", "set backtrace past-entry on"];
    let output =
        gdb(ALLOC, &[&all[..], &["break program_break::arch::write", "run", "bt", "up 2", "info locals"]].concat());
    let frames = ["::write (", "::write_all (", "alloc::main (", "alloc::start (", "_start ("];
    assert_in_order(output.lines().filter(|line| line.starts_with('#')), &frames, &output);
    assert!(!output.contains("#5 "), "{output}");
    let [start, end] = ["heap_start = 0x", "heap_end = 0x"].map(|name| {
        let value = output.lines().find_map(|line| line.strip_prefix(name)).expect(&output);
        hex(value.split(' ').next().unwrap())
    });
    assert_eq!(end - start, 4, "{output}");
    assert!(!output.contains("optimized out") && !output.contains("Backtrace stopped"), "{output}");
}

#[test]
fn the_tour_draws_what_is_there() {
    needs!(Ptrace);
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
            let is_full = (1..4).contains(&n);
            drawing.assert_agrees(&maps, if is_full { 4 } else { 0 });
            assert_eq!(drawing.address("heap start"), start, "{text}");
            let ends = (drawing.edges[0].address, drawing.edges.last().unwrap().address);
            assert_eq!(ends, (maps.last().unwrap().end, maps[0].start), "{text}");
            assert_eq!(drawing.region("stack; grows down").end, mapped(&maps, "[stack]").end, "{text}");
            assert_eq!(drawing.region("program").start, maps[0].start, "{text}");
            // What the kernel has added is one region, which has the names of its ends.
            for mapping in maps.iter().filter(|mapping| mapping.name.starts_with("[v")) {
                let here = drawing.regions.iter().filter(|region| region.start == mapping.start);
                here.for_each(|region| assert!(region.name.ends_with(&mapping.name), "{text}"));
            }
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
            assert_eq!(drawing.marks, marks, "{text}");
            assert!(parts.iter().all(|part| text.contains(part)), "{parts:?}: {text}");
        }
    }
}

#[test]
fn the_tour_can_be_left_and_taken_up_again() {
    needs!(Ptrace);
    let own = "break program_break::arch::brk";
    for (commands, expected) in [
        // At a line of main with nothing done since the last stop.
        (&["tour", "break main.rs:18", "tour", "tour"][..], &["Step 1 ", "Breakpoint 1", "Step 2 "][..]),
        // In a function; in the frame that called it; after the call.
        (&["step", "step", "tour", "tour"], &["brk (address=0x0)", "Step 1 ", "Step 2 "]),
        (&[own, "tour", "up", "tour", "tour", "tour"], &["Breakpoint 1", "Step 1 ", "Breakpoint 1", "Step 2 "]),
        (&["step", "step", "step", "step", "tour", "tour"], &["Step 1 ", "Step 2 "]),
        // Before main, and at the start of another run.
        (&["break _start", "kill", "tour", "tour"], &["Breakpoint 1", "Step 1 "]),
        (&["tour", "tour", "start", "tour"], &["Step 1 ", "Step 2 ", "Step 1 "]),
        (&["kill", "tour", "tour", "kill", "memory"], &["Step 1 ", "not running. To start it, type: tour"]),
        // A step that was made by hand is not left out. A look in between doesn't take the marks from the next stop.
        (
            &["tour", "next", "next", "memory", "tour", "next", "next", "tour", "tour"],
            &["Step 1 ", "◄ moved by +4", "Step 2 ", "◄ moved by +4", "Step 3 ", "before: 00 00 00 00", "Step 4 "],
        ),
        (&[&["step"; 30][..], &["tour"; 2]].concat(), &["Step 1 ", "Step 2 ", "Step 3 ", "Step 4 ", "Step 5 "]),
        // The tour leaves gdb as it is.
        (&["set pagination on", "tour", "show pagination"], &["Step 1 ", "State of pagination is on"]),
        (&["catch syscall brk", "continue", "continue"], &["(call to syscall brk)", "(returned from syscall brk)"]),
        (
            &["break program_break::arch::exit", "tour", "tour", "tour", "tour", "tour", "tour", "continue"],
            &["Step 1 ", "Step 2 ", "Step 3 ", "Step 4 ", "Step 5 ", "::exit (status=0)", "exited normally]"],
        ),
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
    needs!(Ptrace);
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
    needs!(Ptrace);
    let directory = tempfile::Builder::new().prefix("it's a blank, a comma & an \"ö\"").tempdir().unwrap();
    let (there, link) = (directory.path().join("real"), directory.path().join("link"));
    std::fs::create_dir(&there).unwrap();
    std::os::unix::fs::symlink(&there, &link).unwrap();
    for name in ["gdb", "src"] {
        std::os::unix::fs::symlink(root().join(name), there.join(name)).unwrap();
    }
    std::fs::copy(ALLOC, there.join("alloc")).unwrap();
    // An empty variable is as none.
    for locale in ["", "C", "C.UTF-8"] {
        let mut command =
            gdb_command("./alloc", &[&["source gdb/tour.py"], &["tour"; 6][..], &["help user-defined"]].concat());
        command.current_dir(&link).env("LC_ALL", locale).env_remove("LC_CTYPE").env_remove("LANG");
        let output = run(command.env_remove("PYTHONDONTWRITEBYTECODE"));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{locale}");
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert_eq!(main_rs(&stdout).len(), 7, "{locale}: {stdout}");
        for part in
            ["This is ./alloc, before its first step.", "── program break ──", "The end", "memory -- ", "tour -- "]
        {
            assert!(stdout.contains(part), "{part}, {locale}: {stdout}");
        }
    }
    assert!(!there.join("gdb/__pycache__").exists(), "Python leaves nothing behind");
}

/// On a terminal of 80 columns and 24 lines, with Enter for each step but the first.
#[test]
fn the_tour_goes_on_with_enter_on_a_small_terminal() {
    needs!(Ptrace);
    let log = tempfile::NamedTempFile::new().unwrap();
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let inside = format!("stty cols 80 rows 24; exec gdb -q -nx -ex {} {}", quoted(TOUR), quoted(ALLOC));
    let mut script = limited("script");
    script.args(["-qec", &inside]).arg(log.path()).env("TERM", "xterm").stdin(Stdio::piped()).stdout(Stdio::null());
    let mut terminal = script.spawn().unwrap();
    // The keyboard stays there until the end, which `y` makes sure of, should gdb ask.
    let mut keyboard = terminal.stdin.take().unwrap();
    keyboard.write_all(b"tour\n\n\n\n\n\nquit\ny\n").unwrap();
    let status = terminal.wait().unwrap();
    drop(keyboard);
    assert!(status.success(), "{status}");
    let output = std::fs::read_to_string(log.path()).unwrap();
    for step in 1..=5 {
        assert_eq!(output.matches(&format!("Step {step} of 5")).count(), 1, "{output}");
    }
    assert!(output.contains("The end") && !output.contains("--Type"), "{output}");
    // What the program prints comes between the steps.
    let (before, after) = output.split_once("HI\r\n\r\n").expect(&output);
    assert!(before.contains("Step 3 of 5") && after.lines().next().unwrap().contains("Step 4 of 5"), "{output}");
}
