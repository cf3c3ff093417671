//! The bytes of a region, watched on both sides, and changed as a peer would.

use std::alloc;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use hqq_core::ring::stamp::State;
use hqq_core::superblock::{MAGIC, STATE_READY, VERSION};
use hqq_core::{Delivery, Direction, InitOptions, Layout, Member, Position, Region, RegionError};

use crate::input::{IdentityPlan, RegionPlan, Rings};
use crate::scribble::{CounterName, PacketOpcode, Scribble, SlotPlace, StampState};

const ALIGNMENT: usize = 64;
const CANARY: u8 = 0xc5;

/// Offsets of PROTOCOL.md, "Superblock", that hqq-core does not give out.
const IDENTITY_LEN: usize = 128;
const STATE: usize = 8;
const CHECKSUM: usize = 44;
const SIDES: usize = 128;
const MEMBERS: usize = 512;
const RECORD_LEN: usize = 64;

/// The memory of one region.
///
/// # Invariants
/// `base` is what the allocator gave for `allocation`; the region's `len` bytes start `margin`
/// bytes after it and the canaries fill the `margin` bytes on either side.
pub(crate) struct Memory {
    base: NonNull<u8>,
    allocation: alloc::Layout,
    margin: usize,
    len: usize,
    layout: Layout,
}

impl Memory {
    /// The region that `plan` says.
    pub(crate) fn new(plan: &RegionPlan) -> Self {
        let geometry = &plan.geometry;
        let layout = Layout::new(
            geometry.count(),
            geometry.size(),
            geometry.alignment(),
            geometry.members(),
        )
        .expect("a plan has geometries that a region can have only");
        let len = plan.excess.apply(layout.len());
        let margin = if plan.canaries { ALIGNMENT } else { 0 };
        let allocation = alloc::Layout::from_size_align(margin + len + margin, ALIGNMENT)
            .expect("a few thousand bytes");
        // SAFETY: a region, even a shortened one, has more than no bytes.
        let base = unsafe { alloc::alloc_zeroed(allocation) };
        let Some(base) = NonNull::new(base) else {
            alloc::handle_alloc_error(allocation);
        };
        let memory = Self {
            base,
            allocation,
            margin,
            len,
            layout,
        };
        for at in (0..margin).chain(margin + len..allocation.size()) {
            // SAFETY: inside the allocation.
            let byte = unsafe { memory.base.add(at) };
            // SAFETY: as above; nothing refers to these bytes.
            unsafe { byte.write(CANARY) };
        }
        memory.fill(plan);
        memory
    }

    fn fill(&self, plan: &RegionPlan) {
        self.noise(0, usize::MAX, plan.seed, plan.zeros);
        if !matches!(plan.rings, Rings::Noise)
            && let Ok(region) = self.region()
        {
            let options = InitOptions::new()
                .delivery(plan.delivery())
                .start(plan.start.position());
            // A region that was cut short keeps its noise.
            let _ = hqq_core::initialise(&region, &self.layout, &options);
        }
        if let Rings::Changed(scribbles) = &plan.rings {
            scribbles
                .iter()
                .take(64)
                .for_each(|change| self.scribble(change));
        }
        match plan.identity {
            IdentityPlan::Repaired | IdentityPlan::AlsoRepaired => {
                self.store_identity(&self.identity(plan.delivery()));
            }
            IdentityPlan::Damaged {
                word,
                value,
                checksum_fits,
            } => {
                let mut identity = self.identity(plan.delivery());
                let (words, _) = identity.as_chunks_mut::<4>();
                words[usize::from(word) % (IDENTITY_LEN / 4)] = value.to_le_bytes();
                if checksum_fits {
                    seal(&mut identity);
                }
                self.store_identity(&identity);
            }
            IdentityPlan::Noise => {
                self.noise(0, IDENTITY_LEN / 8, plan.seed ^ 1, plan.zeros);
            }
        }
    }

