//! What `layout` draws, held against what the kernel says of the same process.

use common::*;
use nix::libc;
use object::{Object, ObjectSymbol};
use std::io::Read;
use std::process::{Command, Output, Stdio};

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

#[derive(Debug, Default)]
struct Picture {
    /// From the top down.
    regions: Vec<Region>,
    /// The address of each line that has a name.
    names: Vec<(String, u64)>,
    marks: Vec<String>,
    /// The words below it.
    remark: String,
}

impl Picture {
    #[track_caller]
    fn named(&self, name: &str) -> u64 {
        self.names.iter().find(|(found, _)| found == name).unwrap_or_else(|| panic!("no {name} in {self:#?}")).1
    }

    #[track_caller]
    fn region(&self, label: &str) -> &Region {
        let mut regions = self.regions.iter();
        regions.find(|region| region.label == label).unwrap_or_else(|| panic!("no {label} in {self:#?}"))
    }

    /// The parts are in the picture, in this order.
    #[track_caller]
    fn assert_has(&self, parts: &[&str]) {
        let mut regions = self.regions.iter();
        for part in parts {
            assert!(regions.any(|region| region.label == *part), "{part} is not in its place in {self:#?}");
        }
    }
}

/// Asserts how the program ended, and returns its pictures.
#[track_caller]
fn ended(output: &Output, stderr: &str, status: i32) -> Vec<Picture> {
    let stdout = str::from_utf8(&output.stdout).unwrap();
    assert_ended(output, stdout, stderr, status);
    pictures(stdout)
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
    let mut picture = Picture::default();
    let mut above: Option<(u64, [String; 3])> = None;
    let mut edge = 0;
    for line in text.lines().skip(1).filter(|line| !line.is_empty()) {
        let columns: Vec<char> = line.chars().collect();
        assert!(columns.len() <= 80, "{line}");
        let part = |range: std::ops::Range<usize>| columns[range].iter().collect::<String>().trim().to_string();
        if let Some((address, rest)) = line.trim_start().strip_prefix("0x").and_then(|line| line.split_once(' ')) {
            // Addresses end in one column.
            assert!(columns[17].is_ascii_hexdigit() && columns[18] == ' ', "{line}");
            let (ruler, mark) = rest.split_once(['◄', '<']).unwrap_or((rest, ""));
            picture.marks.extend((!mark.is_empty()).then(|| mark.trim().to_string()));
            // The end of user memory is the one line that shows the last address before it.
            edge = hex(address) + u64::from(ruler.contains("end of user memory"));
            let names = ruler.split("──").flat_map(|part| part.split("--")).map(str::trim);
            let names = names.filter(|name| name.contains(char::is_alphabetic));
            picture.names.extend(names.map(|name| (name.to_string(), edge)));
            if let Some((end, [label, size, rights])) = above.take() {
                picture.regions.push(Region { start: edge, end, label, size, rights });
            }
        } else if line.starts_with(' ') {
            let [label, size, rights] = [part(21..43), part(43..57), part(58..62)];
            // The borders are in one column, dashed around nothing.
            let sides = if rights.is_empty() { ['┆', ':'] } else { ['│', '|'] };
            assert!(columns[19] == columns[63] && sides.contains(&columns[19]), "{line}");
            above = Some((edge, [label, size, rights]));
        } else {
            picture.remark += line;
            picture.remark.push('\n');
        }
    }
    picture
}

/// The mappings that the kernel has for a process: start, end, rights.
type Maps = Vec<(u64, u64, String)>;

fn maps(pid: nix::unistd::Pid) -> Maps {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mapping = |line: &str| {
        let (addresses, rest) = line.split_once(' ').unwrap();
        let (start, end) = addresses.split_once('-').unwrap();
        (hex(start), hex(end), rest[..3].to_string())
    };
    maps.lines().map(mapping).collect()
}

/// The first address past user memory: the first power of two above the stack where the kernel won't unmap anything.
fn user_end() -> u64 {
    let stack = maps(nix::unistd::getpid()).iter().map(|mapping| mapping.1).filter(|end| end >> 63 == 0).max().unwrap();
    let mut end = stack.next_power_of_two();
    // SAFETY: it is above the highest mapping.
    while unsafe { libc::munmap(end as *mut libc::c_void, 1) } == 0 {
        end <<= 1;
    }
    end
}

