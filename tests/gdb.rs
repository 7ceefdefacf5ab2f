//! `./alloc` in gdb: stepping through it, and the guided tour. This uses the build with debug information.

use common::cargo::debugged;
use common::*;
use regex_lite::Regex;
use std::io::Write;
use std::process::Stdio;

const TOUR: &str = concat!("source ", env!("CARGO_MANIFEST_DIR"), "/gdb/tour.py");
const MAIN_RS: &str = include_str!("../src/main.rs");

/// The statements of `main`, in the order in which they are run.
fn story() -> Vec<&'static str> {
    let main = MAIN_RS.split("fn main").nth(1).unwrap().lines().skip(1).map(str::trim);
    main.filter(|line| !line.is_empty() && !line.starts_with("//") && *line != "}").collect()
}

/// The lines of `src/main.rs` that gdb shows, or the tour, each after its number.
fn main_rs(output: &str) -> Vec<&str> {
    let source = |number: usize| MAIN_RS.lines().nth(number - 1).unwrap_or_default().trim();
    let is_shown = |line: &&str| {
        let (number, text) = line.split_once(['\t', ' ']).unwrap_or_default();
        number.parse().is_ok_and(|number| number > 0 && !text.is_empty() && source(number) == text.trim())
    };
    output.lines().filter(is_shown).collect()
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
    let output = gdb(&debugged("alloc"), &[&["set args", "start"][..], &["next"; 12]].concat());
    assert_in_order(main_rs(&output), &story(), &output);
    assert!(output.contains("HI\n") && output.contains("exited normally"), "{output}");
    assert!(!output.contains("No such file"), "{output}");
}

#[test]
fn step_goes_into_functions_of_this_project_alone() {
    needs!(Ptrace);
    let output = gdb(&debugged("alloc"), &[&["skip -rfu ^core::", "break _start", "run"][..], &["step"; 60]].concat());
    let functions = "current_break brk syscall1 move_break brk syscall1 write_all write syscall3 move_break brk exit";
    let expected: Vec<_> = functions.split(' ').map(|name| format!("::{name} (")).collect();
    assert_in_order(output.lines(), &expected.iter().map(String::as_str).collect::<Vec<_>>(), &output);
    assert!(output.contains("exited normally"), "{output}");
    // Where a step stops in another function, gdb says in which file.
    let files = output.lines().filter_map(|line| line.rsplit_once(" at ")).map(|(_, place)| place);
    let outside: Vec<_> = files.filter(|place| place.contains(".rs:") && !place.starts_with("src/")).collect();
    assert_eq!(outside, Vec::<&str>::new(), "{output}");
}

#[test]
fn shows_the_stack_and_the_heap() {
    needs!(Ptrace);
    // The last instruction of `_start` is the call of `start`.
    let called = if cfg!(target_arch = "x86_64") { "stepi 1" } else { "stepi 2" };
    let at_start = ["break *_start", "run", called, "print $sp as usize % 16", "tbreak alloc::main", "continue"];
    // Once the memory is there, it is filled with something other than the kernel's zeroes.
    let allocated = ["next", "next", "next", "set var *(heap_start as *mut u64) = !0"];
    let stored = ["break program_break::arch::write", "continue"];
    let frames = ["set backtrace past-main on", "set backtrace past-entry on", "bt", "up 2"];
    let heap = ["print heap_end as usize - heap_start as usize", "print *(heap_start as *mut [u8; 8])"];
    let output = gdb(&debugged("alloc"), &[&at_start[..], &allocated, &stored, &frames, &heap].concat());
    // The stack is aligned at the call of `start`, which pushes eight bytes on x86-64.
    let aligned = if cfg!(target_arch = "x86_64") { 8 } else { 0 };
    assert!(output.contains(&format!("\n$1 = {aligned}\n")), "{output}");
    let frames = ["::write (", "::write_all (", "alloc::main (", "::start (", "_start ("];
    assert_in_order(output.lines().filter(|line| line.starts_with('#')), &frames, &output);
    assert!(!output.contains("#5 ") && !output.contains("Backtrace stopped"), "{output}");
    // Three bytes are stored, and no more.
    assert!(output.contains("\n$2 = 4\n$3 = [72, 73, 10, 255, 255, 255, 255, 255]\n"), "{output}");
}

