//! Changes to `src/main.rs`, the README's and those of changes.md: each is made in a copy of the project, and shown in
//! the tour.

use common::cargo::{CONFIG, build};
use common::*;
use regex_lite::Regex;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const TOUR: &str = concat!("source ", env!("CARGO_MANIFEST_DIR"), "/gdb/tour.py");
const MAIN_RS: &str = include_str!("../src/main.rs");

/// Builds a program for each of these texts of `src/main.rs`, in a copy of the project that has this name.
fn build_all(name: &str, programs: &[String]) -> Vec<PathBuf> {
    // The packages stay built there for the next time.
    let copy = root().join(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(copy.join("src/bin"));
    for directory in ["", "src", "src/bin", "src/bin/layout"] {
        fs::create_dir_all(copy.join(directory)).unwrap();
        for entry in fs::read_dir(root().join(directory)).unwrap().map(Result::unwrap) {
            let name = entry.file_name();
            if !["src", "bin", "layout", "target"].contains(&name.to_str().unwrap()) {
                let link = copy.join(directory).join(name);
                let _ = fs::remove_file(&link);
                symlink(entry.path(), link).unwrap();
            }
        }
    }
    let names: Vec<_> = (0..programs.len()).map(|number| format!("change{number}")).collect();
    for (name, program) in names.iter().zip(programs) {
        let directory = copy.join("src/bin").join(name);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("main.rs"), program).unwrap();
    }
    let built = build(copy.to_str().unwrap(), "", "dev", &["--bins", "--config", CONFIG]);
    names.iter().map(|name| built.join(name)).collect()
}