/// Runs it, and returns its pictures, each with the mappings that the process had right after it. `set_up` has the
/// process when it has just made its first system call.
fn drawn(random: bool, set_up: impl Fn(&Ptraced)) -> Vec<(Picture, Maps)> {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = Command::new(PROGRAM);
    command.stdout(writer).env("LC_ALL", "C.UTF-8");
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
    let common = |region: &Region, start: u64, end: u64| region.end.min(end).saturating_sub(region.start.max(start));
    for region in regions {
        assert!(region.start < region.end, "{region:?}");
        assert_size(region);
        let inside: Vec<_> = maps.iter().filter(|(start, end, _)| common(region, *start, *end) > 0).collect();
        let same = inside.iter().all(|(_, _, rights)| *rights == region.rights);
        let mapped: u64 = inside.iter().map(|(start, end, _)| common(region, *start, *end)).sum();
        let expected = if region.rights.is_empty() { 0 } else { region.end - region.start };
        assert!(same && mapped == expected, "{region:x?} is not what is mapped: {inside:x?}");
    }
    for (start, end, rights) in maps {
        let drawn = regions.iter().filter(|region| region.rights == *rights);
        let drawn: u64 = drawn.map(|region| common(region, *start, *end)).sum();
        let expected = end.min(&highest).saturating_sub(*start.max(&lowest));
        assert_eq!(drawn, expected, "{start:x}-{end:x} {rights} is not in {picture:#?}");
    }
}

#[track_caller]
fn assert_story(drawn: &[(Picture, Maps)]) {
    let bytes = std::fs::read(PROGRAM).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let symbol = |name| file.symbol_by_name(name).unwrap().address();
    let [(one, maps), (two, maps_with_heap), (three, _)] = drawn else { panic!("{drawn:#?}") };
    let start = one.named("heap start");
    let (_, page_end, _) = maps_with_heap.iter().find(|(_, end, _)| *end > start).unwrap();
    let page = page_end - start;
    for (picture, maps) in drawn {
        assert_agrees(picture, maps);
        // The gap is right above the heap, to the page, and the largest part of user memory.
        let gap = picture.region("the gap");
        assert!(gap.start - picture.named("program break") < page, "{gap:x?}");
        assert!(gap.end - gap.start > user_end() / 2 || user_end() > 1 << 48, "{gap:x?}");
        assert_eq!(picture.named("end"), symbol("end"));
    }
    // The first is of everything.
    let end = user_end();
    assert_eq!(one.named("end of user memory"), end);
    let (top, bottom) = (maps.last().unwrap().1.max(end), maps[0].0);
    assert_eq!((one.regions[0].end, one.regions.last().unwrap().start), (top, bottom), "{one:#?}");
    if top > end {
        let [kernel, none] = ["the kernel's half", "no addresses"].map(|label| one.region(label));
        assert_eq!((kernel.start, none.end, none.start), (end.wrapping_neg(), kernel.start, end));
    }
    one.assert_has(&["stack; grows down", "[vdso]", ".bss: zeroed data", ".data", "read-only data", "code"]);
    assert_eq!(one.region("read-only data").start, symbol("rodata"));
    assert_eq!(one.region(".data").start, symbol("data_start"));
    assert_eq!(one.region("code").start, one.named("start of the program"));
    for name in ["etext", "edata"] {
        assert_eq!(one.named(name), symbol(name), "{name}");
    }
    // The others are from the gap down to the program.
    for picture in [two, three] {
        let (first, last) = (&picture.regions[0], picture.regions.last().unwrap());
        assert_eq!((first, last.start), (picture.region("the gap"), symbol("end")), "{picture:#?}");
    }

    let pictures = [one, two, three];
    assert_eq!(pictures.map(|picture| picture.named("program break")), [start, start + 4, start]);
    assert_eq!(pictures.map(|picture| picture.named("heap start")), [start; 3]);
    let marks = [&[][..], &["new", "moved by +4"], &["moved by -4"]];
    assert_eq!(pictures.map(|picture| &*picture.marks), marks);
    let heap = |picture: &Picture| -> Vec<_> {
        let heap = picture.regions.iter().filter(|region| ["heap", "not asked for"].contains(&&*region.label));
        heap.map(|region| (region.start - start, region.end - start, region.rights.clone())).collect()
    };
    let rights = || "rw-".to_string();
    assert_eq!(pictures.map(heap), [vec![], vec![(4, page, rights()), (0, 4, rights())], vec![]]);
    let size =
        if page < 16384 { format!("{},{:03} bytes", page / 1000, page % 1000) } else { format!("{} KiB", page >> 10) };
    assert_eq!(
        pictures.map(|picture| &*picture.remark),
        [
            "Nothing is on the heap: it starts where it ends, at the program break.\n",
            &format!("The mapping [heap] is new, {size}: the kernel maps whole pages.\n"),
            &format!("The mapping [heap] of {size} is gone.\n"),
        ]
    );
}

#[test]
fn draws_what_the_kernel_has_mapped() {
    if lacks(Need::Ptrace) {
        return;
    }
    for random in [true, false] {
        assert_story(&drawn(random, |_| ()));
    }
}

