//! One ring of format 2: its header, and the slots and buffers that a position falls into.

use super::{Buffer, Buffers, Part, Region, Slot};
use crate::layout::{Direction, Format, Geometry, LINE, Layout, ring};
use crate::position::Position;
use crate::sync::ordering::Ordering;
use crate::sync::{Counter, SharedU32};

/// One ring of format 2 with its buffers.
///
/// # Invariants
/// The ring's header, from the start of `part` on, and as many slots as there are buffers, from
/// `ring::SLOTS` on, lie inside the region.
#[derive(Clone)]
pub(crate) struct RingMemory<G> {
    buffers: Buffers<G>,
    pub(super) part: Part,
}

impl<G: Geometry> RingMemory<G> {
    /// The ring of `direction`; `None` where `layout` is larger than the region, or not of this
    /// geometry or of format 2.
    // Always: nothing of it is left where the compiler knows the layout.
    #[inline(always)]
    pub(crate) fn new(region: &Region, layout: &Layout, direction: Direction) -> Option<Self> {
        if layout.format() != Format::V2 {
            return None;
        }
        Some(Self {
            buffers: Buffers::new(region, layout, direction)?,
            part: Part::new(region, layout.ring(direction))?,
        })
    }

    /// The buffers beside the ring.
    #[inline]
    pub(crate) fn buffers(&self) -> &Buffers<G> {
        &self.buffers
    }

    /// Slots in the ring, a power of two.
    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.buffers.count()
    }

    /// `w`, the producers' claim counter.
    #[inline]
    pub(crate) fn w(&self) -> &Counter {
        // SAFETY: the header lies inside the region.
        unsafe { self.part.counter(ring::W) }
    }

    /// `r`, the consumers' claim counter.
    #[inline]
    pub(crate) fn r(&self) -> &Counter {
        // SAFETY: the header lies inside the region.
        unsafe { self.part.counter(ring::R) }
    }

    /// `taken`, how many messages of the packet at `r` were received, with the low half
    /// of that position above it.
    #[inline]
    pub(crate) fn taken(&self) -> &SharedU32 {
        // SAFETY: the header lies inside the region.
        unsafe { self.part.word32(ring::TAKEN) }
    }

    /// `released`, the low 32 bits of a position.
    #[inline]
    pub(crate) fn released(&self) -> &SharedU32 {
        // SAFETY: the header lies inside the region.
        unsafe { self.part.word32(ring::RELEASED) }
    }

    /// The flag that a sleeper on one side sets: whoever moves the ring on for that side looks at it.
    #[inline]
    pub(crate) fn sleeping(&self, consumer: bool) -> &SharedU32 {
        let words = if consumer {
            ring::CONSUMERS_WAIT
        } else {
            ring::PRODUCERS_WAIT
        };
        // SAFETY: the header lies inside the region; wait words are 32-bit words.
        unsafe { self.part.word32(words) }
    }

    /// Zeroes what the header has besides the counters: the wait words and what is reserved.
    pub(crate) fn clear_header(&self) {
        let counters = [ring::W, ring::W + 4, ring::R, ring::R + 4, ring::RELEASED];
        // Where counters are made of 32-bit words as well, this does no harm to them: they are set later.
        let halves = cfg!(not(all(target_has_atomic = "64", not(hqq_narrow))));
        for offset in (0..ring::SLOTS).step_by(4) {
            if halves || !counters.contains(&offset) {
                // SAFETY: the header lies inside the region; besides its counters it is made of
                // 32-bit words.
                let word = unsafe { self.part.word32(offset) };
                // Relaxed: published by the region's state.
                word.store(0, Ordering::Relaxed);
            }
        }
    }

    /// The slot that `position` falls into.
    #[inline]
    pub(crate) fn slot(&self, position: Position) -> Slot<'_> {
        self.place(position).0
    }

    /// The slot that `position` falls into, and the first cache line of its buffer; `None` where
    /// buffers are shorter.
    #[inline]
    pub(crate) fn line(&self, position: Position) -> Option<(Slot<'_>, Buffer<'_>)> {
        let (slot, buffer) = self.place(position);
        // A length that the compiler knows: whoever checks against it as well does so for nothing.
        (buffer.len >= LINE).then_some((
            slot,
            Buffer {
                len: LINE,
                ..buffer
            },
        ))
    }

    /// The slot at this offset from the first.
    ///
    /// It is one of this ring: only for [`Walk`](super::Walk), which knows that.
    #[cfg(target_pointer_width = "64")]
    #[inline]
    pub(super) fn slot_at(&self, offset: usize) -> Slot<'_> {
        Slot {
            part: self.part.view(),
            offset: ring::SLOTS + offset,
        }
    }

    /// The slot that `position` falls into, and its buffer.
    #[inline]
    pub(crate) fn place(&self, position: Position) -> (Slot<'_>, Buffer<'_>) {
        self.place_at(self.buffers.index(position))
    }

    /// As [`RingMemory::place`], of the position `count` further on.
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    #[inline]
    pub(crate) fn place_after(&self, position: Position, count: usize) -> (Slot<'_>, Buffer<'_>) {
        // Not by way of that position: that it wraps around makes no difference here.
        self.place_at(self.buffers.index_after(position, count))
    }

    #[inline]
    fn place_at(&self, index: usize) -> (Slot<'_>, Buffer<'_>) {
        let slot = Slot {
            part: self.part.view(),
            offset: ring::SLOTS + index * LINE,
        };
        (slot, self.buffers.at_index(index))
    }
}
