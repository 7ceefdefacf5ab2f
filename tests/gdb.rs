//! `./alloc` in gdb: stepping through it, and the guided tour. This uses the build with debug information.
//! (tests/try_it.rs has what the tour says, and how it is left and taken up again.)

use common::cargo::{build, debugged, programs};
use common::*;
use regex_lite::Regex;
use std::io::Write;
use std::process::Stdio;

const TOUR: &str = concat!("source ", env!("CARGO_MANIFEST_DIR"), "/gdb/tour.py");

#[test]
fn next_walks_through_main_and_step_into_functions_of_this_project_alone() {
    needs!(Ptrace);
    // The statements of `main`, as gdb shows them.
    let main = include_str!("../src/main.rs").lines().zip(1..).skip_while(|(line, _)| !line.starts_with("fn main"));
    let statements = main.skip(1).filter(|(line, _)| !["", "/", "}"].contains(&line.trim().get(..1).unwrap_or("")));
    let statements: Vec<_> = statements.map(|(line, number)| format!("{number}\t{line}")).collect();
    let called = "current_break brk syscall move_break brk syscall write_all write syscall move_break brk exit";
    let called: Vec<_> = called.split(' ').map(|name| format!("::{name} (")).collect();
    for (start, steps, expected) in [
        (&["set args", "start"][..], ["next"; 60], statements),
        (&["set args", "skip -rfu ^core::", "break _start", "run"], ["step"; 60], called),
    ] {
        let output = gdb(&debugged("alloc"), &[start, &steps].concat());
        assert!(has_in_order(&output, expected.iter().map(String::as_str)), "{expected:?}: {output}");
        assert!(output.contains("HI\n") && output.contains("exited normally"), "{output}");
        assert!(!output.contains("No such file"), "{output}");
        // Where a step stops in another function, gdb says in which file.
        let mut files = output.lines().filter_map(|line| line.rsplit_once(" at ")).map(|(_, place)| place);
        assert!(files.all(|place| !place.contains(".rs:") || place.starts_with("src/")), "{output}");
    }
}

#[test]
fn shows_the_stack_and_the_heap() {
    needs!(Ptrace);
    // The last instruction of `_start` is the call of `start`, which pushes eight bytes on x86-64. The stack is aligned
    // at the call.
    let (called, aligned) = if cfg!(target_arch = "x86_64") { ("stepi 1", 8) } else { ("stepi 2", 0) };
    // Once the memory is there, it is filled with something other than the kernel's zeroes.
    let commands = format!(
        "break *_start; run; {called}; print $sp as usize % 16; tbreak alloc::main; continue; next 3; \
         set var *(heap_start as *mut u64) = !0; break program_break::arch::write; continue; \
         set backtrace past-main on; set backtrace past-entry on; bt; up 2; \
         print heap_end as usize - heap_start as usize; print *(heap_start as *mut [u8;8])"
    );
    let output = gdb(&debugged("alloc"), &commands.split("; ").collect::<Vec<_>>());
    assert!(output.contains(&format!("\n$1 = {aligned}\n")), "{output}");
    let stack: String = output.lines().filter(|line| line.starts_with('#')).collect();
    let frames = ["::write (", "::write_all (", "alloc::main (", "::start (", "_start ("];
    assert!(has_in_order(&stack, frames), "{output}");
    assert!(!output.contains("#5 ") && !output.contains("Backtrace stopped"), "{output}");
    // Three bytes are stored, and no more.
    assert!(output.contains("\n$2 = 4\n$3 = [72, 73, 10, 255, 255, 255, 255, 255]\n"), "{output}");
}

