//! Memory as `layout` and the tour draw it.

use crate::{Mapping, hex};
use regex_lite::{Captures, Regex};

/// What is between two lines.
#[derive(Debug)]
pub struct Region {
    pub start: u64,
    pub end: u64,
    pub is_mapped: bool,
    pub name: String,
    pub permissions: String,
}

/// A picture, from the top down.
#[derive(Debug)]
pub struct Drawing {
    /// The lines between the regions: the address and the names of each.
    edges: Vec<(u64, String)>,
    pub regions: Vec<Region>,
    /// What the arrows say, such as `new`.
    pub marks: Vec<String>,
    /// The line below it, about the heap.
    pub state: String,
}

impl Drawing {
    /// Finds the picture between other lines, and asserts that it keeps to its columns, and that its sizes are right.
    #[track_caller]
    pub fn parse(text: &str) -> Drawing {
        let edge = r"(?m)^([ x0-9a-f]{18}) (─.{44})(?: ◄ (.+))?\n";
        let row = r"(?: {19}([│┆]) (.*?) *((?:about +)?[0-9,]+ \w+|)  (.{3}) [│┆]\n)?";
        let parts = Regex::new(&format!("{edge}{row}")).unwrap();
        assert!(!parts.replace_all(text, "").contains(['─', '│', '┆']), "{text}");
        let columns = |part: Captures| {
            std::array::from_fn(|n| part.get(n + 1).map_or("", |column| column.as_str().trim()).to_string())
        };
        let parts: Vec<[String; 7]> = parts.captures_iter(text).map(columns).collect();
        let edges: Vec<_> = parts.iter().map(|[address, names, ..]| (hex(address), names.clone())).collect();
        let regions = parts.iter().zip(edges.windows(2)).map(|([.., side, name, written, permissions], ends)| {
            let (start, end) = (ends[1].0, ends[0].0);
            if !written.is_empty() {
                assert_size(written, end - start);
            }
            Region { start, end, is_mapped: side == "│", name: name.clone(), permissions: permissions.clone() }
        });
        let marks = parts.iter().map(|[_, _, mark, ..]| mark.clone()).filter(|mark| !mark.is_empty());
        let state = text.lines().find(|line| line.starts_with("heap: ")).unwrap_or_default().to_string();
        Drawing { regions: regions.collect(), marks: marks.collect(), state, edges }
    }

    #[track_caller]
    pub fn address(&self, name: &str) -> u64 {
        let mut edges = self.edges.iter().filter(|(_, names)| names.contains(&format!("── {name} ─")));
        edges.next().unwrap_or_else(|| panic!("no {name}: {self:#x?}")).0
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
        // The gap is the largest part of user memory.
        let top = self.address(if size == 0 { "heap start" } else { "end of the page" });
        let gap = self.region("the gap");
        assert!(gap.start == top && gap.end - top > 1 << 35, "{gap:x?}");
        let expected = [("not asked for", program_break, top), ("heap", start, program_break)];
        let heap = self.regions.iter().map(|region| (&*region.name, region.start, region.end));
        let heap: Vec<_> = heap.filter(|region| expected.iter().any(|part| part.0 == region.0)).collect();
        assert_eq!(heap, expected[..if size == 0 { 0 } else { 2 }], "{self:#x?}");
        for region in &self.regions {
            let Region { start, end, is_mapped, .. } = *region;
            let inside: Vec<_> = maps.iter().filter(|mapping| mapping.start < end && start < mapping.end).collect();
            let mapped: u64 = inside.iter().map(|mapping| mapping.end.min(end) - mapping.start.max(start)).sum();
            assert_eq!(mapped, if is_mapped { end - start } else { 0 }, "{region:x?}: {inside:x?}");
            // A region of several mappings with different permissions has none of its own.
            let mut permissions: Vec<_> = inside.iter().map(|mapping| &*mapping.permissions).collect();
            permissions.dedup();
            let expected = if let [all] = permissions[..] { all } else { "" };
            assert_eq!(region.permissions, expected, "{region:x?}: {inside:x?}");
        }
    }
}

/// Asserts that a number of bytes is written exactly, or rounded.
#[track_caller]
fn assert_size(written: &str, bytes: u64) {
    let written = written.replace(',', "");
    let words: Vec<_> = written.split_whitespace().collect();
    if let ["about", number, unit] = words[..] {
        let power = ["MiB", "GiB", "TiB", "PiB", "EiB"].iter().position(|name| *name == unit).unwrap() as i32 + 2;
        let difference = number.parse::<f64>().unwrap() - bytes as f64 / 1024_f64.powi(power);
        assert!(difference.abs() <= 0.5 && number != "1", "{written} for {bytes}");
    } else {
        assert_eq!(words, [&*bytes.to_string(), if bytes == 1 { "byte" } else { "bytes" }]);
    }
}

/// Asserts that a stop of the tour fits on a terminal of 80 columns and 24 lines, with the prompt.
#[track_caller]
pub fn assert_fits(stop: &str) {
    assert!(stop.trim_end().lines().count() <= 23, "{stop}");
    assert!(stop.lines().all(|line| line.chars().count() <= 80 && !line.contains('\t')), "{stop}");
}
