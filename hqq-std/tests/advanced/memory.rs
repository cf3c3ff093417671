//! Large streams between two processes, in little memory.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use hqq_std::{AdvancedLink, AdvancedOptions, Format, Incoming, LinkOptions};

use super::common::{LIMIT, Name};
use super::processes::{Other, say};
use super::support::{FORMATS, assert_idle, body, limit};

/// Bytes in order: other bytes, or the same in another order, differ.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Checksum {
    sum: u64,
    sums: u64,
    len: u64,
}

impl Checksum {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.sum = self.sum.wrapping_add(u64::from(*byte) + 1);
            self.sums = self.sums.wrapping_add(self.sum);
        }
        self.len += bytes.len() as u64;
    }

    fn text(&self) -> String {
        format!("{:x}-{:x}-{}", self.sum, self.sums, self.len)
    }
}

/// The same block over and over, of a length that fits nothing, up to `left` bytes.
struct Blocks<'a> {
    block: &'a [u8],
    at: usize,
    left: u64,
    checksum: Checksum,
}

impl<'a> Blocks<'a> {
    fn new(block: &'a [u8], len: u64) -> Self {
        let (at, checksum) = (0, Checksum::default());
        Self {
            block,
            at,
            left: len,
            checksum,
        }
    }
}

impl Read for &mut Blocks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = &self.block[self.at..];
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let len = buffer.len().min(rest.len()).min(left);
        buffer[..len].copy_from_slice(&rest[..len]);
        self.checksum.add(&rest[..len]);
        self.at = (self.at + len) % self.block.len();
        self.left -= len as u64;
        Ok(len)
    }
}

/// Memory of this process in KiB, by its name in `/proc/self/status`.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Reads a message as it comes; says its checksum and by how much the memory in use grew at most.
pub(super) fn receive(link: &AdvancedLink, pause: Duration) {
    let _ = link.wait_for_negotiation(limit()).unwrap();
    let mut buffer = vec![0; 1 << 16];
    let mut checksum = Checksum::default();
    // From here on; where that is not permitted the peak up to here counts, too.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let before = memory("VmRSS:");
    let Incoming::Plain { mut body, .. } = link.receive_stream(limit()).unwrap() else {
        panic!("not a message");
    };
    loop {
        body.set_timeout(Some(LIMIT));
        match body.read(&mut buffer).unwrap() {
            0 => break,
            len => checksum.add(&buffer[..len]),
        }
        std::thread::sleep(pause);
    }
    let grown = memory("VmHWM:").saturating_sub(before);
    say(&format!("{} {grown}", checksum.text()));
}

/// Sends so many bytes to a process that reads them, with a pause after each read.
fn transfer(format: Format, len: u64, known: bool, pause: Duration) {
    let name = Name::new();
    let region = LinkOptions::new().format(format).count(64).size(16384);
    let link = AdvancedLink::create(&name, &region, AdvancedOptions::new()).unwrap();
    let mut receiver = Other::start(&format!("receive {} {}", &*name, pause.as_micros()));
    let _ = link.negotiate(limit()).unwrap();
    let block = body(11, 1_000_003);
    let mut source = Blocks::new(&block, len);
    let began = Instant::now();
    let sent = link.send_stream(&mut source, known.then_some(len)).unwrap();
    let said = receiver.says();
    let took = began.elapsed();
    assert_eq!(sent, len);
    let (checksum, grown) = said.split_once(' ').unwrap();
    assert_eq!(checksum, source.checksum.text());
    let grown: u64 = grown.parse().unwrap();
    println!(
        "format {format}: {} MiB in {took:.2?}, the receiver grew by {grown} KiB",
        len >> 20
    );
    assert!(grown < 16 << 10, "the receiver grew by {grown} KiB");
    receiver.ends_well();
    assert_idle(&link);
}

/// 4 GiB by `HQQ_STREAM_BYTES=4294967296`.
#[test]
fn a_stream_of_any_length_takes_little_memory() {
    let len = std::env::var("HQQ_STREAM_BYTES");
    let len = len.map_or(256 << 20, |text| text.parse().unwrap());
    for format in FORMATS {
        transfer(format, len, true, Duration::ZERO);
    }
    transfer(Format::V2, len / 4 + 1, false, Duration::ZERO);
}

#[test]
fn a_slow_reader_takes_little_memory() {
    for format in FORMATS {
        transfer(format, 32 << 20, true, Duration::from_millis(1));
    }
}
