//! A region in a loom build: one word object for each word that a layout has.

use core::fmt;
use std::sync::Arc;

use super::Part;
use crate::layout::{
    Direction, Format, IDENTITY, IDENTITY_LEN, LINE, Layout, SIDES, format1, ring,
};
use crate::sync::{Counter, DataWord, SharedU32, Stamp};

const WORD: usize = 8;

/// Eight bytes, as what the layout says they are.
enum Word {
    Halves([SharedU32; 2]),
    Stamp(Stamp),
    Counter(Counter),
    Data(DataWord),
}

/// Bytes shared with a peer, for loom to explore; a clone is another handle to the same ones.
///
/// Made and used inside one execution of a model.
#[derive(Clone)]
pub struct Region {
    words: Arc<[Word]>,
    /// Where this one starts, in bytes: 0 but for parts.
    start: usize,
}

// SAFETY: all words but `DataWord` are atomics or made of them; loom fails the model when two
// threads reach a `DataWord` without an order between them.
unsafe impl Send for Region {}
// SAFETY: as for Send.
unsafe impl Sync for Region {}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Region")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl Region {
    /// A region of zeros with a word for everything in `layout`.
    ///
    /// Modelled are stamps, `w`, `r`, `released`, the wait words, the sides' status, the identity,
    /// operands and buffers; in format 1 sequences and the rings' headers. Member records are not:
    /// only calls that the caller serialises use them.
    #[must_use]
    pub fn model(layout: &Layout) -> Self {
        Self {
            words: (0..layout.len() / WORD)
                .map(|index| Word::new(layout, index * WORD))
                .collect(),
            start: 0,
        }
    }

    /// Bytes in the region.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a region is never empty")]
    pub fn len(&self) -> usize {
        self.words.len() * WORD - self.start
    }

    /// What lies from `offset` on.
    ///
    /// # Safety
    /// As in other builds; here a wrong offset panics.
    pub(super) unsafe fn part_from(&self, offset: usize) -> Part {
        Part(Self {
            words: Arc::clone(&self.words),
            start: self.start + offset,
        })
    }

    fn word(&self, offset: usize) -> &Word {
        &self.words[(self.start + offset) / WORD]
    }

    /// The 32-bit word at `offset`.
    ///
    /// # Safety
    /// As in other builds; here a wrong offset panics.
    pub(super) unsafe fn word32(&self, offset: usize) -> &SharedU32 {
        match self.word(offset) {
            Word::Halves(halves) => &halves[offset % WORD / 4],
            _ => unreachable!("no 32-bit word at {offset}"),
        }
    }

    /// The stamp at `offset`.
    ///
    /// # Safety
    /// As in other builds; here a wrong offset panics.
    pub(super) unsafe fn stamp(&self, offset: usize) -> &Stamp {
        match self.word(offset) {
            Word::Stamp(stamp) => stamp,
            _ => unreachable!("no stamp at {offset}"),
        }
    }

    /// The claim counter at `offset`.
    ///
    /// # Safety
    /// As in other builds; here a wrong offset panics.
    pub(super) unsafe fn counter(&self, offset: usize) -> &Counter {
        match self.word(offset) {
            Word::Counter(counter) => counter,
            _ => unreachable!("no claim counter at {offset}"),
        }
    }

    /// The operand or eight bytes of payload at `offset`.
    ///
    /// # Safety
    /// As in other builds; here a wrong offset panics.
    pub(super) unsafe fn data(&self, offset: usize) -> &DataWord {
        self.data_word(offset)
    }

    /// Copies `from` to the bytes from `offset` on, in a buffer that this side has claimed.
    pub(super) fn copy_in(&self, offset: usize, from: &[u8]) {
        let mut rest = from;
        let mut at = offset;
        while !rest.is_empty() {
            let word = self.data_word(at);
            let into = at % WORD;
            let (bytes, tail) = rest.split_at(rest.len().min(WORD - into));
            let mut merged = if bytes.len() < WORD {
                word.load().to_ne_bytes()
            } else {
                [0; WORD]
            };
            merged[into..into + bytes.len()].copy_from_slice(bytes);
            word.store(u64::from_ne_bytes(merged));
            at += bytes.len();
            rest = tail;
        }
    }

    /// Copies the bytes from `offset` on, in a buffer that this side has claimed, into `to`.
    pub(super) fn copy_out(&self, offset: usize, to: &mut [u8]) {
        let mut rest = to;
        let mut at = offset;
        while !rest.is_empty() {
            let into = at % WORD;
            let (bytes, tail) = rest.split_at_mut((WORD - into).min(rest.len()));
            let loaded = self.data_word(at).load().to_ne_bytes();
            bytes.copy_from_slice(&loaded[into..into + bytes.len()]);
            at += bytes.len();
            rest = tail;
        }
    }

    fn data_word(&self, offset: usize) -> &DataWord {
        match self.word(offset) {
            Word::Data(data) => data,
            _ => unreachable!("no data at {offset}"),
        }
    }
}

