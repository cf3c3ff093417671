//! What is put into a ring, or taken out of it, in very few steps.

use crate::layout::Geometry;
use crate::position::Position;
use crate::region::{Buffer, RingMemory, Slot, Walk};

/// What [`Producer::put_quickly`](super::Producer::put_quickly) did.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// Nothing: its few steps did not do, or nothing was filled in.
    Not,
    /// A packet was published.
    Done,
    /// A packet was published, and a consumer sleeps that [`Producer::wake`](super::Producer::wake)
    /// has to wake.
    ToSleeper,
}

/// What [`Consumer::take_quickly`](super::Consumer::take_quickly) left undone.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed<O> {
    /// Nothing was claimed, which does not say that nothing is there.
    Unclaimed,
    /// The next packet was claimed, at the position that
    /// [`Consumer::last_claimed`](super::Consumer::last_claimed) says; these are its operands.
    Claimed(O),
}

/// What was left undone of a packet with the message inside: by [`Consumer::take_word`](super::Consumer::take_word), or
/// beside others by [`Consumer::take_quickly`](super::Consumer::take_quickly).
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing was claimed, which does not say that nothing is there.
    Unclaimed,
    /// No packet is there, and the producers know how far this side has come.
    Nothing,
    /// Such a packet, but the message inside is no word: so long, it says. It was not claimed, and
    /// [`Consumer::take_inside`](super::Consumer::take_inside) is to do that before anything else is done.
    Inside(u64),
    /// It was claimed, and is not what its packet says, or too long; these are its operands but the first.
    Claimed([u64; 7]),
}

/// The operands of a packet that is put or taken quickly: as many as its kind has.
#[doc(hidden)]
#[allow(
    private_interfaces,
    private_bounds,
    reason = "sealed, for this crate only"
)]
pub trait Operands: Copy + super::Sealed {
    /// Whether packets of this kind have bytes in their buffer.
    const IN_BUFFER: bool = true;

    /// The slot that `position` falls into, and as much of its buffer as is used; `None` where that is
    /// too short.
    fn place<G: Geometry>(
        memory: &RingMemory<G>,
        position: Position,
    ) -> Option<(Slot<'_>, Buffer<'_>)>;

    /// The same, of the place that a walk has come to.
    fn here<G: Geometry>(walk: &Walk<G>) -> Option<(Slot<'_>, Buffer<'_>)>;

    /// Writes them, each once.
    fn store(self, slot: Slot<'_>);

    /// Reads them, each once.
    fn load(slot: Slot<'_>) -> Self;
}

/// The first alone, of messages of any length.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct InBuffer(pub(crate) u64);

/// All of them, of a message that is in its packet; the first is not read.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct InPacket(pub(crate) [u64; 7]);

impl super::Sealed for InBuffer {}
impl super::Sealed for InPacket {}
impl super::Sealed for u64 {}
impl super::Sealed for [u64; 7] {}

/// The first alone, of messages up to a cache line.
#[allow(
    private_interfaces,
    private_bounds,
    reason = "sealed, for this crate only"
)]
impl Operands for u64 {
    #[inline]
    fn place<G: Geometry>(
        memory: &RingMemory<G>,
        position: Position,
    ) -> Option<(Slot<'_>, Buffer<'_>)> {
        memory.line(position)
    }

    #[inline]
    fn here<G: Geometry>(walk: &Walk<G>) -> Option<(Slot<'_>, Buffer<'_>)> {
        walk.line_here()
    }

    #[inline]
    fn store(self, slot: Slot<'_>) {
        slot.store_first_operand(self);
    }

    #[inline]
    fn load(slot: Slot<'_>) -> Self {
        slot.load_operand(0)
    }
}

/// All of them, with the whole buffer.
#[allow(
    private_interfaces,
    private_bounds,
    reason = "sealed, for this crate only"
)]
impl Operands for [u64; 7] {
    #[inline]
    fn place<G: Geometry>(
        memory: &RingMemory<G>,
        position: Position,
    ) -> Option<(Slot<'_>, Buffer<'_>)> {
        Some(memory.place(position))
    }

    #[inline]
    fn here<G: Geometry>(walk: &Walk<G>) -> Option<(Slot<'_>, Buffer<'_>)> {
        walk.here()
    }

    #[inline]
    fn store(self, slot: Slot<'_>) {
        slot.store_operands(&self);
    }

    #[inline]
    fn load(slot: Slot<'_>) -> Self {
        slot.load_operands::<0>()
    }
}

#[allow(
    private_interfaces,
    private_bounds,
    reason = "sealed, for this crate only"
)]
impl Operands for InBuffer {
    #[inline]
    fn place<G: Geometry>(
        memory: &RingMemory<G>,
        position: Position,
    ) -> Option<(Slot<'_>, Buffer<'_>)> {
        Some(memory.place(position))
    }

    #[inline]
    fn here<G: Geometry>(walk: &Walk<G>) -> Option<(Slot<'_>, Buffer<'_>)> {
        walk.here()
    }

    #[inline]
    fn store(self, slot: Slot<'_>) {
        slot.store_first_operand(self.0);
    }

    #[inline]
    fn load(slot: Slot<'_>) -> Self {
        Self(slot.load_operand(0))
    }
}

#[allow(
    private_interfaces,
    private_bounds,
    reason = "sealed, for this crate only"
)]
impl Operands for InPacket {
    const IN_BUFFER: bool = false;

    #[inline]
    fn place<G: Geometry>(
        memory: &RingMemory<G>,
        position: Position,
    ) -> Option<(Slot<'_>, Buffer<'_>)> {
        Some(memory.place(position))
    }

    #[inline]
    fn here<G: Geometry>(walk: &Walk<G>) -> Option<(Slot<'_>, Buffer<'_>)> {
        walk.here()
    }

    #[inline]
    fn store(self, slot: Slot<'_>) {
        slot.store_operands(&self.0);
    }

    #[inline]
    fn load(slot: Slot<'_>) -> Self {
        Self(slot.load_operands::<1>())
    }
}
