//! The sides of a ring as a link uses them, whatever kind they are.

use super::{Claimed, Corruption, Left, Missed, Obstacle, Operands, Put, Refused};
use crate::counters::Event;
use crate::layout::Geometry;
use crate::member::Member;
use crate::position::Position;
use crate::region::{Buffer, Buffers};
use crate::side::End;

mod sealed {
    pub trait Sealed {}
}
pub(crate) use sealed::Sealed;

/// The producing side of a ring, as a link uses it. Sealed: implemented by the sides of this crate.
pub trait Producer: Sealed {
    /// The geometry of the ring.
    type Geometry: Geometry;

    /// Whether [`Producer::put_quickly`] finds its place by a step from the last one.
    #[doc(hidden)]
    const WALKS: bool = false;

    #[doc(hidden)]
    #[allow(
        private_interfaces,
        private_bounds,
        reason = "sealed, for this crate only"
    )]
    fn buffers(&self) -> &Buffers<Self::Geometry>;

    /// A position whose slot and buffer are this side's until [`Producer::publish`] or
    /// [`Producer::cancel`].
    ///
    /// # Errors
    /// [`Refused`], after at most 2N + 8 steps.
    fn try_claim(&mut self) -> Result<Position, Refused>;

    /// Whether others see what this side has claimed, and wait for it.
    #[doc(hidden)]
    const CLAIMS: bool = true;

    /// Claims a position whose buffer has room for `len` bytes, where they go there: on a side that claims nothing, the one
    /// that [`Producer::try_claim`] would give. Lets `fill`, which does not panic where this side claims, write them (or know
    /// the copy's id) and publishes a packet with this opcode and the operands that `fill` gives: in very few steps and
    /// without a call that comes back.
    #[doc(hidden)]
    #[allow(
        private_interfaces,
        private_bounds,
        reason = "sealed, for this crate only"
    )]
    #[inline]
    fn put_quickly<O: Operands>(
        &mut self,
        opcode: u8,
        len: usize,
        fill: impl FnOnce(Buffer<'_>, u64) -> O,
    ) -> Put
    where
        Self: Sized,
    {
        let _ = (opcode, len, fill);
        Put::Not
    }

    /// Wakes the consumers, after [`Put::ToSleeper`].
    #[doc(hidden)]
    fn wake(&self) {}

    /// Writes the packet, then makes it visible.
    fn publish(&mut self, position: Position, opcode: u8, operands: &[u64; 7]);

    /// As [`Producer::publish`], of a packet that has one operand, the first, and leaves the others
    /// as they are. Not in format 1.
    fn publish_short(&mut self, position: Position, opcode: u8, operand: u64);

    /// Gives a claimed position up: a side that others share publishes the packet given, which
    /// readers skip; an exclusive one had claimed nothing.
    fn cancel(&mut self, position: Position, opcode: u8, operands: &[u64; 7]);

    /// The number of the message that is about to be published at `position`.
    fn copy_id(&mut self, position: Position) -> u64;

    /// Whether packets may carry a message inside, empty ones included.
    fn carries_inline(&self) -> bool;

    /// Packets of this direction that no consumer has finished with, at most the capacity.
    fn unread(&self) -> usize;

    /// Whether the consumers have come and gone; `false` where the format does not tell.
    fn is_peer_closed(&self) -> bool;

    /// Whether the consumers are recorded as dead; `false` where the format does not tell.
    fn is_peer_dead(&self) -> bool;

    /// Whether several messages may share a packet: the format has runs, and the consumer is one that
    /// nobody shares its side with, so that the rest of a run it leaves behind finds its way to the
    /// next one.
    fn may_send_runs(&self) -> bool;

    /// Whether a consumer is attached now; `true` where the format does not tell.
    fn is_peer_open(&self) -> bool;

    /// Who has claimed the slot that comes next; `None` where nobody has, or the format does not
    /// tell.
    fn obstacle(&self) -> Option<Obstacle>;

    /// T8: takes back packets that no consumer has claimed, those that `retraction` chooses; it is
    /// told, with `true`, of each that was. No consumer lives, or comes until this returns, and no other
    /// thread uses this side. Does nothing on a side that others may share.
    fn retract(&mut self, retraction: &mut dyn FnMut(u8, &[u64; 7], bool) -> bool) -> usize {
        let _ = retraction;
        0
    }

    /// Whether [`Producer::try_claim`] would find room now.
    fn has_room(&self) -> bool;

    /// What stands in the way, where no rule explains it.
    fn corruption(&self) -> Option<Corruption>;

    #[doc(hidden)]
    #[allow(
        private_interfaces,
        private_bounds,
        reason = "sealed, for this crate only"
    )]
    fn count(&mut self, event: Event);

    /// What this side has counted.
    fn counters(&self) -> crate::Counters;

    /// Records in the region how long calls over this side and back take, in nanoseconds: the median and the
    /// 99th percentile. Nothing where the format has no room for it.
    #[doc(hidden)]
    fn record_latency(&self, latency: [u32; 2]) {
        let _ = latency;
    }

    /// Runs `task` on the side: where it is one of several kinds, on what it is, found out once.
    #[doc(hidden)]
    #[inline(always)]
    fn with<T: ProducerTask>(&mut self, task: T) -> T::Output
    where
        Self: Sized,
    {
        task.run(self)
    }
}