/// As `raw::Rover`.
#[derive(Debug)]
pub(super) struct Rover(Part);

impl Part {
    pub(super) fn rover(&self, offset: usize) -> Rover {
        Rover(Part(Region {
            words: Arc::clone(&self.words),
            start: self.start + offset,
        }))
    }
}

impl Rover {
    pub(super) fn step(&mut self, bytes: usize) {
        self.0.0.start += bytes;
    }

    /// The part here.
    ///
    /// # Safety
    /// As in other builds; here a wrong place panics.
    pub(super) unsafe fn view(&self, _: usize) -> &Part {
        &self.0
    }
}

impl Word {
    /// The word that `layout` has at `offset`.
    fn new(layout: &Layout, offset: usize) -> Self {
        if (IDENTITY..IDENTITY + IDENTITY_LEN).contains(&offset) {
            return Self::Halves([SharedU32::modelled(), SharedU32::modelled()]);
        }
        let is_side = (0..2 * Direction::BOTH.len()).any(|side| offset == SIDES + side * LINE);
        if is_side && layout.format() == Format::V2 {
            return Self::Halves([SharedU32::modelled(), SharedU32::plain()]);
        }
        Direction::BOTH
            .into_iter()
            .find_map(|direction| Self::of_ring(layout, direction, offset))
            .unwrap_or_else(|| Self::Halves([SharedU32::plain(), SharedU32::plain()]))
    }

    /// The word at `offset` where that lies in the ring of `direction` or in its buffers.
    fn of_ring(layout: &Layout, direction: Direction, offset: usize) -> Option<Self> {
        let buffers = layout.buffers(direction);
        if (buffers..buffers + layout.count() * layout.size()).contains(&offset) {
            return Some(Self::Data(DataWord::default()));
        }
        let within = offset.checked_sub(layout.ring(direction))?;
        match layout.format() {
            Format::V1 => Self::of_format_1_ring(layout, within),
            Format::V2 => Self::of_format_2_ring(layout, within),
        }
    }

    /// The word `within` bytes into a ring of format 1, or behind it.
    fn of_format_1_ring(layout: &Layout, within: usize) -> Option<Self> {
        match within {
            format1::ring::W | format1::ring::R => return Some(Self::Counter(Counter::default())),
            format1::ring::MAGIC | format1::ring::SIZE | format1::ring::FLAGS => {
                return Some(Self::Data(DataWord::default()));
            }
            _ => {}
        }
        let slots = within.checked_sub(format1::ring::SLOTS)?;
        if slots >= layout.count() * format1::SLOT_LEN {
            return None;
        }
        Some(if slots % format1::SLOT_LEN == format1::SEQUENCE {
            Self::Stamp(Stamp::default())
        } else {
            Self::Data(DataWord::default())
        })
    }

    /// The word `within` bytes into a ring of format 2, or behind it.
    fn of_format_2_ring(layout: &Layout, within: usize) -> Option<Self> {
        let slots = ring::SLOTS..ring::SLOTS + layout.count() * LINE;
        match within {
            ring::W | ring::R => Some(Self::Counter(Counter::default())),
            ring::PRODUCERS_WAIT | ring::CONSUMERS_WAIT => {
                Some(Self::Halves([SharedU32::modelled(), SharedU32::modelled()]))
            }
            ring::RELEASED => Some(Self::Halves([SharedU32::modelled(), SharedU32::plain()])),
            _ if slots.contains(&within) && within.is_multiple_of(LINE) => {
                Some(Self::Stamp(Stamp::default()))
            }
            _ if slots.contains(&within) => Some(Self::Data(DataWord::default())),
            _ => None,
        }
    }
}