/// What the tour says of a program, whose output is in a file: the kernel reads what is written there.
fn tour(program: &Path) -> String {
    let arguments = format!("set args > {}.txt", program.display());
    let output = gdb(program.to_str().unwrap(), &[TOUR, &arguments, "tour 99"]);
    for stop in output.split("\nStep ").skip(1) {
        assert_fits(stop.split("\nProgram ").next().unwrap().split("\n[Inferior").next().unwrap());
    }
    // What gdb says of a signal is on the same screen.
    let signal = output.split_once("\nProgram received").map_or("", |(_, text)| text);
    let signal: Vec<_> = signal.split("\nProgram terminated").next().unwrap().split("\nStep ").take(2).collect();
    assert!(signal.iter().map(|text| text.trim_end().lines().count()).sum::<usize>() <= 22, "{signal:?}");
    assert!(output.contains("\nThe end: ") && !output.contains("Traceback"), "{output}");
    // The words can be in two lines.
    output.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The picture of a program, as `make docs` draws it.
fn picture(program: &Path) -> String {
    let directory = tempfile::tempdir().unwrap();
    let [docs, alloc] = ["docs", "alloc"].map(|name| directory.path().join(name));
    fs::create_dir(&docs).unwrap();
    for name in ["index.html", "memory.svg"] {
        fs::copy(root().join("docs").join(name), docs.join(name)).unwrap();
    }
    fs::copy(program, &alloc).unwrap();
    symlink(root().join("gdb"), directory.path().join("gdb")).unwrap();
    let script = format!("source {}", directory.path().join("gdb/record.py").display());
    let output = gdb_command(alloc.to_str().unwrap(), &[&script]).output().unwrap();
    assert_eq!((status(&output), str::from_utf8(&output.stderr)), (0, Ok("")), "{}", program.display());
    assert!(!str::from_utf8(&output.stdout).unwrap().contains("Quit anyway"), "{output:?}");
    fs::read_to_string(docs.join("memory.svg")).unwrap()
}

/// `main.rs` with a change that is written as in the README's table.
fn changed(change: &str) -> String {
    let change = change.replace(" ⏎ ", "\n    ").replace("\\|", "|");
    let codes: Vec<_> = change.split('`').skip(1).step_by(2).collect();
    let [old, new] = codes[..] else { panic!("{change}") };
    assert_eq!(MAIN_RS.matches(old).count(), 1, "{change}");
    if !change.contains("below") {
        return MAIN_RS.replace(old, new);
    }
    let line = MAIN_RS.lines().find(|line| line.contains(old)).unwrap();
    MAIN_RS.replace(line, &format!("{line}\n    {new}"))
}

#[test]
fn shows_what_the_tables_say() {
    needs!(Ptrace);
    if page_size() != 4096 {
        return say("the README's table is about pages of 4,096 bytes");
    }
    let promises_all = works(&["grep", "-qx", "1", "/proc/sys/vm/overcommit_memory"]);
    let mut changes = vec![];
    for page in [include_str!("../README.md"), include_str!("changes.md")] {
        let rows = page.split_once("| the change |").unwrap().1.lines().skip(2);
        for row in rows.take_while(|line| line.starts_with('|')) {
            let row: Vec<_> = row.trim_matches(['|', ' ']).split(" | ").collect();
            // Some rows are about two changes. A dot can also be among the bytes that are seen.
            let separator = if row[0].contains("` · `") { " · " } else { "\n" };
            let pairs = row[0].split(separator).zip(row[1].split(separator));
            changes.extend(pairs.map(|(change, seen)| (change, seen, row[2])));
        }
    }
    assert!(changes.len() > 50, "{changes:?}");
    let mut wrong = vec![];
    let programs = build_all("try-it", &changes.iter().map(|(change, ..)| changed(change)).collect::<Vec<_>>());
    for ((change, seen, steps), program) in changes.iter().zip(programs) {
        let is_elsewhere = !cfg!(target_arch = "x86_64") && seen.contains("The processor doesn't tell");
        if is_elsewhere || promises_all && seen.contains("refuses") {
            continue;
        }
        let output = tour(&program);
        let mut rest = Some(&*output);
        for words in seen.split('`').skip(1).step_by(2) {
            rest = rest.and_then(|rest| rest.split_once(words)).map(|(_, rest)| rest);
        }
        if rest.is_none() || steps.parse().is_ok_and(|steps: usize| output.matches(" Step ").count() != steps) {
            wrong.push(format!("{change}: {seen}, {steps}: {output}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The picture has the steps of any program: sixty-five of them, one far up in the heap, and a fault as the last one.
/// The tour of programs that need a limit, or a special file, is here, too.
#[test]
fn the_picture_holds_any_program() {
    needs!(Ptrace, FixedAddresses);
    let stores: String = (0..60).map(|byte| format!("\nheap[0] = {byte};")).collect();
    let far = "unsafe { move_break(heap_start.wrapping_add(20_000)) }?;
        unsafe { heap_start.add(8192).read_volatile() };
        unsafe { heap_start.add(19_990).cast::<[u8; 3]>().write(*b\"FAR\") };
        unsafe { *heap_start.add(1 << 20) = 1 };";
    let limit = "let mut end = heap_start; while unsafe { move_break(end) }.is_ok() { end = end.wrapping_add(4096) }";
    let below = |text: &str| MAIN_RS.replacen("*heap = *b\"HI\\n\";", &format!("*heap = *b\"HI\\n\"; {text}"), 1);
    let edge = "let edge = heap_start.wrapping_add(4096 - 2).cast::<[u8; 4]>();
        stdio::write_all(stdio::STDOUT, unsafe { &*edge })?;"
        .replace("4096", &page_size().to_string());
    let programs = build_all("picture", &[stores.as_str(), far, limit, &edge].map(below));

    let pictures = [&programs[0], &programs[1]].map(|program| picture(program));
    for (picture, steps) in pictures.iter().zip([65, 6]) {
        assert_eq!(picture.matches("<g class=\"step").count(), steps, "{picture}");
        assert_eq!(picture.matches("@keyframes step").count(), steps, "{picture}");
        // No texts in a step are over each other.
        let place = Regex::new(r#"<text x="(\d+)" y="([\d.]+)""#).unwrap();
        for step in picture.split("<g ").skip(1) {
            let places = place.captures_iter(step).map(|found| [1, 2].map(|n| found[n].parse::<f64>().unwrap()));
            let places: Vec<_> = places.collect();
            for (n, [x, y]) in places.iter().enumerate() {
                let is_free = |other: &[f64; 2]| (x - other[0]).abs() > 12.0 || (y - other[1]).abs() > 15.0;
                assert!(places[..n].iter().all(is_free), "{step}");
            }
        }
    }
    let far = &pictures[1];
    let last = far.rsplit("<g class").next().unwrap();
    // What has only been read is not in memory: the kernel shows a page of zeroes, which all processes have.
    assert_eq!(last.matches("class=\"heap\"").count(), 2, "{last}");
    assert!([">F<", ">A<", ">R<"].iter().all(|byte| far.contains(byte)) && last.contains("✕ 0x"), "{far}");

    // A loop until the kernel refuses ends.
    let limited = "set exec-wrapper sh -c 'ulimit -d 400; exec \"$0\" \"$@\"'";
    let output = gdb(programs[2].to_str().unwrap(), &[TOUR, limited, "tour 99"]);
    let again = r"Step 5: the program moves the break \d\d more times\n";
    let refused = r"(?s).*Step 6: the kernel refuses .*Nothing is in the\s+way\..*Step 8: .*exit status 0";
    let steps = Regex::new(&format!("{again}{refused}")).unwrap();
    assert!(steps.is_match(&output), "{output}");

    // Where the kernel takes all bytes or none, what can't be read may begin within a mapped page.
    let output = gdb(programs[3].to_str().unwrap(), &[TOUR, "set args > /proc/self/comm", "tour 4"]);
    assert!(output.contains("Bad address. Nothing is mapped here. This is above the break.\n"), "{output}");
}

/// What malloc/README.md says of glibc.
#[test]
fn malloc_of_glibc_moves_the_break_once() {
    needs!(Ptrace);
    if page_size() != 4096 || !works(&["getconf", "GNU_LIBC_VERSION"]) {
        return say("malloc/README.md is about glibc, on pages of 4,096 bytes");
    }
    let program = concat!(env!("CARGO_TARGET_TMPDIR"), "/c");
    assert!(works(&["cc", "-o", program, &format!("{}/benches/alloc.c", root().display())]));
    let traced = strace(program, &[]);
    let breaks: Vec<_> = traced.named("brk").iter().map(|call| call.returned()).collect();
    let [.., old, new] = breaks[..] else { panic!("{:?}", traced.calls) };
    assert_eq!(new - old, 132 * 1024, "{:?}", traced.calls);
}