/// Something to do with a producing side, whatever kind it is.
#[doc(hidden)]
pub trait ProducerTask {
    type Output;
    fn run<P: Producer>(self, side: &mut P) -> Self::Output;
}

/// Something to do with a consuming side, whatever kind it is.
#[doc(hidden)]
pub trait ConsumerTask {
    type Output;
    fn run<C: Consumer>(self, side: &mut C) -> Self::Output;
}

/// The consuming side of a ring, as a link uses it. Sealed: implemented by the sides of this crate.
pub trait Consumer: Sealed {
    /// The geometry of the ring.
    type Geometry: Geometry;

    /// Whether the side finds its place by a step from the last one.
    #[doc(hidden)]
    const WALKS: bool = false;

    #[doc(hidden)]
    #[allow(
        private_interfaces,
        private_bounds,
        reason = "sealed, for this crate only"
    )]
    fn buffers(&self) -> &Buffers<Self::Geometry>;

    /// A packet that is this side's until [`Consumer::release`].
    ///
    /// # Errors
    /// [`Refused`], after at most 2N + 8 steps.
    fn try_claim(&mut self) -> Result<Claimed, Refused>;

    /// Claims the next packet where it has this opcode and is not in doubt, hands its buffer and its
    /// operands to `take` and releases it: in very few steps and without a call that comes back. Nothing
    /// while a packet is claimed and not released.
    ///
    /// Should `take` panic, [`Consumer::recover`] comes before all else.
    ///
    /// # Errors
    /// [`Missed`] where these few did not do, or `take` gave nothing.
    #[doc(hidden)]
    #[allow(
        private_interfaces,
        private_bounds,
        reason = "sealed, for this crate only"
    )]
    #[inline]
    fn take_quickly<O: Operands, T>(
        &mut self,
        opcode: u8,
        take: impl FnOnce(Buffer<'_>, &O) -> Option<T>,
    ) -> Result<T, Missed<O>>
    where
        Self: Sized,
    {
        let _ = (opcode, take);
        Err(Missed::Unclaimed)
    }

    /// As [`Consumer::take_quickly`], of a packet with this opcode that says that the message inside is a word; `take`
    /// gets its operands but the first.
    ///
    /// # Errors
    /// [`Left`]
    #[doc(hidden)]
    #[inline]
    fn take_word<T>(
        &mut self,
        opcode: u8,
        take: impl FnOnce(&[u64; 7]) -> Option<T>,
    ) -> Result<T, Left>
    where
        Self: Sized,
    {
        let _ = (opcode, take);
        Err(Left::Unclaimed)
    }

    /// Claims the packet of [`Left::Inside`], which it has to come after, hands its operands but the first to `take`
    /// and releases it.
    ///
    /// # Errors
    /// As [`Consumer::take_quickly`].
    #[doc(hidden)]
    #[inline]
    fn take_inside<T>(
        &mut self,
        size: u64,
        take: impl FnOnce(&[u64; 7]) -> Option<T>,
    ) -> Result<T, Missed<[u64; 7]>>
    where
        Self: Sized,
    {
        let _ = (size, take);
        Err(Missed::Unclaimed)
    }

    /// After [`Left::Nothing`]: whether nothing is to be done about it, as the producers have not ended. Counts it,
    /// where it is the first look of a call, and nothing where that is due to be recorded.
    #[doc(hidden)]
    fn is_idle(&mut self, first: bool) -> bool {
        let _ = first;
        false
    }

    /// Claims the next packet, as [`Consumer::take_quickly`] does, for [`Consumer::release`]: its position and
    /// its operands. `None` where these few steps did not do.
    #[doc(hidden)]
    #[inline]
    fn claim_quickly<O: Operands>(&mut self, opcode: u8) -> Option<(Position, O)>
    where
        Self: Sized,
    {
        let _ = opcode;
        None
    }

    /// Nothing is there after [`Consumer::claim_quickly`], and nobody has what was claimed: releases what never
    /// was, and says whether there was such.
    #[doc(hidden)]
    fn catch_up(&mut self) -> bool {
        false
    }

    /// The position that [`Consumer::take_quickly`] claimed last; not for sides that never do.
    #[doc(hidden)]
    fn last_claimed(&self) -> Position {
        Position::default()
    }

    /// Whether the packet at `position` was claimed last and not released, also by a look that found nothing
    /// after it; not for sides that claim nothing so.
    #[doc(hidden)]
    fn is_claimed(&self, position: Position) -> bool {
        let _ = position;
        false
    }

    /// The operands of a claimed packet from number `FROM` on, each read once; zeros before it.
    fn operands<const FROM: usize>(&self, position: Position) -> [u64; 7];

    /// One operand of a claimed packet, read once; the last one for an index past it.
    fn operand(&self, position: Position, index: usize) -> u64;

    /// Gives slot and buffer back to the producers.
    fn release(&mut self, position: Position);

    /// [`Consumer::take_quickly`] ended in a panic of `take`: that packet is gone, and this side goes on after it.
    #[doc(hidden)]
    fn recover(&mut self) {}

    /// A message of `len` bytes was received from the buffer of `position`: whether the next one is there may be looked
    /// at, and its bytes asked for, which the caller does something else before it takes.
    #[doc(hidden)]
    #[inline]
    fn look_ahead(&self, position: Position, len: usize) {
        let _ = (position, len);
    }

    /// Undoes [`Consumer::try_claim`] where that is possible, except for the first `taken` messages
    /// of the packet: an exclusive side can. One that others share leaves it to others where nothing of it was
    /// taken and messages are delivered at least once, and releases it otherwise.
    fn unclaim(&mut self, position: Position, taken: u16);

    /// Whether packets may carry a message inside, empty ones included.
    fn carries_inline(&self) -> bool;

    /// How the producers have ended, where nothing is left and nothing will come: they closed or
    /// died, and then neither a packet nor one being read was found (C1). `None` also where the
    /// format does not tell.
    fn end(&mut self) -> Option<End>;

    /// T7: claims a message, as in doubt, that a consumer of this side was reading which is dead, as
    /// `is_dead` knows; the caller keeps it so until this returns. `None` also on a side that nobody
    /// shares.
    fn take_over(&mut self, is_dead: &mut dyn FnMut(Member) -> bool) -> Option<Claimed>;

    /// Who has claimed the slot that comes next; `None` where nobody has, or the format does not
    /// tell.
    fn obstacle(&self) -> Option<Obstacle>;

    /// Whether a producer is attached now; `true` where the format does not tell.
    fn is_peer_open(&self) -> bool;

    /// Whether [`Consumer::try_claim`] would find a packet now.
    fn has_packet(&self) -> bool;

    /// What stands in the way, where no rule explains it.
    fn corruption(&self) -> Option<Corruption>;

    #[doc(hidden)]
    #[allow(
        private_interfaces,
        private_bounds,
        reason = "sealed, for this crate only"
    )]
    fn count(&mut self, event: Event);

    /// What this side has counted.
    fn counters(&self) -> crate::Counters;

    /// As [`Producer::with`].
    #[doc(hidden)]
    #[inline(always)]
    fn with<T: ConsumerTask>(&mut self, task: T) -> T::Output
    where
        Self: Sized,
    {
        task.run(self)
    }
}
