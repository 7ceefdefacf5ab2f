//! The guided tour of `./alloc`: its picture, what it can't follow, and where it works. (tests/try_it.rs has what the
//! tour says, and what else is typed in gdb.)

use common::cargo::{build, debugged, programs, shell};
use common::*;
use std::io::Write;
use std::process::Stdio;

const TOUR: &str = concat!("source ", env!("CARGO_MANIFEST_DIR"), "/gdb/tour.py");

#[test]
fn the_tour_draws_what_is_there() {
    needs!(Ptrace);
    for random in ["off", "on"] {
        let random = format!("set disable-randomization {random}");
        let output = gdb(&debugged("alloc"), &[&[TOUR, &random], &["tour", MAPS].repeat(5)[..]].concat());
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
fn the_tour_says_which_programs_it_cannot_follow() {
    needs!(Ptrace);
    let optimised = build("others", root(), "", "dev", &["--bin=alloc", "--config=profile.dev.opt-level=1"]);
    for program in ["/bin/true".into(), programs("release").join("alloc"), optimised.join("alloc")] {
        let output = gdb(program.to_str().unwrap(), &[TOUR, "tour"]);
        assert!(output.contains(" Quit, and type: make gdb\n"), "{output}");
        assert!(!output.contains("Step") && !output.contains("Traceback"), "{output}");
    }
}

/// On a terminal of 80 columns and 24 lines, with Enter for each step but the first.
#[test]
fn the_tour_works_in_any_directory_and_locale_and_on_a_small_terminal() {
    needs!(Ptrace, Script);
    let directory = tempfile::Builder::new().prefix("it's a blank, a comma & an \"ö\"").tempdir().unwrap();
    let there = directory.path();
    shell(there, "ln -s \"$0/gdb\" \"$0/src\" .");
    std::fs::copy(debugged("alloc"), there.join("alloc")).unwrap();
    // An empty variable has the effect of an unset one.
    for locale in ["", "C", "C.UTF-8"] {
        let environment = format!("env -i PATH=\"$PATH\" TERM=xterm SHELL=/bin/sh LC_ALL={locale}");
        let typed = format!("stty cols 80 rows 24; exec {environment} gdb -q -nx -x gdb/tour.py ./alloc");
        let mut script = limited("script");
        script.args(["-qec", &typed, "/dev/null"]).current_dir(there).env("SHELL", "/bin/sh");
        let mut terminal = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // The input stays open until gdb ends. `y` answers it if it asks.
        let mut keyboard = terminal.stdin.take().unwrap();
        keyboard.write_all(b"tour\n\n\n\n\n\nhelp user-defined\nquit\ny\n").unwrap();
        let ended = terminal.wait_with_output().unwrap();
        drop(keyboard);
        assert!(ended.status.success(), "{ended:?}");
        let output = String::from_utf8(ended.stdout).unwrap();
        // What the program prints is on the screen with its step.
        let parts = "see the first step|Step 1: |── program break ──|Step 2: |Step 3: |    *heap = *b|HI\r\nStep 4: |\
                     Step 5: |The end| -- Draw the memory| -- Go on to";
        assert!(has_in_order(&output, parts.split('|')), "{locale}: {output}");
        assert_eq!(output.matches("Step ").count(), 5, "{output}");
        // From the end of one prompt's line to that of the next one.
        assert!(output.split("(gdb)").skip(1).all(|stop| stop.lines().count() <= 25), "{output}");
        assert!(!["--Type", "80 columns", "Traceback"].iter().any(|part| output.contains(part)), "{locale}: {output}");
    }
    assert!(!there.join("gdb/__pycache__").exists(), "Python left a __pycache__");
}
