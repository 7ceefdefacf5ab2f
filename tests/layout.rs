//! What `layout` draws, held against what the kernel says of the same process.

mod common;

use common::*;
use nix::libc;
use nix::unistd::{SysconfVar, sysconf};
use object::{Object, ObjectSymbol};
use std::io::Read;
use std::process::{Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_layout");

/// One part of a picture.
#[derive(Debug, PartialEq)]
struct Region {
    start: u64,
    end: u64,
    label: String,
    size: String,
    /// Empty where nothing is mapped.
    rights: String,
}

#[derive(Debug)]
struct Picture {
    /// From the top down.
    regions: Vec<Region>,
    /// The address of each line that has a name.
    names: Vec<(String, u64)>,
    /// The words below it.
    remark: String,
    marks: Vec<String>,
}

impl Picture {
    fn named(&self, name: &str) -> u64 {
        self.names.iter().find(|(found, _)| found == name).unwrap_or_else(|| panic!("no {name} in {self:#?}")).1
    }
}

/// The pictures in the output, each below a line with its number.
fn pictures(output: &str) -> Vec<Picture> {
    let titles = [
        "1. Before any allocation\n",
        "2. After moving the program break up by 4 bytes\n",
        "3. After moving it back down\n",
    ];
    let starts: Vec<_> = titles.iter().map_while(|title| output.find(title)).chain([output.len()]).collect();
    starts.windows(2).map(|between| picture(&output[between[0]..between[1]])).collect()
}

fn picture(text: &str) -> Picture {
    let mut picture = Picture { regions: vec![], names: vec![], remark: String::new(), marks: vec![] };
    let mut above: Option<(u64, [String; 3])> = None;
    let user_end = user_end();
    let mut edge = 0;
    for line in text.lines().skip(1).filter(|line| !line.is_empty()) {
        assert!(line.chars().count() <= 80, "{line}");
        let column = |at: usize| line.chars().nth(at);
        if line.starts_with(' ') || line.starts_with("0x") {
            // Addresses end in one column, and borders are in another, with a dashed one around nothing.
            let (is_edge, sides) = (line.contains("0x"), (column(19), column(63)));
            let dashed = line.chars().skip(59).take(3).all(|c| c == ' ');
            let expected = if dashed { ["┆", ":"] } else { ["│", "|"] };
            assert!(
                if is_edge {
                    column(18) == Some(' ') && column(17) != Some(' ')
                } else {
                    sides.0 == sides.1 && expected.iter().any(|side| side.chars().next() == sides.0)
                },
                "{line}"
            );
        }
        if let Some((address, rest)) = line.trim_start().strip_prefix("0x").and_then(|line| line.split_once(' ')) {
            edge = u64::from_str_radix(address, 16).unwrap();
            assert_eq!(edge == user_end - 1, rest.contains("end of user memory"), "{line}");
            edge += u64::from(edge == user_end - 1);
            let (ruler, mark) = rest.split_once(['◄', '<']).unwrap_or((rest, ""));
            picture.marks.extend((!mark.is_empty()).then(|| mark.trim().to_string()));
            let names = ruler.split("──").flat_map(|part| part.split("--")).map(str::trim);
            picture
                .names
                .extend(names.filter(|name| name.contains(char::is_alphabetic)).map(|name| (name.to_string(), edge)));
            if let Some((end, [label, size, rights])) = above.take() {
                picture.regions.push(Region { start: edge, end, label, size, rights });
            }
        } else if line.starts_with(' ') {
            let room: Vec<char> = line.trim().trim_matches(['│', '┆', '|', ':']).chars().collect();
            let part = |range: std::ops::Range<usize>| room[range].iter().collect::<String>().trim().to_string();
            above = Some((edge, [part(0..23), part(23..37), part(37..42)]));
        } else {
            picture.remark += line;
            picture.remark.push('\n');
        }
    }
    picture
}

/// How many bytes the kernel's pages have.
fn page_size() -> u64 {
    sysconf(SysconfVar::PAGE_SIZE).unwrap().unwrap() as u64
}

/// The first address past user memory: a power of two, and the kernel puts the stack not far below it.
fn user_end() -> u64 {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let stack = maps.lines().find(|line| line.ends_with("[stack]")).unwrap();
    hex(stack.split(['-', ' ']).nth(1).unwrap()).next_power_of_two()
}

/// The mappings that the kernel has for a process: start, end, rights.
type Maps = Vec<(u64, u64, String)>;

fn maps(pid: nix::unistd::Pid) -> Maps {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let hex = |text| u64::from_str_radix(text, 16).unwrap();
    maps.lines()
        .map(|line| {
            let (addresses, rest) = line.split_once(' ').unwrap();
            let (start, end) = addresses.split_once('-').unwrap();
            (hex(start), hex(end), rest[..3].to_string())
        })
        .collect()
}

/// Runs it, and returns its pictures, each with the mappings that the process had right after it. `set_up` has the
/// process when it has just made its first system call.
fn drawn(program: &str, random: bool, set_up: impl Fn(&Ptraced)) -> Vec<(Picture, Maps)> {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = Command::new(program);
    command.stdout(writer).env_remove("LC_ALL").env("LANG", "C.UTF-8");
    randomised(&mut command, random);
    let process = Ptraced::start(command);
    let output = std::thread::spawn(move || {
        let mut output = String::new();
        reader.read_to_string(&mut output).map(|_| output).unwrap()
    });

    assert_eq!((process.to_system_call(), process.to_system_call()), (None, None));
    set_up(&process);
    let mut seen = vec![];
    while process.to_system_call().is_none() {
        let Some((number, arguments)) = process.call() else { continue };
        if number == libc::SYS_brk && arguments[0] != 0 || number == libc::SYS_exit {
            seen.push(maps(process.0));
        }
    }
    let pictures = pictures(&output.join().unwrap());
    assert_eq!((pictures.len(), seen.len()), (3, 3));
    pictures.into_iter().zip(seen).collect()
}

#[track_caller]
fn assert_size(region: &Region) {
    let (number, unit) = region.size.split_once(' ').unwrap();
    let size = (region.end - region.start) as f64;
    if unit == "bytes" {
        assert_eq!(number.replace(',', "").parse(), Ok(size), "{region:?}");
    } else {
        let power = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"].iter().position(|name| *name == unit).unwrap() + 1;
        let number: f64 = number.parse().unwrap();
        assert!((number - size / 1024_f64.powi(power as i32)).abs() <= 0.0501 && number < 1024.1, "{region:?}");
    }
}

/// The picture is of these mappings, all of them between its highest and its lowest address, and nothing but them.
#[track_caller]
fn assert_agrees(picture: &Picture, maps: &Maps) {
    let regions = &picture.regions;
    let (lowest, highest) = (regions.last().unwrap().start, regions[0].end);
    for two in regions.windows(2) {
        assert_eq!(two[0].start, two[1].end, "{picture:#?}");
    }
    for region in regions {
        assert!(region.start < region.end, "{region:?}");
        assert_size(region);
        let inside: Vec<_> = maps.iter().filter(|(start, end, _)| *start < region.end && region.start < *end).collect();
        if region.rights.is_empty() {
            assert!(inside.is_empty(), "{region:?} is not nothing: {inside:x?}");
        } else {
            assert!(inside.iter().all(|(_, _, rights)| *rights == region.rights), "{region:?}: {inside:x?}");
            let size: u64 = inside.iter().map(|(start, end, _)| end.min(&region.end) - start.max(&region.start)).sum();
            assert_eq!(size, region.end - region.start, "{region:?} is not all mapped: {inside:x?}");
        }
    }
    for (start, end, rights) in maps {
        let (start, end) = (start.max(&lowest), end.min(&highest));
        if start >= end {
            continue;
        }
        let drawn: u64 = regions
            .iter()
            .filter(|region| region.start < *end && *start < region.end && region.rights == *rights)
            .map(|region| region.end.min(*end) - region.start.max(*start))
            .sum();
        assert_eq!(drawn, end - start, "{start:x}-{end:x} {rights} is not in {picture:#?}");
    }
}

/// The highest and the lowest address of a picture of everything.
fn whole(maps: &Maps) -> (u64, u64) {
    (maps.last().unwrap().1.max(user_end()), maps[0].0)
}

#[track_caller]
fn assert_story(drawn: &[(Picture, Maps)], program: &str) {
    let bytes = std::fs::read(program).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let symbol = |name| file.symbol_by_name(name).unwrap().address();
    for (n, (picture, maps)) in drawn.iter().enumerate() {
        assert_agrees(picture, maps);
        let label = |label: &str| picture.regions.iter().find(|region| region.label == label).unwrap();
        // The gap is the largest of what is empty, and right above the heap.
        let gap = label("the gap");
        assert!(gap.start - picture.named("program break") < page_size(), "{gap:?}");
        assert!(gap.end - gap.start > user_end() / 4 * 3, "{gap:?}");
        assert_eq!(picture.named("end"), symbol("end"));
        if n > 0 {
            // From the gap down to the program.
            let (first, last) = (&picture.regions[0], picture.regions.last().unwrap());
            assert_eq!((first, last.start), (gap, symbol("end")), "{picture:#?}");
            continue;
        }
        assert_eq!((picture.regions[0].end, picture.regions.last().unwrap().start), whole(maps), "{picture:#?}");
        assert_eq!(label("read-only data").start, symbol("rodata"));
        assert_eq!(label(".data").start, symbol("data_start"));
        assert_eq!(label("code").start, picture.named("start of the program"));
        for name in ["etext", "edata"] {
            assert_eq!(picture.named(name), symbol(name), "{name}");
        }
        let labels: Vec<_> = picture.regions.iter().map(|region| &*region.label).collect();
        let mut rest = labels.iter();
        for part in ["stack; grows down", "[vdso]", ".bss: zeroed data", ".data", "read-only data", "code"] {
            assert!(rest.any(|label| *label == part), "{part} is not in its place in {labels:?}");
        }
    }
    let [one, two, three] = [0, 1, 2].map(|n| &drawn[n].0);
    let start = one.named("heap start");
    assert_eq!([one, two, three].map(|picture| picture.named("program break")), [start, start + 4, start]);
    assert_eq!([one, two, three].map(|picture| picture.named("heap start")), [start; 3]);
    assert_eq!(
        [&one.marks, &two.marks, &three.marks],
        [&vec![], &vec!["new".to_string(), "moved by +4".to_string()], &vec!["moved by -4".to_string()]]
    );
    let heap = |picture: &Picture| -> Vec<_> {
        let heap = picture.regions.iter().filter(|region| ["heap", "not asked for"].contains(&&*region.label));
        heap.map(|region| (region.start - start, region.end - start, region.rights.clone())).collect()
    };
    assert_eq!(heap(two), [(4, page_size(), "rw-".to_string()), (0, 4, "rw-".to_string())]);
    assert_eq!((heap(one), heap(three)), (vec![], vec![]));
    let page = match page_size() {
        4096 => "4,096 bytes".to_string(),
        size => format!("{} KiB", size / 1024),
    };
    let says = |picture: &Picture, words: &str| assert!(picture.remark.contains(words), "{}", picture.remark);
    says(two, &format!("moved by +4.\nThe mapping [heap] is new, {page}"));
    says(three, &format!("moved by -4.\nThe mapping [heap] is gone, all of its {page}"));
}

#[test]
fn draws_what_the_kernel_has_mapped() {
    for random in [true, false] {
        assert_story(&drawn(PROGRAM, random, |_| ()), PROGRAM);
    }
}

#[test]
#[cfg(target_arch = "x86_64")] // whose registers it changes
fn draws_many_mappings() {
    use nix::sys::ptrace;

    for many in [60, 200] {
        let drawn = drawn(PROGRAM, true, |process| {
            // Right behind a `syscall` instruction: have it make another call, again and again.
            let registers = ptrace::getregs(process.0).unwrap();
            for n in 0..many {
                let rights = if n % 2 == 0 { libc::PROT_READ } else { libc::PROT_READ | libc::PROT_WRITE };
                let mut mmap = registers;
                mmap.rip -= 2;
                (mmap.rax, mmap.rdi, mmap.rsi) = (libc::SYS_mmap as u64, 0, 4096);
                (mmap.rdx, mmap.r10) = (rights as u64, (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64);
                (mmap.r8, mmap.r9) = (u64::MAX, 0);
                ptrace::setregs(process.0, mmap).unwrap();
                assert_eq!((process.to_system_call(), process.to_system_call()), (None, None));
            }
            ptrace::setregs(process.0, registers).unwrap();
        });
        assert!(drawn[0].1.len() > many, "the mappings are there");
        assert_story(&drawn, PROGRAM);
    }
}

#[test]
fn draws_what_it_knows_without_proc() {
    for (fault, errno, times) in [
        ("inject=openat:error=ENOENT", 2, 3),
        ("inject=read:error=EIO", 5, 3),
        // More than there is room for, in the first picture. (The first two calls read the environment.)
        ("inject=read:retval=1048576:when=3", 27, 1),
    ] {
        let traced = strace(PROGRAM, &["-e", fault], |command| _ = command.env("LC_ALL", "C.UTF-8"));
        assert_eq!((status(&traced.output), traced.stderr()), (0, ""));
        let pictures = pictures(traced.stdout());
        let missing = format!("/proc/self/maps can't be read (errno {errno})");
        assert_eq!(pictures.iter().filter(|picture| picture.remark.contains(&missing)).count(), times, "{pictures:#?}");
        let labels: Vec<_> = pictures[0].regions.iter().map(|region| &*region.label).collect();
        for part in ["stack, a page of it", ".bss: zeroed data", ".data", "read-only data", "code"] {
            assert!(labels.contains(&part), "{part} is not in {labels:?}");
        }
        let start = pictures[0].named("program break");
        assert_eq!([1, 2].map(|n| pictures[n].named("program break")), [start + 4, start]);
        assert!(pictures[1].regions.iter().any(|region| region.label == "heap" && region.end - region.start == 4));
    }
}

#[test]
fn writes_whole_lines() {
    let traced = strace(PROGRAM, &["-e", "trace=write"], |_| {});
    assert_eq!(traced.named("write").len(), traced.stdout().lines().count());
}

#[test]
fn gives_the_memory_back_and_tells_what_failed() {
    let full = || Stdio::from(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let traced = strace(PROGRAM, &[], |command| _ = command.stdout(full()));
    assert_eq!((traced.stderr(), status(&traced.output)), ("layout: write: errno 28\n", EX_IOERR));
    // Later, when there is memory to give back.
    let lines = 2 + strace(PROGRAM, &[], |_| {}).stdout().lines().position(|line| line.starts_with("2. ")).unwrap();
    let traced = strace(PROGRAM, &["-e", &format!("inject=write:error=EIO:when={lines}")], |_| {});
    assert_eq!((traced.stderr(), status(&traced.output)), ("layout: write: errno 5\n", EX_IOERR));
    let moves: Vec<_> = traced.named("brk").into_iter().filter(|call| call.address(0) != 0).collect();
    assert_eq!(moves[0].address(0), moves[1].address(0) + 4, "given back: {moves:?}");

    for (when, pictures_before) in [("when=2", 1), ("when=3", 2)] {
        let traced = strace(PROGRAM, &["-e", &format!("inject=brk:error=ENOMEM:{when}")], |_| {});
        assert_eq!(
            (traced.stderr(), status(&traced.output)),
            ("layout: brk: refused\n", EX_OSERR),
            "{:?}",
            traced.calls
        );
        assert_eq!(pictures(traced.stdout()).len(), pictures_before);
    }
    let traced = strace(PROGRAM, &["-e", "inject=brk:error=ENOSYS"], |_| {});
    assert_eq!((traced.stdout(), traced.stderr(), status(&traced.output)), ("", "layout: brk: refused\n", EX_OSERR));
}

#[test]
fn is_ascii_in_the_c_locale_alone() {
    let output = |variables: &[(&str, &str)]| {
        let output = Command::new(PROGRAM).env_clear().envs(variables.iter().copied()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let unicode = output(&[]);
    assert!(!unicode.is_ascii());
    for variables in
        [&[("LC_ALL", "C")][..], &[("LC_CTYPE", "POSIX"), ("LANG", "de_DE.UTF-8")], &[("LC_ALL", ""), ("LANG", "C")]]
    {
        let ascii = output(variables);
        assert!(ascii.is_ascii(), "{variables:?}");
        assert_eq!(ascii.lines().count(), unicode.lines().count(), "{variables:?}");
    }
    for variables in [&[("LANG", "C.UTF-8")][..], &[("LC_ALL", "en_US.UTF-8"), ("LANG", "C")]] {
        assert!(!output(variables).is_ascii(), "{variables:?}");
    }
}
