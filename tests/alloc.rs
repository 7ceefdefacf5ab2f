//! What `./alloc` does, as the kernel and its user see it, and what is in its file.

use common::cargo::{build, in_both_profiles, shell};
use common::*;
use object::{Object, ObjectSection, ObjectSymbol};

#[test]
fn makes_the_articles_system_calls_and_no_others() {
    needs!(Ptrace);
    let mut programs = in_both_profiles("alloc").map(|program| (program, "exit_group")).to_vec();
    let directory = tempfile::tempdir().unwrap();
    if cfg!(target_arch = "x86_64") {
        // The article's program in one file, by the command in its first lines.
        let article = include_str!("../examples/article.rs");
        let command = article.lines().find_map(|line| line.strip_prefix("//!     ")).unwrap();
        assert_eq!(shell(directory.path(), &format!("ln -s \"$0/examples\"; {command}")), "HI\n");
        programs.push((directory.path().join("article"), "exit"));
    }
    for (program, exit) in programs {
        let traced = strace(&program, &["-e", "raw=write"]);
        let start = traced.calls[0].returned();
        let end = start + 4;
        let calls = traced.calls.iter();
        let calls = calls.map(|Call { name, args, result }| format!("{name}({}) = {result}", args.join(", ")));
        let expected = format!(
            "brk(NULL) = {start:#x}; brk({end:#x}) = {end:#x}; write(0x1, {start:#x}, 0x3) = 0x3; \
             brk({start:#x}) = {start:#x}; {exit}(0) = ?"
        );
        assert_eq!(calls.collect::<Vec<_>>().join("; "), expected, "{program:?}");
        assert_ended(&traced.output, "HI\n", "", 0);
    }
}

#[test]
fn reports_the_first_failure_and_frees() {
    needs!(Ptrace);
    let programs = in_both_profiles("alloc");
    // What strace does to the calls; what is printed; how many calls of brk there are, and of write to standard output;
    // the message; and the exit status, which the README names.
    for (faults, stdout, breaks, writes, stderr, expected) in [
        // An error in place of the first result, from a small error number to the largest. After it, the program only
        // writes the message and exits.
        (&["brk:error=EPERM:when=1"][..], "", 1, 0, "alloc: brk: refused\n", EX_OSERR),
        (&["brk:error=4095:when=1"], "", 1, 0, "alloc: brk: refused\n", EX_OSERR),
        // No memory was allocated, so none is freed.
        (&["brk:error=ENOMEM:when=2+"], "", 2, 0, "alloc: brk: refused\n", EX_OSERR),
        (&["brk:error=ENOMEM:when=3"], "HI\n", 3, 1, "alloc: brk: refused\n", EX_OSERR),
        (&["write:error=9:when=1"], "", 3, 1, "alloc: write: errno 9\n", EX_IOERR),
        (&["write:error=10:when=1"], "", 3, 1, "alloc: write: errno 10\n", EX_IOERR),
        (&["write:error=4095:when=1"], "", 3, 1, "alloc: write: errno 4095\n", EX_IOERR),
        (&["write:error=ENOSPC:when=1", "brk:error=ENOMEM:when=3"], "", 3, 1, "alloc: write: errno 28\n", EX_IOERR),
        // strace says that a part was written, and writes nothing. The program writes the rest.
        (&["write:retval=1:when=1"], "I\n", 3, 2, "", 0),
        (&["write:retval=2:when=1"], "\n", 3, 2, "", 0),
        (&["write:error=EINTR:when=1..3"], "HI\n", 3, 4, "", 0),
        // A result of 0 could be endless: on standard output, and then on standard error, too.
        (&["write:retval=0:when=1"], "", 3, 1, "alloc: write: errno 28\n", EX_IOERR),
        (&["write:retval=0"], "", 3, 1, "", EX_IOERR),
        // A refused exit is made again. Nothing runs after it.
        (&["exit_group:error=EPERM:when=1..3"], "HI\n", 3, 1, "", 0),
        (&["exit_group:error=EPERM:when=1..3", "brk:error=1"], "", 1, 0, "alloc: brk: refused\n", EX_OSERR),
    ] {
        let options: Vec<_> = faults.iter().map(|fault| format!("-einject={fault}")).collect();
        for program in &programs {
            let traced = strace(program, &options.iter().map(String::as_str).collect::<Vec<_>>());
            assert_ended(&traced.output, stdout, stderr, expected);
            let brk = traced.named("brk");
            let printing = traced.named("write").into_iter().filter(|call| call.args[0] == "1").count();
            assert_eq!((brk.len(), printing), (breaks, writes), "{faults:?}: {:?}", traced.calls);
            assert!(breaks < 3 || brk[2].address(0) == brk[0].returned(), "the break isn't moved back: {brk:?}");
        }
    }
}

#[test]
fn is_static_and_keeps_its_symbols_and_is_small_in_release() {
    let [dev, release] = in_both_profiles("alloc");
    let options = ["--bin=alloc", "--config=profile.release.debug=1"];
    let with_lines = build("others", root(), "", "release", &options).join("alloc");
    for (program, has_frames) in [(&dev, true), (&release, false), (&with_lines, true)] {
        assert_loads(program, false);
        let bytes = std::fs::read(program).unwrap();
        let file = object::File::parse(&*bytes).unwrap();
        assert_eq!(file.symbol_by_name("_start").unwrap().address(), file.entry());
        // gdb and profilers read the tables of frames only if they are loaded.
        let frames = file.section_by_name(".eh_frame").filter(|section| section.address() > 0);
        assert_eq!(frames.is_some(), has_frames, "{program:?}");
    }
    // A quarter of what as and ld make of the article's program, 4,688 bytes.
    let limit = if cfg!(target_arch = "x86_64") { 1172 } else { 1400 };
    assert!(release.metadata().unwrap().len() <= limit, "{release:?}");
}