#[test]
fn the_tour_draws_what_is_there() {
    needs!(Ptrace);
    let story = story();
    let page = match page_size() {
        4096 => "4,096",
        16384 => "16,384",
        _ => "65,536",
    };
    for random in ["off", "on"] {
        let random = format!("set disable-randomization {random}");
        let output = gdb(&debugged("alloc"), &[&[TOUR, &random], &["tour", MAPS].repeat(5)[..], &["tour"]].concat());
        assert!(output.contains("\nThe end: exit status 0.\n") && !output.contains('\x1b'), "{output}");
        let stops: Vec<_> = output.split("\nStep ").skip(1).map(|stop| stop.split_once("maps: ").unwrap()).collect();
        assert_eq!(stops.len(), 5, "{output}");
        let drawings: Vec<_> = stops.iter().map(|(text, _)| Drawing::parse(text)).collect();
        let start = drawings[0].address("heap start");
        let [stored, shown] =
            ["48 49 0a 00  H I \\n \\0", "48 49 0a  H I \\n"].map(|row| format!("{start:#18x}  {row}\n"));
        let [empty, full] = [start, start + 4].map(|address| format!("brk({address:#x}) = {address:#x}\n"));
        let [found, printed] = [format!("brk(NULL) = {start:#x}\n"), format!("write(1, {start:#x}, 3) = 3\n")];
        let fault = format!("3 bytes changed. A page fault brought {page} bytes into memory.\n");
        let taken = format!("The kernel has taken back {page} bytes. ");
        let promised = "These are only promised, and not in memory yet.\n";
        // Each stop has the lines that belong to it, and no others.
        for (((text, maps), drawing), (size, is_used, lines, marks, parts)) in stops.iter().zip(&drawings).zip([
            (0, false, &story[0..1], &["new"][..], &["1: the program break is found\n", &found][..]),
            (4, false, &story[1..3], &["new", "+4 bytes"], &["2: the break moves up by 4 bytes\n", &full, promised]),
            (4, true, &story[3..5], &[], &["3: something is stored on the heap\n", &stored, &fault]),
            (4, true, &story[5..6], &[], &["4: 3 bytes are printed from the heap\n", &printed, &shown]),
            (0, false, &story[6..7], &["-4 bytes"], &["5: the break moves down by 4 bytes\n", &empty, &taken]),
        ]) {
            assert_eq!(main_rs(text).len(), lines.len(), "{text}");
            assert_in_order(main_rs(text), lines, text);
            assert_eq!(drawing.marks, marks, "{text}");
            assert!(parts.iter().all(|part| text.contains(part)), "{parts:?}: {text}");
            let [mapped, resident] = [size > 0, is_used].map(|is_one| if is_one { page } else { "0" });
            assert_eq!(drawing.state, format!("heap: {size} bytes asked for, {mapped} mapped, {resident} in memory"));
            assert_fits(text);

            // The picture has all of user memory.
            let maps: Vec<_> = mappings(maps).into_iter().filter(|mapping| mapping.start >> 63 == 0).collect();
            drawing.assert_agrees(&maps, size);
            assert_eq!(drawing.address("heap start"), start, "{text}");
            let ends = (drawing.regions[0].end, drawing.regions.last().unwrap().start);
            assert_eq!(ends, (maps.last().unwrap().end, maps[0].start), "{text}");
            let stack = maps.iter().find(|mapping| mapping.name == "[stack]").unwrap();
            assert_eq!(drawing.region("stack; grows down").end, stack.end, "{text}");
            assert_eq!(drawing.region("program").start, maps[0].start, "{text}");
            // What the kernel has added is one region, which has the names of its ends.
            for mapping in maps.iter().filter(|mapping| mapping.name.starts_with("[v")) {
                let here = drawing.regions.iter().filter(|region| region.start == mapping.start);
                here.for_each(|region| assert!(region.name.ends_with(&mapping.name), "{text}"));
            }
        }
    }
}