    /// Another handle to the region.
    pub(crate) fn region(&self) -> Result<Region, RegionError> {
        // SAFETY: the offset is inside the allocation.
        let base = unsafe { self.base.add(self.margin) };
        // SAFETY: `run` drops all regions and links before this memory, which reaches the bytes
        // with atomics of the sizes that PROTOCOL.md gives, and the program has one thread.
        unsafe { Region::from_raw(base, self.len) }
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// That nobody wrote beside the region.
    pub(crate) fn check_canaries(&self) {
        for at in (0..self.margin).chain(self.margin + self.len..self.allocation.size()) {
            // SAFETY: inside the allocation.
            let byte = unsafe { self.base.add(at) };
            // SAFETY: as above; written when the memory was made.
            let found = unsafe { byte.read() };
            assert_eq!(
                found, CANARY,
                "byte {at} beside a region of {} bytes",
                self.len
            );
        }
    }

    /// Does what a peer might.
    pub(crate) fn scribble(&self, scribble: &Scribble) {
        let (count, size) = (self.layout.count(), self.layout.size());
        match scribble {
            Scribble::Stamp {
                at,
                state,
                shift,
                member,
            } => {
                let offset = self.slot(at);
                let here = position_of(State::of(self.load(offset)));
                let position = shift.apply(here, count);
                let member = Member::new(*member).unwrap_or(Member::FIRST);
                let state = match state {
                    StampState::Free => State::Free(position),
                    StampState::Writing => State::Writing(position, member),
                    StampState::Published(opcode) => State::Published(position, byte(*opcode)),
                    StampState::Reading(opcode) => State::Reading(position, member, byte(*opcode)),
                };
                self.store(offset, state.word());
            }
            Scribble::StampWord { at, word } => self.store(self.slot(at), *word),
            Scribble::Operand { at, operand, value } => {
                let word = 1 + usize::from(*operand) % 7;
                self.store(self.slot(at) + 8 * word, value.get(size));
            }
            Scribble::Packet { at, opcode, value } => {
                let offset = self.slot(at);
                let operands = match opcode {
                    PacketOpcode::Run(more) => {
                        let each = value.get(size) / (u64::from(*more) + 1);
                        [u64::from(*more) << 32 | each, 0, 0]
                    }
                    PacketOpcode::Inline | PacketOpcode::Error => [1, value.get(size), 0],
                    _ => [1, 0, value.get(size)],
                };
                for word in 1..8 {
                    let operand = operands.get(word - 1).copied().unwrap_or(0);
                    self.store(offset + 8 * word, operand);
                }
                let here = position_of(State::of(self.load(offset)));
                self.store(offset, State::Published(here, byte(*opcode)).word());
            }
            Scribble::Counter { back, which, shift } => {
                let offset = self.counter(*back, which);
                let here = Position::new(self.load(offset));
                self.store(offset, shift.apply(here, count).get());
            }
            Scribble::CounterWord { back, which, word } => {
                self.store(self.counter(*back, which), *word);
            }
            Scribble::SideStatus { record, status } => {
                let offset = SIDES + usize::from(*record) % 4 * RECORD_LEN;
                self.store(offset, u64::from(*status));
            }
            Scribble::MemberStatus { record, status } => {
                let records = 4 * self.layout.members();
                let offset = MEMBERS + usize::from(*record) % records * RECORD_LEN;
                self.store(offset, u64::from(*status));
            }
            Scribble::IdentityWord { word, value } => {
                let offset = usize::from(*word) % (IDENTITY_LEN / 4) * 4;
                self.store(offset, u64::from(*value));
            }
            Scribble::Word { at, value } => {
                let words = self.len / 8;
                self.store(*at as usize % words * 8, *value);
            }
            Scribble::Noise { at, words, seed } => {
                let from = *at as usize % (self.len / 8);
                self.noise(from, usize::from(*words), *seed, 0);
            }
        }
    }

    /// Fills up to `words` words of eight bytes from word `from` on; `zeros` of eight are zero.
    fn noise(&self, from: usize, words: usize, seed: u64, zeros: u8) {
        let mut state = seed;
        for index in from..from.saturating_add(words).min(self.len / 8) {
            let value = noise(&mut state);
            let is_zero = (value >> 61) < u64::from(zeros % 9);
            let offset = 8 * index;
            let value = if is_zero { 0 } else { value };
            self.store(offset, value);
            if self.is_narrow(offset) {
                self.store(offset + 4, value >> 32);
            }
        }
    }

    /// The first 128 bytes of a region of this layout.
    fn identity(&self, delivery: Delivery) -> [u8; IDENTITY_LEN] {
        let layout = &self.layout;
        let mut bytes = [0; IDENTITY_LEN];
        let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let delivery = match delivery {
            Delivery::AtMostOnce => 0,
            Delivery::AtLeastOnce => 1,
        };
        put(&mut bytes, 0, &MAGIC.to_le_bytes());
        for (at, value) in [
            (STATE, STATE_READY),
            (16, VERSION.0),
            (20, VERSION.1),
            (32, narrow(layout.alignment())),
            (36, narrow(layout.count())),
            (40, narrow(layout.size())),
            (64, narrow(layout.members())),
            (68, delivery),
        ] {
            put(&mut bytes, at, &value.to_le_bytes());
        }
        put(&mut bytes, 48, &(layout.len() as u64).to_le_bytes());
        seal(&mut bytes);
        bytes
    }

    fn store_identity(&self, bytes: &[u8; IDENTITY_LEN]) {
        let (words, _) = bytes.as_chunks::<4>();
        for (index, word) in words.iter().enumerate() {
            self.store(4 * index, u64::from(u32::from_le_bytes(*word)));
        }
    }

    fn slot(&self, at: &SlotPlace) -> usize {
        let index = usize::from(at.index) % self.layout.count();
        self.layout.slots(direction(at.back)) + index * RECORD_LEN
    }

    fn counter(&self, back: bool, which: &CounterName) -> usize {
        let direction = direction(back);
        match which {
            CounterName::W => self.layout.producer_counter(direction),
            CounterName::R => self.layout.consumer_counter(direction),
            CounterName::Released => self.layout.released(direction).unwrap_or(0),
        }
    }

    /// Whether PROTOCOL.md makes the words here 32 bits wide.
    fn is_narrow(&self, offset: usize) -> bool {
        let layout = &self.layout;
        offset < layout.ring(Direction::ToSecondary)
            || Direction::BOTH.into_iter().any(|direction| {
                let in_ring = (layout.ring(direction)..layout.slots(direction)).contains(&offset);
                in_ring
                    && offset != layout.producer_counter(direction)
                    && offset != layout.consumer_counter(direction)
            })
    }

    /// A word of the width it has; 0 past the end of a shortened region.
    fn load(&self, offset: usize) -> u64 {
        if self.is_narrow(offset) {
            self.word32(offset)
                .map_or(0, |word| u64::from(u32::from_le(word.load(Relaxed))))
        } else {
            self.word64(offset)
                .map_or(0, |word| u64::from_le(word.load(Relaxed)))
        }
    }

    /// Stores as much of `value` as the word there is wide; nothing past the region's end.
    fn store(&self, offset: usize, value: u64) {
        if self.is_narrow(offset) {
            if let Some(word) = self.word32(offset) {
                let [a, b, c, d, ..] = value.to_le_bytes();
                word.store(u32::from_ne_bytes([a, b, c, d]), Relaxed);
            }
        } else if let Some(word) = self.word64(offset) {
            word.store(value.to_le(), Relaxed);
        }
    }

    fn word32(&self, offset: usize) -> Option<&AtomicU32> {
        assert!(offset.is_multiple_of(4));
        if offset + 4 > self.len {
            return None;
        }
        // SAFETY: inside the allocation.
        let word = unsafe { self.base.add(self.margin + offset) };
        // SAFETY: the region is aligned to 64, `offset` to 4; the bytes live as long as `self`.
        Some(unsafe { word.cast().as_ref() })
    }

    fn word64(&self, offset: usize) -> Option<&AtomicU64> {
        assert!(offset.is_multiple_of(8));
        if offset + 8 > self.len {
            return None;
        }
        // SAFETY: inside the allocation.
        let word = unsafe { self.base.add(self.margin + offset) };
        // SAFETY: as in `word32`, aligned to 8.
        Some(unsafe { word.cast().as_ref() })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.check_canaries();
        // SAFETY: allocated so, and nothing made from it is left, see `region`.
        unsafe { alloc::dealloc(self.base.as_ptr(), self.allocation) };
    }
}

const fn direction(back: bool) -> Direction {
    if back {
        Direction::ToPrimary
    } else {
        Direction::ToSecondary
    }
}

fn put(bytes: &mut [u8; IDENTITY_LEN], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// Makes the checksum fit: CRC-32 (IEEE) of the identity with `state` and `checksum` as zero.
fn seal(bytes: &mut [u8; IDENTITY_LEN]) {
    let mut plain = *bytes;
    put(&mut plain, STATE, &[0; 4]);
    put(&mut plain, CHECKSUM, &[0; 4]);
    put(bytes, CHECKSUM, &crc32fast::hash(&plain).to_le_bytes());
}

fn position_of(state: State) -> Position {
    match state {
        State::Free(at)
        | State::Writing(at, _)
        | State::Published(at, _)
        | State::Reading(at, ..) => at,
        State::Unknown(word) => Position::new(word >> 16),
    }
}

const fn byte(opcode: PacketOpcode) -> u8 {
    match opcode {
        PacketOpcode::Copy => 0xff,
        PacketOpcode::Run(_) => 0xfc,
        PacketOpcode::Inline => 0xfd,
        PacketOpcode::Tombstone => 0xfe,
        PacketOpcode::Error => 0,
        PacketOpcode::Other(byte) => byte,
    }
}

/// The next of a sequence that looks random (splitmix64).
const fn noise(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut value = *state;
    value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}
