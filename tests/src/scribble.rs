//! A peer that means harm: it writes into whole regions, as fast as it can, what hurts most.
#![allow(
    clippy::unwrap_used,
    reason = "a process of a test that fails fails the test"
)]

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hqq_core::{Direction, Format, Layout, Member, Role};
use memmap2::MmapRaw;

/// Writes into one region before the next one has its turn.
const TURN: u32 = 4096;
/// Packets that are kept to be replayed.
const KEPT: usize = 256;

/// Words that random writes write at a time.
const LINE: usize = 16;

/// A region that is written into.
#[derive(Clone, Debug)]
pub struct Victim {
    /// Its name.
    pub name: String,
    /// Its format.
    pub format: Format,
    /// Its buffers.
    pub count: usize,
    /// Bytes in each.
    pub size: usize,
}

impl Victim {
    /// Where everything lies in it.
    #[must_use]
    pub fn layout(&self) -> Layout {
        match self.format {
            Format::V1 => Layout::format_1(self.count, self.size, rustix::param::page_size()),
            Format::V2 => Layout::file(self.count, self.size),
        }
        .unwrap()
    }

    /// As an argument of a process.
    #[must_use]
    pub fn to_argument(&self) -> String {
        let format = u8::from(self.format == Format::V2) + 1;
        format!("{}:{format}:{}:{}", self.name, self.count, self.size)
    }

    /// What [`Victim::to_argument`] made.
    #[must_use]
    pub fn of_argument(argument: &str) -> Option<Self> {
        let mut parts = argument.split(':');
        Some(Self {
            name: parts.next()?.to_owned(),
            format: match parts.next()? {
                "1" => Format::V1,
                _ => Format::V2,
            },
            count: parts.next()?.parse().ok()?,
            size: parts.next()?.parse().ok()?,
        })
    }
}

/// Random numbers, the same for the same seed.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Numbers that follow from `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next one.
    pub const fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// One below `bound`, which is not 0.
    pub const fn below(&mut self, bound: usize) -> usize {
        // Truncated: any number will do.
        (self.next() >> 16) as usize % bound
    }
}

/// What was written, by kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Writes {
    /// Anywhere, random.
    pub random: u64,
    /// Stamps and sequences: one or a ring further or back, other owners and states.
    pub stamps: u64,
    /// Operands: absurd lengths and indexes.
    pub operands: u64,
    /// Whole packets that were there before, elsewhere.
    pub replayed: u64,
    /// Claim counters and `released`.
    pub counters: u64,
    /// Wait words, statuses of sides, members' records.
    pub records: u64,
    /// Bytes of buffers.
    pub buffers: u64,
    /// The identity of the region.
    pub identity: u64,
    /// How long it took.
    pub took: Duration,
}

impl Writes {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.random
            + self.stamps
            + self.operands
            + self.replayed
            + self.counters
            + self.records
            + self.buffers
            + self.identity
    }
}

/// A region in memory.
struct Mapped {
    memory: MmapRaw,
    layout: Layout,
    file: (u64, u64),
    kept: Vec<[u64; 8]>,
}

impl Mapped {
    /// Maps what has the name now; `None` where that is nothing, or too short.
    fn new(victim: &Victim) -> Option<Self> {
        let layout = victim.layout();
        let path = hqq_std::RegionName::new(&victim.name).ok()?.path();
        let file = File::options().read(true).write(true).open(path).ok()?;
        let metadata = file.metadata().ok()?;
        if metadata.len() < layout.len() as u64 {
            return None;
        }
        let memory = memmap2::MmapOptions::new()
            .len(layout.len())
            .map_raw(&file)
            .ok()?;
        Some(Self {
            memory,
            layout,
            file: (metadata.dev(), metadata.ino()),
            kept: Vec::new(),
        })
    }

    /// Whether its name still leads to it.
    fn is_current(&self, victim: &Victim) -> bool {
        let path = hqq_std::RegionName::new(&victim.name).unwrap().path();
        path.metadata()
            .is_ok_and(|found| (found.dev(), found.ino()) == self.file)
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        let offset = (offset & !7).min(self.memory.len() - 8);
        // SAFETY: inside the mapping.
        let word = unsafe { self.memory.as_mut_ptr().add(offset) };
        // SAFETY: aligned, as mappings and the offset are; it lives as long as `self`, and this
        // process accesses it through atomics only.
        unsafe { AtomicU64::from_ptr(word.cast()) }
    }

    fn half(&self, offset: usize) -> &AtomicU32 {
        let offset = (offset & !3).min(self.memory.len() - 4);
        // SAFETY: inside the mapping.
        let word = unsafe { self.memory.as_mut_ptr().add(offset) };
        // SAFETY: as in `word`.
        unsafe { AtomicU32::from_ptr(word.cast()) }
    }

    /// Random words one after the other.
    fn line(&self, offset: usize, random: &mut Random) {
        for index in 0..LINE {
            let value = random.next();
            self.word(offset + 8 * index)
                .store(value, Ordering::Relaxed);
        }
    }

    fn slot(&self, random: &mut Random) -> usize {
        let direction = Direction::BOTH[random.below(2)];
        let index = random.below(self.layout.count());
        self.layout.slots(direction) + index * self.layout.slot_len()
    }

