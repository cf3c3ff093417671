//! What the slots of a ring hold, in either format.

use hqq_core::packet::Packet;
use hqq_core::position::Position;
use hqq_core::ring::stamp::{State, is_released};
use hqq_core::{Direction, Format, Layout};

use super::image::Image;
use super::{Ring, Slot, SlotState};
use crate::error::OpenError;

/// Slots that are read at a time.
const BLOCK: usize = 512;
/// Slots that are kept at most: a damaged region may have many that are not free.
const MOST: usize = 1 << 14;

/// A ring's counters, which its slots are judged by.
struct Counters {
    count: usize,
    producer: Position,
    consumer: Position,
    released: Option<u32>,
}

impl Ring {
    pub(super) fn read(
        image: &Image,
        layout: &Layout,
        direction: Direction,
    ) -> Result<Self, OpenError> {
        let position = match layout.format() {
            Format::V1 => Position::of_format_1,
            Format::V2 => Position::new,
        };
        let released = layout.released(direction);
        let counters = Counters {
            count: layout.count(),
            producer: position(image.word64(layout.producer_counter(direction))?),
            consumer: position(image.word64(layout.consumer_counter(direction))?),
            released: released.map(|offset| image.word32(offset)).transpose()?,
        };
        let mut ring = Self {
            direction,
            producer_counter: counters.producer,
            consumer_counter: counters.consumer,
            published: counters.producer,
            taken: counters.consumer,
            released: counters.released,
            slots: Vec::new(),
            unread: 0,
        };
        let judge = match layout.format() {
            Format::V1 => Counters::judge_sequence,
            Format::V2 => Counters::judge_stamp,
        };
        let slot_len = layout.slot_len();
        let mut block = vec![0; BLOCK.min(counters.count) * slot_len];
        for index in 0..counters.count {
            let within = index % BLOCK;
            if within == 0 {
                let len = (counters.count - index).min(BLOCK) * slot_len;
                block.truncate(len);
                image.read(layout.slots(direction) + index * slot_len, &mut block)?;
            }
            let slot = block.get(within * slot_len..).unwrap_or_default();
            let (chunks, _) = slot.as_chunks::<8>();
            let mut words = [0; 9];
            for (word, chunk) in words.iter_mut().zip(chunks) {
                *word = u64::from_le_bytes(*chunk);
            }
            let [mut words @ .., sequence] = words;
            let stamp = match layout.format() {
                Format::V1 => sequence,
                Format::V2 => words[0],
            };
            if layout.format() == Format::V2 {
                words[0] &= 0xff;
            }
            let (state, unread) = judge(&counters, index, stamp);
            ring.note(counters.count, state);
            ring.unread += usize::from(unread);
            let packet = match state {
                SlotState::Free(_) => continue,
                SlotState::Published(_) | SlotState::Reading(..) => Some(Packet::decode(words)),
                SlotState::Writing(..) | SlotState::Unknown => None,
            };
            if ring.slots.len() == MOST {
                continue;
            }
            ring.slots.push(Slot {
                index,
                stamp,
                state,
                packet,
            });
        }
        Ok(ring)
    }
}

impl Ring {
    /// Takes a slot into account for how far producers and consumers have come, behind whom their counters may be.
    fn note(&mut self, count: usize, state: SlotState) {
        let (published, taken) = match state {
            // A lap before, it was published and released; at first nothing was.
            SlotState::Free(at) if at.get() >= count as u64 => {
                let next = at.minus(count).plus(1);
                (next, Some(next))
            }
            SlotState::Reading(at, _) => (at.plus(1), Some(at.plus(1))),
            SlotState::Published(at) => (at.plus(1), None),
            _ => return,
        };
        if published.since(self.published) > 0 {
            self.published = published;
        }
        if let Some(taken) = taken
            && taken.since(self.taken) > 0
        {
            self.taken = taken;
        }
    }
}

impl Counters {
    /// What a stamp of format 2 says, and whether its packet is unread.
    fn judge_stamp(&self, _: usize, stamp: u64) -> (SlotState, bool) {
        let released = self.released.unwrap_or_default();
        match State::of(stamp) {
            State::Free(at) => (SlotState::Free(at), false),
            State::Writing(at, member) => (SlotState::Writing(at, Some(member)), false),
            State::Published(at, _) if is_released(at.plus(self.count), released, self.count) => {
                (SlotState::Free(at.plus(self.count)), false)
            }
            State::Published(at, _) => (SlotState::Published(at), at.since(self.consumer) >= 0),
            State::Reading(at, member, _) => (SlotState::Reading(at, Some(member)), true),
            State::Unknown(_) => (SlotState::Unknown, false),
        }
    }

    /// What a sequence of format 1 says, and whether its packet is unread. Producers that claimed a
    /// slot, and consumers that read one, left no mark: only the counters tell.
    fn judge_sequence(&self, index: usize, sequence: u64) -> (SlotState, bool) {
        let position = Position::of_format_1;
        let is_before =
            |at: u64, counter: Position| at.wrapping_sub(counter.get()).cast_signed() < 0;
        let before = sequence.wrapping_sub(1);
        if position(sequence).index(self.count) == index {
            let at = position(sequence);
            if is_before(sequence, self.producer) {
                (SlotState::Writing(at, None), false)
            } else {
                (SlotState::Free(at), false)
            }
        } else if position(before).index(self.count) == index {
            let at = position(before);
            if is_before(before, self.consumer) {
                (SlotState::Reading(at, None), true)
            } else {
                (SlotState::Published(at), true)
            }
        } else {
            (SlotState::Unknown, false)
        }
    }
}