#[test]
#[cfg(target_arch = "x86_64")] // whose registers it changes
fn draws_many_mappings() {
    if lacks(Need::Ptrace) {
        return;
    }
    use nix::sys::ptrace;

    for many in [60, 200] {
        let drawn = drawn(true, |process| {
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
        assert_story(&drawn);
    }
}

#[test]
#[cfg(target_arch = "x86_64")] // whose second size of user memory it knows
fn draws_all_of_user_memory() {
    if lacks(Need::Ptrace) {
        return;
    }
    // As where the processor has five levels of page tables.
    let traced = strace(PROGRAM, &["-e", "inject=munmap:retval=0"], |_| {});
    let pictures = ended(&traced.output, "", 0);
    assert_eq!(pictures[0].named("end of user memory"), 1 << 56);
    pictures[0].regions.iter().for_each(assert_size);
}

#[test]
fn draws_what_it_knows_without_proc() {
    if lacks(Need::Ptrace) {
        return;
    }
    for (fault, errno, times) in [
        ("inject=openat:error=ENOENT", 2, 3),
        ("inject=read:error=EIO", 5, 3),
        // More than there is room for, in the first picture. (The first two calls read the environment.)
        ("inject=read:retval=1048576:when=3", 27, 1),
        // Nothing, or something else than mappings, in the second picture.
        ("inject=read:retval=0:when=5", 22, 1),
        ("inject=read:retval=100:when=6", 22, 1),
    ] {
        let traced = strace(PROGRAM, &["-e", fault], |command| _ = command.env("LC_ALL", "C.UTF-8"));
        let pictures = ended(&traced.output, "", 0);
        let opened = traced.named("openat").into_iter().filter(|call| !call.result.starts_with('-'));
        assert_eq!(opened.count(), traced.named("close").len(), "a file is left open");
        let missing = format!("/proc/self/maps can't be read (errno {errno})");
        let missing: Vec<_> = pictures.iter().filter(|picture| picture.remark.contains(&missing)).collect();
        assert_eq!(missing.len(), times, "{pictures:#?}");
        for picture in missing {
            assert!(!picture.remark.contains("[heap]"), "how much is mapped isn't known: {picture:#?}");
            assert!(picture.regions.iter().all(|region| ["", "???"].contains(&&*region.rights)), "{picture:#?}");
        }
        pictures[0].assert_has(&[".bss: zeroed data", ".data", "read-only data", "code"]);
        assert_eq!(pictures[0].regions.iter().any(|region| region.label == "stack, a part of it"), errno != 22);
        let start = pictures[0].named("program break");
        assert_eq!([1, 2].map(|n| pictures[n].named("program break")), [start + 4, start]);
        let heap = pictures[1].region("heap");
        assert_eq!((heap.start, heap.end), (start, start + 4));
    }
}

#[test]
fn writes_whole_lines() {
    if lacks(Need::Ptrace) {
        return;
    }
    let traced = strace(PROGRAM, &["-e", "trace=write"], |_| {});
    assert_eq!(traced.named("write").len(), traced.stdout().lines().count());
}

#[test]
fn gives_the_memory_back_and_reports_what_failed() {
    if lacks(Need::Ptrace) {
        return;
    }
    let full = || Stdio::from(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let traced = strace(PROGRAM, &[], |command| _ = command.stdout(full()));
    ended(&traced.output, "layout: write: errno 28\n", EX_IOERR);
    // Later, when there is memory to give back.
    let lines = 2 + strace(PROGRAM, &[], |_| {}).stdout().lines().position(|line| line.starts_with("2. ")).unwrap();
    let traced = strace(PROGRAM, &["-e", &format!("inject=write:error=EIO:when={lines}")], |_| {});
    ended(&traced.output, "layout: write: errno 5\n", EX_IOERR);
    let moves: Vec<_> = traced.named("brk").into_iter().filter(|call| call.address(0) != 0).collect();
    assert_eq!(moves[0].address(0), moves[1].address(0) + 4, "given back: {moves:?}");

    for (when, pictures_before) in [("when=2", 1), ("when=3", 2)] {
        let traced = strace(PROGRAM, &["-e", &format!("inject=brk:error=ENOMEM:{when}")], |_| {});
        assert_eq!(ended(&traced.output, "layout: brk: refused\n", EX_OSERR).len(), pictures_before);
    }
    let traced = strace(PROGRAM, &["-e", "inject=brk:error=ENOSYS"], |_| {});
    assert_ended(&traced.output, "", "layout: brk: refused\n", EX_OSERR);
}

#[test]
fn is_ascii_in_the_c_locale_alone() {
    let output = |variables: &[(&str, &str)]| {
        let output = run(Command::new(PROGRAM).env_clear().envs(variables.iter().copied()));
        assert_eq!(ended(&output, "", 0).len(), 3);
        String::from_utf8(output.stdout).unwrap()
    };
    let ascii = output(&[]);
    assert!(ascii.is_ascii());
    for variables in [&[("LANG", "C.UTF-8")][..], &[("LC_ALL", "en_US.UTF-8"), ("LANG", "C")]] {
        let unicode = output(variables);
        assert!(!unicode.is_ascii(), "{variables:?}");
        assert_eq!(ascii.lines().count(), unicode.lines().count(), "{variables:?}");
    }
    for variables in
        [&[("LC_ALL", "C")][..], &[("LC_CTYPE", "POSIX"), ("LANG", "de_DE.UTF-8")], &[("LC_ALL", ""), ("LANG", "C")]]
    {
        assert!(output(variables).is_ascii(), "{variables:?}");
    }
}