    /// Does one write, of a kind that chance chooses. Relaxed everywhere: harm needs no order.
    fn write(&mut self, random: &mut Random, writes: &mut Writes) {
        let layout = self.layout;
        let direction = Direction::BOTH[random.below(2)];
        match random.below(1 << 16) {
            // Some twenty a second: without an identity nobody attaches.
            0 => {
                let value = random.next();
                self.word(random.below(128)).store(value, Ordering::Relaxed);
                writes.identity += 1;
            }
            1..16_000 => {
                let slot = self.slot(random);
                let at = match layout.format() {
                    Format::V1 => slot + 64,
                    Format::V2 => slot,
                };
                let word = self.word(at);
                let stamp = word.load(Ordering::Relaxed);
                word.store(worse(stamp, &layout, random), Ordering::Relaxed);
                writes.stamps += 1;
            }
            16_000..32_000 => {
                let operand = self.slot(random) + 8 * (1 + random.below(7));
                let value = absurd(&layout, random);
                self.word(operand).store(value, Ordering::Relaxed);
                writes.operands += 1;
            }
            32_000..36_000 => {
                let slot = self.slot(random);
                let mut packet = [0; 8];
                for (index, word) in packet.iter_mut().enumerate() {
                    *word = self.word(slot + 8 * index).load(Ordering::Relaxed);
                }
                if self.kept.len() < KEPT {
                    self.kept.push(packet);
                    return;
                }
                let kept = random.below(KEPT);
                let replayed = std::mem::replace(&mut self.kept[kept], packet);
                let slot = self.slot(random);
                for (index, word) in replayed.into_iter().enumerate() {
                    self.word(slot + 8 * index).store(word, Ordering::Relaxed);
                }
                writes.replayed += 8;
            }
            36_000..37_000 => {
                let counter = match random.below(3) {
                    0 => Some(layout.producer_counter(direction)),
                    1 => Some(layout.consumer_counter(direction)),
                    _ => layout.released(direction),
                };
                if let Some(counter) = counter {
                    let count = layout.count() as u64;
                    let by = [1, count, u64::MAX, count.wrapping_neg(), random.next()];
                    let by = by[random.below(by.len())];
                    self.word(counter).fetch_add(by, Ordering::Relaxed);
                    writes.counters += 1;
                }
            }
            37_000..40_000 => {
                // The rings' headers hold the wait words; the records lie before the rings.
                let at = match random.below(3) {
                    0 => layout.ring(direction) + random.below(384),
                    1 => layout.side(direction, random.below(2) == 0).unwrap_or(128),
                    _ => {
                        let member = Member::new(1 + random.next() as u8 % 8);
                        let role = Role::BOTH[random.below(2)];
                        member
                            .and_then(|member| layout.member(role, member, random.below(2) == 0))
                            .unwrap_or(512)
                            + random.below(64)
                    }
                };
                let value = match random.below(3) {
                    // Statuses that could be: open, closed, of a near epoch.
                    0 => random.below(256) as u32,
                    _ => random.next() as u32,
                };
                self.half(at).store(value, Ordering::Relaxed);
                writes.records += 1;
            }
            40_000..52_000 => {
                let at = layout.buffers(direction) + random.below(layout.count() * layout.size());
                self.line(at, random);
                writes.buffers += LINE as u64;
            }
            _ => {
                // Behind the identity: that has its own share.
                let at = 128 + random.below(layout.len() - 128);
                self.line(at, random);
                writes.random += LINE as u64;
            }
        }
    }
}

/// What a stamp is turned into.
fn worse(stamp: u64, layout: &Layout, random: &mut Random) -> u64 {
    let unit = match layout.format() {
        Format::V1 => 1,
        Format::V2 => 1 << 16,
    };
    let ring = unit * layout.count() as u64;
    match random.below(10) {
        0 => stamp.wrapping_add(unit),
        1 => stamp.wrapping_sub(unit),
        2 => stamp.wrapping_add(ring),
        3 => stamp.wrapping_sub(ring),
        4 => stamp.wrapping_add(unit * random.below(1 << 14) as u64),
        // Another owner, another state or opcode.
        5 => stamp & !0xff00 | (random.next() & 0xff00),
        6 => stamp & !0xff | (random.next() & 0xff),
        7 => stamp & !0xffff | (random.next() & 0xffff),
        8 => 0,
        _ => random.next(),
    }
}

/// A length, an index or an id that is no good.
fn absurd(layout: &Layout, random: &mut Random) -> u64 {
    let size = layout.size() as u64;
    match random.below(9) {
        0 => u64::MAX,
        1 => 1 << 63,
        2 => u64::from(u32::MAX),
        3 => size + 1,
        4 => size.wrapping_mul(layout.count() as u64),
        5 => 0,
        6 => layout.count() as u64,
        7 => random.below(layout.count()) as u64,
        _ => random.next(),
    }
}

/// Writes into all of these regions until `stop`, following their names to new ones.
pub fn scribble(victims: &[Victim], seed: u64, stop: &AtomicBool) -> Writes {
    let mut random = Random::new(seed);
    let mut writes = Writes::default();
    let mut mapped: Vec<Option<Mapped>> = victims.iter().map(Mapped::new).collect();
    let started = Instant::now();
    // Relaxed: only ends the writing.
    while !stop.load(Ordering::Relaxed) {
        for (victim, mapped) in victims.iter().zip(&mut mapped) {
            match mapped {
                Some(region) if region.is_current(victim) => {
                    for _ in 0..TURN {
                        region.write(&mut random, &mut writes);
                    }
                }
                _ => *mapped = Mapped::new(victim),
            }
        }
    }
    writes.took = started.elapsed();
    writes
}
