//! Memory as the kernel reports it, and as `layout` and the tour draw it.

use crate::hex;
use regex_lite::Regex;
use std::collections::BTreeMap;

/// A command of gdb's that prints `maps:` and then the mappings of the process.
pub const MAPS: &str = "python print('maps:', open(f'/proc/{gdb.selected_inferior().pid}/maps').read())";

/// A line of `/proc/PID/maps`, or what is between two lines of a picture.
#[derive(Debug)]
pub struct Region {
    pub start: u64,
    pub end: u64,
    /// `rw-`. What isn't mapped has none, nor has a region of several mappings that aren't the same.
    pub permissions: String,
    /// In maps: `[stack]`, a path, or nothing.
    pub name: String,
    pub is_mapped: bool,
}

/// The mappings in the text of such a file, from the lowest address up. Other lines are left out.
pub fn mappings(text: &str) -> Vec<Region> {
    let line = Regex::new(r"(?m)^([0-9a-f]+)-([0-9a-f]+) (...)\S \S+ \S+ \d+ *(.*)$").unwrap();
    let mapping = |[start, end, permissions, name]: [&str; 4]| {
        let [permissions, name] = [permissions, name].map(str::to_string);
        Region { start: hex(start), end: hex(end), permissions, name, is_mapped: true }
    };
    line.captures_iter(text).map(|found| mapping(found.extract().1)).collect()
}

/// Finds the picture in `text`. Returns its regions from the top down, and the addresses of all names: where the line
/// of that name is, or where the region starts. Asserts that the picture keeps to its columns, that its sizes are
/// right, that it is what is mapped and nothing but that, with the kernel's names, and that the heap has `size` bytes,
/// with the gap above it.
#[track_caller]
pub fn drawn(text: &str, maps: &[Region], size: u64) -> (Vec<Region>, BTreeMap<String, u64>) {
    let edge = r"(?m)^([ x0-9a-f]{18}) (─.{44})(?: ◄ .+)?\n";
    let row = r"(?: {19}([│┆]) (.*?) *(about +\d+ \w+B|[0-9,]+ bytes|)  (.{3}) [│┆]\n)?";
    let parts = Regex::new(&format!("{edge}{row}")).unwrap();
    assert!(!parts.replace_all(text, "").contains(['─', '│', '┆']), "{text}");
    let (mut regions, mut addresses, mut last) = (vec![], BTreeMap::new(), None);
    for part in parts.captures_iter(text) {
        let [address, names, side, name, written, permissions] =
            std::array::from_fn(|n| part.get(n + 1).map_or("", |column| column.as_str().trim()));
        let address = hex(address);
        if let Some((end, is_mapped, name, written, permissions)) = last {
            assert_size(written, end - address);
            let [permissions, name] = [permissions, name].map(str::to_string);
            addresses.insert(name.clone(), address);
            regions.push(Region { start: address, end, permissions, name, is_mapped });
        }
        addresses.extend(names.split('─').map(|name| (name.trim().to_string(), address)));
        last = Some((address, side == "│", name, written, permissions));
    }

    let here = |name| *addresses.get(name).unwrap_or_else(|| panic!("no {name}: {text}"));
    let [start, program_break, gap] = ["heap start", "program break", "the gap"].map(here);
    assert_eq!(program_break - start, size, "{text}");
    let top = if size == 0 { start } else { here("end of the page") };
    let parts = ["heap", "not asked for"].map(|name| addresses.get(name).copied());
    assert_eq!(parts, if size == 0 { [None; 2] } else { [start, program_break].map(Some) }, "{text}");
    // The gap is the largest part of user memory.
    let gaps = regions.iter().filter(|region| region.name == "the gap" && region.end - top > 1 << 35);
    assert!(gap == top && gaps.count() == 1, "{text}");

    for Region { start, end, permissions, name, is_mapped } in &regions {
        let inside: Vec<_> = maps.iter().filter(|mapping| mapping.start < *end && *start < mapping.end).collect();
        let mapped: u64 = inside.iter().map(|mapping| mapping.end.min(*end) - mapping.start.max(*start)).sum();
        assert_eq!(mapped, if *is_mapped { end - start } else { 0 }, "{start:x} {name}: {inside:x?}");
        let mut all: Vec<_> = inside.iter().map(|mapping| &*mapping.permissions).collect();
        all.dedup();
        assert_eq!(permissions, if let [all] = all[..] { all } else { "" }, "{start:x} {name}: {inside:x?}");
        // A region of several mappings has the names of its ends. On some kernels, zeroed data that the heap follows is
        // called [heap].
        let lowest = match inside.first().map_or("", |mapping| &mapping.name) {
            "[stack]" => "stack; grows down",
            "[heap]" => "",
            name if name.starts_with('[') => name,
            _ => "",
        };
        assert!(name.ends_with(lowest), "{start:x} {name}: {inside:x?}");
    }
    let ends = (regions[0].end, regions.last().unwrap().start);
    assert_eq!(ends, (maps.last().unwrap().end, maps[0].start), "{text}");
    (regions, addresses)
}

/// Asserts that a number of bytes is written exactly, or rounded, if it is written.
#[track_caller]
fn assert_size(written: &str, bytes: u64) {
    let written = written.replace(',', "");
    let Some((number, unit)) = written.trim_start_matches("about").trim().split_once(' ') else { return };
    let power = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"].iter().position(|name| *name == unit).unwrap();
    let difference = number.parse::<f64>().unwrap() - bytes as f64 / 1024_f64.powi(power as i32);
    assert!(difference.abs() <= if power > 0 { 0.5 } else { 0.0 } && number != "1", "{written} for {bytes}");
}

/// Asserts that a stop of the tour fits on a terminal of 80 columns and 24 lines, with the prompt.
#[track_caller]
pub fn assert_fits(stop: &str) {
    assert!(stop.trim_end().lines().count() <= 23, "{stop}");
    assert!(stop.lines().all(|line| line.chars().count() <= 80 && !line.contains('\t')), "{stop}");
}
