//! A ring of format 1 with accessors that cannot leave the region.

use super::{Buffers, Part, Region, Slot};
use crate::layout::format1::{SEQUENCE, SLOT_LEN, ring};
use crate::layout::{Direction, Format, Geometry, Layout};
use crate::position::Position;
use crate::sync::{Counter, Stamp};

/// One ring of format 1 with its buffers.
///
/// # Invariants
/// The ring's header, from the start of `part` on, and as many slots as there are buffers, from
/// `ring::SLOTS` on, lie inside the region.
#[derive(Clone)]
pub(crate) struct Format1Memory<G> {
    buffers: Buffers<G>,
    part: Part,
}

/// The words of a ring that are written once, when it is initialised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RingHeader {
    pub(crate) magic: u64,
    pub(crate) size: u64,
    pub(crate) flags: u64,
}

impl<G: Geometry> Format1Memory<G> {
    /// The ring of `direction`; `None` where `layout` is larger than the region, or not of this
    /// geometry or of format 1.
    pub(crate) fn new(region: &Region, layout: &Layout, direction: Direction) -> Option<Self> {
        if layout.format() != Format::V1 {
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

    /// `w`, the producers' counter.
    #[inline]
    pub(crate) fn w(&self) -> &Counter {
        // SAFETY: the header lies inside the region.
        unsafe { self.part.counter(ring::W) }
    }

    /// `r`, the consumers' counter.
    #[inline]
    pub(crate) fn r(&self) -> &Counter {
        // SAFETY: the header lies inside the region.
        unsafe { self.part.counter(ring::R) }
    }

    /// What the header says.
    pub(crate) fn header(&self) -> RingHeader {
        let word = |offset| {
            // SAFETY: the header lies inside the region; what is asked for are its plain words.
            let word = unsafe { self.part.data(offset) };
            u64::from_le(word.load())
        };
        RingHeader {
            magic: word(ring::MAGIC),
            size: word(ring::SIZE),
            flags: word(ring::FLAGS),
        }
    }

    /// Writes the header; the counters have words of their own.
    pub(crate) fn set_header(&self, header: RingHeader) {
        let RingHeader { magic, size, flags } = header;
        for (offset, value) in [
            (ring::MAGIC, magic),
            (ring::SIZE, size),
            (ring::FLAGS, flags),
        ] {
            // SAFETY: as in `header`.
            let word = unsafe { self.part.data(offset) };
            word.store(value.to_le());
        }
    }

    /// Asks for the packet and the start of the buffer at `position`, which another core wrote.
    ///
    /// Where in a buffer a copy ends depends on the packet, so that without this a core waits for
    /// one line after the other.
    #[inline]
    pub(crate) fn prefetch(&self, position: Position) {
        #[cfg(not(loom))]
        {
            let Slot { part, offset } = self.slot(position).0;
            // SAFETY: a slot inside the region, by the invariant.
            super::bytes::prefetch(unsafe { part.at(offset) });
            super::bytes::prefetch(self.buffers.at(position).as_ptr());
        }
        #[cfg(loom)]
        let _ = position;
    }

    /// The slot that `position` falls into.
    #[inline]
    pub(crate) fn slot(&self, position: Position) -> Format1Slot<'_> {
        Format1Slot(Slot {
            part: self.part.view(),
            offset: ring::SLOTS + self.buffers.index(position) * SLOT_LEN,
        })
    }
}

/// One slot: a packet of eight words, then its sequence.
///
/// # Invariants
/// That of a slot of format 1, of which 72 bytes lie inside the region.
#[derive(Clone, Copy)]
pub(crate) struct Format1Slot<'a>(Slot<'a>);

impl<'a> Format1Slot<'a> {
    /// The sequence.
    #[inline]
    pub(crate) fn sequence(self) -> &'a Stamp {
        // SAFETY: a slot inside the region, by the invariant; this word is only ever used as a
        // whole, like a stamp.
        unsafe { self.0.part.stamp(self.0.offset + SEQUENCE) }
    }

    /// Writes the packet.
    #[inline]
    pub(crate) fn store(self, header: u64, operands: &[u64; 7]) {
        // SAFETY: word 0 of a slot inside the region, plain data in format 1.
        let word = unsafe { self.0.part.data(self.0.offset) };
        word.store(header.to_le());
        self.0.store_operands(operands);
    }

    /// Reads word 0.
    #[inline]
    pub(crate) fn load_header(self) -> u64 {
        // SAFETY: word 0 of a slot inside the region, plain data in format 1.
        let word = unsafe { self.0.part.data(self.0.offset) };
        u64::from_le(word.load())
    }

    /// As [`Slot::load_operand`].
    #[inline]
    pub(crate) fn load_operand(self, index: usize) -> u64 {
        self.0.load_operand(index)
    }

    /// As [`Slot::load_operands`].
    #[inline]
    pub(crate) fn load_operands<const FROM: usize>(self) -> [u64; 7] {
        self.0.load_operands::<FROM>()
    }
}