#[test]
fn the_tour_can_be_left_and_taken_up_again() {
    needs!(Ptrace);
    let own = "break program_break::arch::brk";
    let limited = "set exec-wrapper sh -c 'ulimit -d 0; exec \"$0\" \"$@\"'";
    for (commands, expected) in [
        // In a function.
        (&[own, "tour", "tour", "tour", "tour"][..], &["Breakpoint 1, ", "Step 1", "Breakpoint 1, ", "Step 2"][..]),
        // Before main, and in other runs.
        (&["start", "continue", "break _start", "tour", "tour"], &["exited normally]", "Breakpoint 2, ", "Step 1:"]),
        (&["tour", "tour", "start", "tour", "kill", "tour"], &["Step 1", "Step 2", "Step 1", "Step 1"]),
        (&["memory", "tour", "continue", "tour"], &["Step 1", "exited normally]", "Step 1", "is not running."]),
        // A step that was made by hand is not left out, and a look in between changes nothing.
        (
            &["tour", "next", "next", "next", "memory", "tour", "next", "next", "tour", "tour"],
            &["Step 1", "23\t", "end of the page", "Step 2:", "◄ +4 bytes", "24\t", "27\t", "Step 3:", "Step 4:"],
        ),
        (
            &[&["start"], &["step"; 20][..], &["break program_break::arch::exit", "continue", "tour 5"]].concat(),
            &["Step 1, which is past:", "◄ new", "Step 2, which", "Step 3, which", "Step 4, which", "Step 5:"],
        ),
        (&["tour 3", "tour x"], &["Step 1", "Step 2", "Step 3", "tour takes a number of steps, not x"]),
        // What the reader stores is not the program's doing.
        (&["tour 3", "set var *heap_start = 74", "tour"], &["Step 3:", "Step 4: 3 bytes are printed", "4a 49 0a"]),
        // The tour leaves gdb's settings as they are.
        (&["set pagination on", "tour", "show pagination"], &["Step 1", "State of pagination is on"]),
        (&["set exec-wrapper false", "tour"], &["gdb can't run the program: During startup program exited"]),
        // What the kernel refuses is shown as it is. The memory is given back all the same.
        (
            &[limited, "tour 3"],
            &["Step 1", "Step 2: the kernel refuses to move the break", "where the break still is", "exit status 71."],
        ),
        (
            &["set args > /dev/full", "tour 6"],
            &["Step 3", "Step 4: nothing is written", "No space left on device.", "Step 5", "exit status 74."],
        ),
    ] {
        let output = gdb(&debugged("alloc"), &[&[TOUR], commands].concat());
        // Errors come after all else.
        assert_in_order(output.lines(), expected, &format!("{commands:?}: {output}"));
        assert!(!output.contains("Python Exception") && !output.contains("Traceback"), "{commands:?}: {output}");
    }
}

#[test]
fn the_tour_follows_other_programs() {
    needs!(Ptrace);
    for (program, line) in [
        // Where main is in another file than main.rs, its lines have the name of the file.
        ("bump", r"\nmod.rs:\d+ +grown.push\(\*number\);"),
        ("free_list", r"\nmod.rs:\d+ +drop\(grown\);"),
        ("layout", r"\n\d+ +unsafe \{ move_break\(program_break\) \}\?;"),
    ] {
        let program = &debugged(program);
        let output = gdb(program, &[TOUR, "tour 99"]);
        // There is a stop where the program finds the break, and at each move.
        let breaks =
            strace(program, &[]).calls.iter().filter(|call| call.name == "brk" && call.args[0] != "NULL").count();
        let again = Regex::new("moves the break ([0-9]+) more").unwrap();
        let again: usize = again.captures_iter(&output).map(|found| found[1].parse::<usize>().unwrap()).sum();
        let [found, moves] =
            [": the program break is found", ": the break "].map(|title| output.matches(title).count());
        assert_eq!((found, moves + again), (1, breaks), "{output}");
        assert!(Regex::new(line).unwrap().is_match(&output) && output.contains("\nThe end: "), "{line}: {output}");
        for stop in output.split("\nStep ").skip(1) {
            assert_fits(stop.split("\n[Inferior").next().unwrap());
            let line = stop.lines().nth(1).unwrap();
            assert!(line == "…" || line.contains("          "), "no line of main: {stop}");
        }
    }
}

