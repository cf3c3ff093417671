//! From offsets in this program to lines of its source, with `readelf` and `addr2line`.
//!
//! Most of what a row does is inlined into one function, and its innermost lines are those of the standard
//! library's atomics: so what counts is the innermost line of this workspace, and the function it is inlined into.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::samples::Process;
use super::{Spot, tool};
use crate::error::BenchError;

/// Addresses that are looked up at once: as many as fit a command line.
const AT_ONCE: usize = 4096;
/// What is not part of this workspace, and what is of no function of the library.
const OUTSIDE: &str = "(kernel and libraries)";
const ROW: &str = "(the row itself)";

/// A file, or a function of one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) file: String,
    pub(super) function: String,
}

/// Part of the program's file, and where it is meant to lie.
#[derive(Debug, PartialEq, Eq)]
struct Segment {
    offset: u64,
    address: u64,
    len: u64,
}

/// This program, and what is known of it.
pub(super) struct Program {
    path: PathBuf,
    segments: Vec<Segment>,
    /// By address.
    known: BTreeMap<u64, Found>,
}

/// What an address is part of.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    /// The innermost file of this workspace. (Not its function: where code was moved, debug information has the
    /// wrong one.)
    place: Place,
    line: u32,
    /// The outermost function of the library.
    outer: Place,
}

impl Program {
    pub(super) fn new(path: &Path) -> Result<Self, BenchError> {
        let arguments = [OsStr::new("--program-headers"), "--wide".as_ref()];
        let headers = tool("readelf", &[&arguments[..], &[path.as_os_str()]].concat())?;
        Ok(Self {
            path: path.to_owned(),
            segments: headers.lines().filter_map(segment).collect(),
            known: BTreeMap::new(),
        })
    }

    /// The address of a byte of the file, as the program's debug information has it.
    fn address(&self, offset: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| {
            let from_start = offset.checked_sub(segment.offset)?;
            (from_start < segment.len).then_some(segment.address + from_start)
        })
    }

    /// Looks these addresses up.
    fn learn(&mut self, addresses: &[u64]) -> Result<(), BenchError> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
        let root = root.unwrap_or_else(|| Path::new("/"));
        for some in addresses.chunks(AT_ONCE) {
            let options = ["--addresses", "--inlines", "--functions", "--demangle"];
            let mut arguments: Vec<OsString> = options.map(OsString::from).into();
            arguments.extend(["--exe".into(), self.path.clone().into_os_string()]);
            arguments.extend(some.iter().map(|address| format!("{address:#x}").into()));
            let arguments: Vec<_> = arguments.iter().map(OsString::as_os_str).collect();
            let printed = tool("addr2line", &arguments)?;
            self.known.extend(found(&printed, root));
        }
        Ok(())
    }
}

/// Where a process was, and how often.
#[derive(Default)]
pub(super) struct Spots {
    /// By functions of the library, with all that is inlined into them.
    pub(super) functions: BTreeMap<Place, Spot>,
    /// By file, and by line in it.
    pub(super) files: BTreeMap<Place, Spot>,
}

impl Spots {
    pub(super) fn of(process: &Process, program: &mut Program) -> Result<Self, BenchError> {
        let addresses = process.inside.keys();
        let addresses: Vec<_> = addresses.filter_map(|at| program.address(*at)).collect();
        program.learn(&addresses)?;
        let mut spots = Self::default();
        for (offset, samples) in &process.inside {
            let known = program.address(*offset);
            let known = known.and_then(|address| program.known.get(&address));
            spots.add(
                &known.cloned().unwrap_or_else(|| Found::outside("?")),
                *samples,
            );
        }
        for (symbol, samples) in &process.outside {
            spots.add(&Found::outside(symbol), *samples);
        }
        Ok(spots)
    }

    fn add(&mut self, found: &Found, samples: u64) {
        let spot = self.files.entry(found.place.clone()).or_default();
        spot.samples += samples;
        if found.place.file != OUTSIDE {
            *spot.lines.entry(found.line).or_default() += samples;
        }
        let outer = self.functions.entry(found.outer.clone()).or_default();
        outer.samples += samples;
    }
}

impl Place {
    fn new(file: &str, function: &str) -> Self {
        Self {
            file: file.to_owned(),
            function: short(function),
        }
    }
}

impl Found {
    fn outside(symbol: &str) -> Self {
        Self {
            place: Place::new(OUTSIDE, symbol),
            line: 0,
            outer: Place::new(OUTSIDE, ""),
        }
    }

