//! Memory as `layout` and the tour draw it.

use crate::{Mapping, hex, page_size};
use regex_lite::Regex;

/// A line between two regions.
#[derive(Debug)]
pub struct Edge {
    pub address: u64,
    pub names: Vec<String>,
}

/// What is between two lines.
#[derive(Debug)]
pub struct Region {
    pub start: u64,
    pub end: u64,
    pub is_mapped: bool,
    pub name: String,
    pub size: String,
    pub permissions: String,
}

/// A picture, from the top down.
#[derive(Debug)]
pub struct Drawing {
    pub edges: Vec<Edge>,
    pub regions: Vec<Region>,
    /// What the arrows say, such as `new`.
    pub marks: Vec<String>,
    /// The line below it, about the heap.
    pub state: String,
}

impl Drawing {
    /// Finds the picture between other lines, and asserts that it keeps to its columns.
    #[track_caller]
    pub fn parse(text: &str) -> Drawing {
        let edge = Regex::new(r"^([ x0-9a-f]{18}) (─.{44})$").unwrap();
        let row = Regex::new(r"^ {19}([│┆]) (.*?) *((?:about )?[0-9,]+ \w+|)  (.{3}) [│┆]$").unwrap();
        let (mut edges, mut regions, mut marks) = (Vec::<Edge>::new(), vec![], vec![]);
        let mut pending = None;
        for line in text.lines() {
            let (drawn, mark) = line.split_once(" ◄ ").unwrap_or((line, ""));
            if let Some(found) = edge.captures(drawn) {
                let start = hex(found[1].trim());
                if let Some(Edge { address: end, .. }) = edges.last() {
                    let (is_mapped, [name, size, permissions]) = pending.take().unwrap_or_default();
                    regions.push(Region { start, end: *end, is_mapped, name, size, permissions });
                }
                let names = found[2].split("──").map(|name| name.trim_matches(['─', ' ']).to_string());
                edges.push(Edge { address: start, names: names.filter(|name| !name.is_empty()).collect() });
            } else if let Some(found) = row.captures(drawn) {
                assert!(pending.is_none(), "{line}");
                pending = Some((&found[1] == "│", [2, 3, 4].map(|n| found[n].trim().to_string())));
            } else {
                assert!(!drawn.contains(['─', '│', '┆']), "{line}");
                continue;
            }
            assert!(line.chars().count() <= 80, "{line}");
            marks.extend(Some(mark.to_string()).filter(|mark| !mark.is_empty()));
        }
        assert!(pending.is_none(), "there is no line below it: {text}");
        let state = text.lines().find(|line| line.starts_with("heap: ")).unwrap_or_default().to_string();
        Drawing { edges, regions, marks, state }
    }

    /// Asserts that the line below says of the heap what the picture shows, and how much of it is in memory: a page if
    /// something was stored there.
    #[track_caller]
    pub fn assert_state(&self, is_used: bool) {
        let [start, program_break] = ["heap start", "program break"].map(|name| self.address(name));
        let mapped = self.region("the gap").start - start;
        let resident = if is_used { mapped.min(page_size()) } else { 0 };
        let [asked_for, mapped, resident] = [program_break - start, mapped, resident].map(|bytes| match bytes {
            0..0x4000 => format!("{bytes} bytes"),
            _ => format!("{} KiB", bytes / 1024),
        });
        assert_eq!(self.state, format!("heap: {asked_for} asked for, {mapped} mapped, {resident} in memory"));
    }

    #[track_caller]
    pub fn address(&self, name: &str) -> u64 {
        let mut edges = self.edges.iter().filter(|edge| edge.names.iter().any(|found| found == name));
        edges.next().unwrap_or_else(|| panic!("no {name}: {self:#x?}")).address
    }

    #[track_caller]
    pub fn region(&self, name: &str) -> &Region {
        let found: Vec<_> = self.regions.iter().filter(|region| region.name == name).collect();
        let [region] = found[..] else { panic!("not one {name}: {self:#x?}") };
        region
    }

    /// Asserts that this is what is mapped between its highest and its lowest address, and nothing but that; and that
    /// the heap there has `size` bytes, with the gap above it.
    #[track_caller]
    pub fn assert_agrees(&self, maps: &[Mapping], size: u64) {
        let [start, program_break] = ["heap start", "program break"].map(|name| self.address(name));
        assert_eq!(program_break - start, size, "{self:#x?}");
        let top = if size == 0 { start } else { self.address("end of the page") };
        let expected = [("not asked for", program_break, top), ("heap", start, program_break)];
        let heap = self.regions.iter().map(|region| (&*region.name, region.start, region.end));
        let heap: Vec<_> = heap.filter(|region| expected.iter().any(|part| part.0 == region.0)).collect();
        assert_eq!(heap, if size == 0 { &[] } else { &expected[..] }, "{self:#x?}");
        // The gap ends at the next mapping, and is the largest part of user memory.
        let gap = self.region("the gap");
        assert!(gap.start == top && gap.end - top > 1 << 35, "{gap:x?}");
        assert!(maps.iter().any(|mapping| mapping.start == gap.end), "{gap:x?}");

        for region in &self.regions {
            let Region { start, end, is_mapped, permissions, .. } = region;
            assert!(start < end, "{region:x?}");
            // The size is rounded to a whole number of a unit, of which there are at least 16. Each step to a larger
            // unit is rounded, so the error can be a little more than half a unit.
            if !region.size.is_empty() {
                let size = region.size.replace(',', "").replace("about ", "");
                let (number, unit) = size.split_once(' ').unwrap();
                let number: f64 = number.parse().unwrap();
                let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
                let power = units.iter().position(|name| *name == unit).unwrap();
                let difference = number - (end - start) as f64 / 1024_f64.powi(power as i32);
                assert!(difference.abs() <= 0.501 * power.min(1) as f64, "{region:?}");
                assert!(number >= 16.0 || power == 0, "{region:?}");
            }
            let inside: Vec<_> = maps.iter().filter(|mapping| mapping.start < *end && *start < mapping.end).collect();
            let mapped: u64 = inside.iter().map(|mapping| mapping.end.min(*end) - mapping.start.max(*start)).sum();
            assert_eq!(
                mapped,
                if *is_mapped { end - start } else { 0 },
                "{region:x?} is not what is mapped: {inside:x?}"
            );
            // A region of several mappings with different permissions has none of its own.
            let is_uniform = inside.windows(2).all(|two| two[0].permissions == two[1].permissions);
            let expected = if is_uniform && *is_mapped { &*inside[0].permissions } else { "" };
            assert_eq!(permissions, expected, "{region:x?}: {inside:x?}");
        }
    }
}

/// Asserts that a stop of the tour fits on a terminal of 80 columns and 24 lines, with the prompt.
#[track_caller]
pub fn assert_fits(stop: &str) {
    assert!(stop.trim_end().lines().count() <= 23, "{stop}");
    assert!(stop.lines().all(|line| line.chars().count() <= 80 && !line.contains('\t')), "{stop}");
}