#[test]
fn the_tour_says_which_programs_it_can_follow() {
    needs!(Ptrace);
    let release = cargo::build("", "", "release", &["--bin=alloc", "--config", cargo::CONFIG]).join("alloc");
    let optimised = ["--bin=alloc", "--config", cargo::CONFIG, "--config", "profile.dev.opt-level=1"];
    let optimised = cargo::build("", "", "dev", &optimised).join("alloc");
    for program in ["/bin/true", release.to_str().unwrap(), optimised.to_str().unwrap()] {
        let output = gdb(program, &[TOUR, "tour"]);
        assert!(output.contains("\nQuit, and type: make gdb\n"), "{output}");
        assert!(!output.contains("Step") && !output.contains("Traceback"), "{output}");
    }
}

#[test]
fn the_tour_says_how_many_columns_it_needs() {
    needs!(Ptrace);
    for (columns, is_said) in [("set width 79", true), ("set width 80", false)] {
        let output = gdb(&debugged("alloc"), &[columns, TOUR]);
        assert_eq!(output.contains("need 80 columns. This terminal has 79."), is_said, "{output}");
    }
}

#[test]
fn the_tour_works_in_any_directory_and_locale() {
    needs!(Ptrace);
    let directory = tempfile::Builder::new().prefix("it's a blank, a comma & an \"ö\"").tempdir().unwrap();
    let there = directory.path();
    for name in ["gdb", "src"] {
        std::os::unix::fs::symlink(root().join(name), there.join(name)).unwrap();
    }
    std::fs::copy(debugged("alloc"), there.join("alloc")).unwrap();
    // An empty variable has the effect of an unset one.
    for locale in ["", "C", "C.UTF-8"] {
        let mut command =
            gdb_command("./alloc", &[&["source gdb/tour.py"], &["tour"; 6][..], &["help user-defined"]].concat());
        command.current_dir(there).env("LC_ALL", locale).env_remove("LC_CTYPE").env_remove("LANG");
        let output = command.env_remove("PYTHONDONTWRITEBYTECODE").output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{locale}");
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert_eq!(main_rs(&stdout).len(), 7, "{locale}: {stdout}");
        for part in ["see the first step", "── program break ──", "The end", "memory -- ", "tour -- "] {
            assert!(stdout.contains(part), "{part}, {locale}: {stdout}");
        }
    }
    assert!(!there.join("gdb/__pycache__").exists(), "Python left a __pycache__");
}

/// On a terminal of 80 columns and 24 lines, with Enter for each step but the first.
#[test]
fn the_tour_goes_on_with_enter_on_a_small_terminal() {
    needs!(Ptrace);
    let inside = r#"stty cols 80 rows 24; exec gdb -q -nx -ex "$TOUR" "$ALLOC""#;
    let mut script = limited("script");
    script.args(["-qec", inside, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut terminal = script
        .envs([("TERM", "xterm"), ("SHELL", "/bin/sh"), ("TOUR", TOUR), ("ALLOC", &debugged("alloc"))])
        .spawn()
        .unwrap();
    // The input stays open until gdb ends. `y` answers it if it asks.
    let mut keyboard = terminal.stdin.take().unwrap();
    keyboard.write_all(b"tour\n\n\n\n\n\nquit\ny\n").unwrap();
    let ended = terminal.wait_with_output().unwrap();
    drop(keyboard);
    assert!(ended.status.success(), "{ended:?}");
    let output = String::from_utf8(ended.stdout).unwrap();
    for step in 1..=5 {
        assert_eq!(output.matches(&format!("Step {step}: ")).count(), 1, "{output}");
    }
    assert!(output.contains("The end") && !output.contains("--Type"), "{output}");
    // What the program prints is on the screen with its step.
    let (before, after) = output.split_once("HI\r\n").expect(&output);
    assert!(before.contains("Step 3: ") && after.starts_with("Step 4: "), "{output}");
    assert!(after.split("(gdb)").next().unwrap().lines().count() <= 23, "{output}");
}