    /// Adds a function around those before it, at this `FILE:LINE`. The file is told from `root` on.
    fn surround(&mut self, function: &str, at: &str, root: &Path) {
        let Some((file, line)) = at.rsplit_once(':') else {
            return;
        };
        let Ok(file) = Path::new(file).strip_prefix(root) else {
            // Until something is ours, the outermost function is told.
            if self.place.file == OUTSIDE {
                self.place = Place::new(OUTSIDE, function);
            }
            return;
        };
        let is_row = file.starts_with("hqq-bench");
        let file = file.display().to_string();
        if self.place.file == OUTSIDE {
            self.place = Place::new(&file, "");
            // Without what may follow: ` (discriminator 2)`.
            let line = line.split(' ').next().unwrap_or_default();
            self.line = line.parse().unwrap_or(0);
        }
        if !is_row {
            self.outer = Place::new(&file, function);
        } else if self.outer.file == OUTSIDE {
            self.outer = Place::new(ROW, "");
        }
    }
}

/// `  LOAD  OFFSET ADDRESS PHYSICAL LEN …`
fn segment(line: &str) -> Option<Segment> {
    let numbers = line.trim_start().strip_prefix("LOAD")?.split_whitespace();
    let numbers: Vec<_> = numbers
        .map_while(|digits| u64::from_str_radix(digits.strip_prefix("0x")?, 16).ok())
        .collect();
    let [offset, address, _, len, ..] = numbers.as_slice() else {
        return None;
    };
    Some(Segment {
        offset: *offset,
        address: *address,
        len: *len,
    })
}

/// What `addr2line` says: of each address two lines for each function, from the innermost one on, its name and
/// `FILE:LINE`.
fn found(printed: &str, root: &Path) -> BTreeMap<u64, Found> {
    let mut all = BTreeMap::new();
    let mut current = None;
    let mut lines = printed.lines();
    while let Some(line) = lines.next() {
        let address = line.strip_prefix("0x");
        if let Some(address) = address.and_then(|digits| u64::from_str_radix(digits, 16).ok()) {
            current = Some(address);
            all.insert(address, Found::outside("?"));
        } else if let Some(found) = current.and_then(|address| all.get_mut(&address)) {
            found.surround(line, lines.next().unwrap_or_default(), root);
        }
    }
    all
}

/// The last part of a function's path, without its generics; of a closure, that of the function around it.
fn short(function: &str) -> String {
    let mut plain = String::new();
    let mut depth = 0_u32;
    for letter in function.chars() {
        match letter {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ if depth == 0 => plain.push(letter),
            _ => {}
        }
    }
    let parts = plain.rsplit("::");
    let mut parts = parts.filter(|part| !part.is_empty() && !part.starts_with('{'));
    parts.next().unwrap_or(function).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short() {
        for (name, expected) in [
            ("hqq_core::link::receiver::Receiver<C>::next", "next"),
            ("<a::Part as b::Part<c::D<E>>>::run", "run"),
            ("wait_until<a::B<c::D>, ()>", "wait_until"),
            ("{closure#0}<a::B>", "{closure#0}<a::B>"),
            ("a::fetch<b::C>::{closure#0}", "fetch"),
            ("[unknown]", "[unknown]"),
        ] {
            assert_eq!(short(name), expected);
        }
    }

    #[test]
    fn segments_are_read() {
        let line =
            "  LOAD           0x10a5a0 0x10b5a0 0x000000000010b5a0 0x3c50f0 0x3c50f0 R E 0x1000";
        let text = Segment {
            offset: 0x10_a5a0,
            address: 0x10_b5a0,
            len: 0x3c_50f0,
        };
        assert_eq!(segment(line), Some(text));
        assert_eq!(segment("  DYNAMIC  0x1 0x2 0x3 0x4 0x5 RW 0x8"), None);
    }

    #[test]
    fn the_innermost_line_of_ours_counts() {
        let printed = "\
0x0000000000000010
load
/rustc/1/library/core/src/sync/atomic.rs:3891
stamp<a::B>
/x/hqq-core/src/region/slot.rs:20 (discriminator 3)
try_recv<c::D>
/x/hqq-core/src/link/receiver.rs:30
run
/x/hqq-bench/src/work.rs:7
0x0000000000000018
load
/rustc/1/library/core/src/sync/atomic.rs:3891
run
/x/hqq-bench/src/work.rs:8
0x0000000000000020
inner
/rustc/1/library/core/src/sync/atomic.rs:1
std::thread::park
/rustc/1/library/std/src/thread.rs:2
";
        let slot = Found {
            place: Place::new("hqq-core/src/region/slot.rs", ""),
            line: 20,
            outer: Place::new("hqq-core/src/link/receiver.rs", "try_recv"),
        };
        let row = Found {
            place: Place::new("hqq-bench/src/work.rs", ""),
            line: 8,
            outer: Place::new(ROW, ""),
        };
        assert_eq!(
            found(printed, Path::new("/x")),
            [(0x10, slot), (0x18, row), (0x20, Found::outside("park"))].into()
        );
    }
}
