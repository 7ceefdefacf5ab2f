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
    let mappings = line.captures_iter(text).map(|found| {
        let [start, end, permissions, name] = found.extract().1;
        Region { start: hex(start), end: hex(end), permissions: permissions.into(), name: name.into(), is_mapped: true }
    });
    mappings.collect()
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
    let parts = parts.captures_iter(text);
    let parts = parts.map(|part| [1, 2, 3, 4, 5, 6].map(|n| part.get(n).map_or("", |column| column.as_str().trim())));
    let parts: Vec<_> = parts.collect();
    let mut addresses = BTreeMap::new();
    for [address, names, ..] in &parts {
        addresses.extend(names.split('─').map(|name| (name.trim().to_string(), hex(address))));
    }
    let mut regions = vec![];
    for two in parts.windows(2) {
        let ([end, _, side, name, written, permissions], start) = (two[0], hex(two[1][0]));
        let (end, name, permissions) = (hex(end), name.to_string(), permissions.to_string());
        // If there is a number of bytes, it is exact or rounded.
        if let Some((number, unit)) = written.replace(',', "").trim_start_matches("about").trim().split_once(' ') {
            let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
            let power = units.iter().position(|name| *name == unit).unwrap();
            let difference = number.parse::<f64>().unwrap() - (end - start) as f64 / 1024_f64.powi(power as i32);
            let is_right = difference.abs() <= if power > 0 { 0.5 } else { 0.0 } && number != "1";
            assert!(is_right, "{written}: {start:x} to {end:x}");
        }
        addresses.insert(name.clone(), start);
        regions.push(Region { start, end, permissions, name, is_mapped: side == "│" });
    }

    let [start, program_break] = ["heap start", "program break"].map(|name| addresses[name]);
    assert_eq!(program_break - start, size, "{text}");
    let at = |name| addresses.get(name).copied();
    let expected =
        if size == 0 { [None, None, Some(start)] } else { [Some(start), Some(program_break), at("end of the page")] };
    assert_eq!(["heap", "not asked for", "the gap"].map(at), expected, "{text}");
    // The gap is the largest part of user memory.
    let gaps = regions.iter().filter(|region| region.name == "the gap" && region.end - region.start > 1 << 35);
    assert_eq!(gaps.count(), 1, "{text}");

    for Region { start, end, permissions, name, is_mapped } in &regions {
        let inside: Vec<_> = maps.iter().filter(|mapping| mapping.start < *end && *start < mapping.end).collect();
        let mapped: u64 = inside.iter().map(|mapping| mapping.end.min(*end) - mapping.start.max(*start)).sum();
        assert_eq!(mapped, if *is_mapped { end - start } else { 0 }, "{start:x} {name}: {inside:x?}");
        let mut all: Vec<_> = inside.iter().map(|mapping| &*mapping.permissions).collect();
        all.dedup();
        assert_eq!(permissions, if let [all] = all[..] { all } else { "" }, "{start:x} {name}: {inside:x?}");
        // A region of several mappings has the names of its ends. On some kernels, zeroed data that the heap follows is
        // called [heap].
        let lowest = inside.first().map_or("", |mapping| &mapping.name).replace("[stack]", "stack; grows down");
        let is_no_name = lowest.starts_with('/') || lowest == "[heap]";
        assert!(is_no_name || name.ends_with(&lowest), "{start:x} {name}: {inside:x?}");
    }
    let ends = (regions[0].end, regions.last().unwrap().start);
    assert_eq!(ends, (maps.last().unwrap().end, maps[0].start), "{text}");
    (regions, addresses)
}
