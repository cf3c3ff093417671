//! What `perf script` prints: where each process has mapped the program, and where it was at each sample.

use std::collections::BTreeMap;

/// A process, and how often it was where.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Process {
    id: u32,
    /// By the offset in the program's file.
    pub(super) inside: BTreeMap<u64, u64>,
    /// In the kernel and in libraries, by symbol.
    pub(super) outside: BTreeMap<String, u64>,
}

impl Process {
    /// How many there are.
    pub(super) fn samples(&self) -> u64 {
        self.inside.values().chain(self.outside.values()).sum()
    }
}

/// Part of a program's file in the memory of a process.
struct Mapping {
    process: u32,
    start: u64,
    len: u64,
    offset: u64,
}

/// The processes that ran `program`, in the order in which they began to.
pub(super) fn processes(printed: &str, program: &str) -> Vec<Process> {
    let mut mappings: Vec<Mapping> = Vec::new();
    let mut processes: Vec<Process> = Vec::new();
    for line in printed.lines() {
        if line.contains("PERF_RECORD_MMAP") {
            let Some(mapping) = mapping(line, program) else {
                continue;
            };
            if processes.iter().all(|known| known.id != mapping.process) {
                processes.push(Process {
                    id: mapping.process,
                    ..Process::default()
                });
            }
            mappings.push(mapping);
        } else if let Some((id, address, symbol)) = sample(line)
            && let Some(process) = processes.iter_mut().find(|process| process.id == id)
        {
            let inside = mappings.iter().find_map(|mapping| {
                let from_start = address.checked_sub(mapping.start)?;
                (mapping.process == id && from_start < mapping.len)
                    .then_some(from_start + mapping.offset)
            });
            *match inside {
                Some(offset) => process.inside.entry(offset).or_default(),
                None => process.outside.entry(symbol.to_owned()).or_default(),
            } += 1;
        }
    }
    processes
}

/// `NAME PID PERF_RECORD_MMAP2 PID/TID: [START(LEN) @ OFFSET …]: r-xp FILE`
fn mapping(line: &str, program: &str) -> Option<Mapping> {
    let (_, event) = line.split_once("PERF_RECORD_MMAP")?;
    let (place, file) = event.rsplit_once("]: ")?;
    let (_, file) = file.split_once(' ')?;
    if file != program {
        return None;
    }
    let (ids, place) = place.split_once(": [")?;
    let (process, _) = ids.split_whitespace().last()?.split_once('/')?;
    let (start, place) = place.split_once('(')?;
    let (len, place) = place.split_once(')')?;
    let offset = place.split_whitespace().nth(1)?;
    Some(Mapping {
        process: process.parse().ok()?,
        start: number(start)?,
        len: number(len)?,
        offset: number(offset)?,
    })
}

/// `PID ADDRESS SYMBOL`
fn sample(line: &str) -> Option<(u32, u64, &str)> {
    let (process, line) = line.trim_start().split_once(' ')?;
    let (address, symbol) = line.trim_start().split_once(' ')?;
    Some((process.parse().ok()?, number(address)?, symbol.trim()))
}

/// A number to the base of 16, with or without what says so.
fn number(digits: &str) -> Option<u64> {
    u64::from_str_radix(digits.strip_prefix("0x").unwrap_or(digits), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
  perf 70 PERF_RECORD_MMAP2 71/71: [0x5000(0x1000) @ 0 fe:00 12 13]: r-xp /bin/perf
  71 PERF_RECORD_MMAP2 71/71: [0x562c8920b000(0x3c6000) @ 0x10a000 fe:00 67 23]: r-xp /x/hqq-bench
  71 PERF_RECORD_MMAP2 71/71: [0x7f50ac421000(0x26000) @ 0x1000 fe:00 68 24]: r-xp /lib/ld.so
 71      7f50ac4460af do_lookup_x
 71      562c8920b010 <A as B>::run
 71  ffffffff8168bcf7 [unknown]
 72 PERF_RECORD_MMAP2 72/72: [0x555c43644000(0x3c6000) @ 0x10a000 fe:00 67 23]: r-xp /x/hqq-bench
 72      555c43644010 <A as B>::run
 72      555c43644010 <A as B>::run
 73      555c43644010 somebody else
";

    #[test]
    fn samples_are_told_by_process_and_offset() {
        let processes = processes(PRINTED, "/x/hqq-bench");
        let [first, second] = processes.as_slice() else {
            panic!("{processes:?}");
        };
        assert_eq!((first.id, first.samples()), (71, 3));
        assert_eq!(first.inside, [(0x10a010, 1)].into());
        let outside = ["[unknown]", "do_lookup_x"].map(|symbol| (symbol.to_owned(), 1));
        assert_eq!(first.outside, outside.into());
        assert_eq!((second.id, second.samples()), (72, 2));
        assert_eq!(second.inside, [(0x10a010, 2)].into());
    }
}