#[test]
fn the_tour_draws_what_is_there() {
    needs!(Ptrace);
    for random in ["off", "on"] {
        let random = format!("set disable-randomization {random}");
        let output = gdb(&debugged("alloc"), &[&[TOUR, &random], &["tour", MAPS].repeat(5)[..], &["tour"]].concat());
        assert!(output.contains("\nThe end: exit status 0.\n") && !output.contains('\x1b'), "{output}");
        let stops: Vec<_> = output.split("\nStep ").skip(1).map(|stop| stop.split_once("maps: ").unwrap()).collect();
        assert_eq!(stops.len(), 5, "{output}");
        for ((text, maps), (size, call)) in stops.into_iter().zip([
            (0, "brk(NULL) = start\n"),
            (4, "brk(end) = end\n"),
            (4, " start  48 49 0a 00  H I \\n \\0\n"),
            (4, "write(1, start, 3) = 3\n"),
            (0, "brk(start) = start\n"),
        ]) {
            // The picture has all of user memory.
            let maps: Vec<_> = mappings(maps).into_iter().filter(|mapping| mapping.start >> 63 == 0).collect();
            let (_, addresses) = drawn(text, &maps, size);
            assert_eq!(addresses["program"], maps[0].start, "{text}");
            let start = addresses["heap start"];
            let [start, end] = [start, start + 4].map(|address| format!("{address:#x}"));
            assert!(text.replace(&end, "end").replace(&start, "start").contains(call), "{call}: {text}");
        }
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
        let breaks = strace(program, &[]).named("brk").iter().filter(|call| call.args[0] != "NULL").count();
        let again = Regex::new("moves the break ([0-9]+) more").unwrap();
        let again: usize = again.captures_iter(&output).map(|found| found[1].parse::<usize>().unwrap()).sum();
        assert_eq!(output.matches(": the program break is found").count(), 1, "{output}");
        assert_eq!(output.matches(": the break ").count() + again, breaks, "{output}");
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
    let optimised = build("", "", "dev", &["--bin=alloc", "--config=profile.dev.opt-level=1"]);
    for program in ["/bin/true".into(), programs("release").join("alloc"), optimised.join("alloc")] {
        let output = gdb(program.to_str().unwrap(), &[TOUR, "tour"]);
        assert!(output.contains("\nQuit, and type: make gdb\n"), "{output}");
        assert!(!output.contains("Step") && !output.contains("Traceback"), "{output}");
    }
}

/// On a terminal of 80 columns and 24 lines, with Enter for each step but the first.
#[test]
fn the_tour_works_in_any_directory_and_locale_and_on_a_small_terminal() {
    needs!(Ptrace);
    let directory = tempfile::Builder::new().prefix("it's a blank, a comma & an \"ö\"").tempdir().unwrap();
    let there = directory.path();
    for name in ["gdb", "src"] {
        std::os::unix::fs::symlink(root().join(name), there.join(name)).unwrap();
    }
    std::fs::copy(debugged("alloc"), there.join("alloc")).unwrap();
    // An empty variable has the effect of an unset one.
    for locale in ["", "C", "C.UTF-8"] {
        let path = std::env::var("PATH").unwrap();
        let environment = [("PATH", &*path), ("TERM", "xterm"), ("SHELL", "/bin/sh"), ("LC_ALL", locale)];
        let mut script = limited("script");
        script.args(["-qec", "stty cols 80 rows 24; exec gdb -q -nx -x gdb/tour.py ./alloc", "/dev/null"]);
        script.current_dir(there).env_clear().envs(environment).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut terminal = script.spawn().unwrap();
        // The input stays open until gdb ends. `y` answers it if it asks.
        let mut keyboard = terminal.stdin.take().unwrap();
        keyboard.write_all(b"tour\n\n\n\n\n\nhelp user-defined\nquit\ny\n").unwrap();
        let ended = terminal.wait_with_output().unwrap();
        drop(keyboard);
        assert!(ended.status.success(), "{ended:?}");
        let output = String::from_utf8(ended.stdout).unwrap();
        for step in 1..=5 {
            assert_eq!(output.matches(&format!("Step {step}: ")).count(), 1, "{output}");
        }
        let parts = [
            "see the first step",
            "── program break ──",
            "    *heap = *b",
            "The end",
            " -- Draw the memory",
            " -- Go on to",
        ];
        assert!(has_in_order(&output, parts), "{locale}: {output}");
        assert!(!["--Type", "80 columns", "Traceback"].iter().any(|part| output.contains(part)), "{locale}: {output}");
        // What the program prints is on the screen with its step.
        let (before, after) = output.split_once("HI\r\n").expect(&output);
        assert!(before.contains("Step 3: ") && after.starts_with("Step 4: "), "{output}");
        assert!(after.split("(gdb)").next().unwrap().lines().count() <= 23, "{output}");
    }
    assert!(!there.join("gdb/__pycache__").exists(), "Python left a __pycache__");
}
