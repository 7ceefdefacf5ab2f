//! What the kernel has mapped for a process.

use crate::hex;
use regex_lite::Regex;

/// A line of `/proc/PID/maps`.
#[derive(Debug)]
pub struct Mapping {
    pub start: u64,
    pub end: u64,
    /// `rw-`
    pub permissions: String,
    /// `[stack]`, a path, or nothing.
    pub name: String,
}

/// The mappings in the text of such a file, from the lowest address up. Other lines are left out.
pub fn mappings(text: &str) -> Vec<Mapping> {
    let line = Regex::new(r"(?m)^([0-9a-f]+)-([0-9a-f]+) (...)\S \S+ \S+ \d+ *(.*)$").unwrap();
    let mapping = |[start, end, permissions, name]: [&str; 4]| {
        let [permissions, name] = [permissions, name].map(str::to_string);
        Mapping { start: hex(start), end: hex(end), permissions, name }
    };
    line.captures_iter(text).map(|found| mapping(found.extract().1)).collect()
}

/// The size of a page, in bytes.
pub fn page_size() -> u64 {
    nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).unwrap().unwrap() as u64
}
