//! What the kernel has mapped for a process.

use crate::hex;

/// A line of `/proc/PID/maps`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    pub start: u64,
    pub end: u64,
    /// `rw-`
    pub rights: String,
    /// `[stack]`, a path, or nothing.
    pub name: String,
}

/// The mappings in the text of such a file, from the lowest address up. Other lines are passed over.
pub fn mappings(text: &str) -> Vec<Mapping> {
    text.lines().filter_map(mapping).collect()
}

fn mapping(line: &str) -> Option<Mapping> {
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-').filter(|(start, _)| u64::from_str_radix(start, 16).is_ok())?;
    let rights = fields.next()?.get(..3)?;
    let name = fields.nth(3)?.trim();
    Some(Mapping { start: hex(start), end: hex(end), rights: rights.to_string(), name: name.to_string() })
}

/// The mapping of that name.
#[track_caller]
pub fn mapped<'a>(maps: &'a [Mapping], name: &str) -> &'a Mapping {
    maps.iter().find(|mapping| mapping.name == name).unwrap_or_else(|| panic!("no {name} in {maps:#x?}"))
}
