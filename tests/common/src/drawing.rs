//! Memory as `layout` and the tour draw it.

use crate::{Mapping, hex};

/// A line between two regions.
#[derive(Debug)]
pub struct Edge {
    pub address: u64,
    pub names: Vec<String>,
    /// What the arrow after it says, such as `new`.
    pub mark: String,
}

/// What is between two lines.
#[derive(Debug)]
pub struct Region {
    pub start: u64,
    pub end: u64,
    pub is_mapped: bool,
    pub name: String,
    pub size: String,
    pub rights: String,
    pub mark: String,
}

/// A picture, from the top down.
#[derive(Debug)]
pub struct Drawing {
    pub edges: Vec<Edge>,
    pub regions: Vec<Region>,
}

impl Drawing {
    /// Finds the picture between other lines, and asserts that it keeps to its columns.
    #[track_caller]
    pub fn parse(text: &str) -> Drawing {
        let (mut edges, mut regions) = (Vec::<Edge>::new(), Vec::<Region>::new());
        let mut row = None;
        for line in text.lines() {
            let columns: Vec<char> = line.chars().collect();
            assert!(columns.len() <= 80, "{line}");
            let part = |range: std::ops::Range<usize>| columns[range].iter().collect::<String>().trim().to_string();
            let mark = line.split_once(" ◄ ").map_or("", |(_, mark)| mark).to_string();
            if line.contains("───") {
                let [address, ruler] = [part(0..19), part(19..64)];
                assert!(address.starts_with("0x") && columns[17] != ' ' && columns[18] == ' ', "{line}");
                let names = ruler.split("──").map(|name| name.trim_matches(['─', ' ']).to_string());
                let address = hex(&address);
                if let Some(Edge { address: end, .. }) = edges.last() {
                    let (is_mapped, [name, size, rights], mark) = row.take().unwrap_or_default();
                    regions.push(Region { start: address, end: *end, is_mapped, name, size, rights, mark });
                }
                edges.push(Edge { address, names: names.filter(|name| !name.is_empty()).collect(), mark });
            } else if line.contains(['│', '┆']) {
                assert!(part(0..19).is_empty() && columns[19] == columns[63] && row.is_none(), "{line}");
                row = Some((columns[19] == '│', [part(20..43), part(43..57), part(57..63)], mark));
            }
        }
        assert!(row.is_none(), "there is no line below it: {text}");
        Drawing { edges, regions }
    }

    #[track_caller]
    pub fn address(&self, name: &str) -> u64 {
        let mut edges = self.edges.iter();
        edges
            .find(|edge| edge.names.iter().any(|found| found == name))
            .unwrap_or_else(|| panic!("no {name}: {self:#x?}"))
            .address
    }

    #[track_caller]
    pub fn region(&self, name: &str) -> &Region {
        let mut regions = self.regions.iter();
        regions.find(|region| region.name == name).unwrap_or_else(|| panic!("no {name}: {self:#x?}"))
    }

    /// All marks: those of the edges, and those of the regions.
    pub fn marks(&self) -> Vec<&str> {
        let edges = self.edges.iter().map(|edge| &*edge.mark);
        edges.chain(self.regions.iter().map(|region| &*region.mark)).filter(|mark| !mark.is_empty()).collect()
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
        // To the next mapping. It is the largest part of user memory.
        let gap = self.region("the gap");
        assert!(gap.start == top && gap.end - top > 1 << 35, "{gap:x?}");
        assert!(maps.iter().any(|mapping| mapping.start == gap.end), "{gap:x?}");

        for region in &self.regions {
            let Region { start, end, is_mapped, rights, .. } = region;
            assert!(start < end, "{region:x?}");
            if !region.size.is_empty() {
                assert_size(region);
            }
            let inside: Vec<_> = maps.iter().filter(|mapping| mapping.start < *end && *start < mapping.end).collect();
            let mapped: u64 = inside.iter().map(|mapping| mapping.end.min(*end) - mapping.start.max(*start)).sum();
            assert_eq!(
                mapped,
                if *is_mapped { end - start } else { 0 },
                "{region:x?} is not what is mapped: {inside:x?}"
            );
            // A region of several mappings with different rights has none of its own.
            let is_uniform = inside.windows(2).all(|two| two[0].rights == two[1].rights);
            let expected = if is_uniform && *is_mapped { &*inside[0].rights } else { "" };
            assert_eq!(rights, expected, "{region:x?}: {inside:x?}");
        }
    }
}

/// The size is that of the region, to the nearest whole number of a unit of which there are at least 16.
#[track_caller]
fn assert_size(region: &Region) {
    let (number, unit) = region.size.split_once(' ').unwrap_or_else(|| panic!("{region:?}"));
    let number: f64 = number.parse().unwrap();
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let power = units.iter().position(|name| *name == unit).unwrap();
    // A half, and a little, as each step to a larger unit is rounded.
    let difference = number - (region.end - region.start) as f64 / 1024_f64.powi(power as i32);
    assert!(difference.abs() <= 0.501 * power.min(1) as f64, "{region:?}");
    assert!(number <= 16384.0 && (number >= 16.0 || power == 0), "{region:?}");
}
