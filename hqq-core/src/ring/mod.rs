//! The rings: who may move a slot from which state to which (PROTOCOL.md, "Ring" and "Format 1").
//!
//! Format 2: [`stamp`] has the moves as pure functions; [`exclusive`] and [`shared`] are the two
//! ways to use a side; `join` finds the place where a ring that is in use goes on. [`format1`] is
//! the other ring; [`wake`] wakes those who sleep. Links use any of them through [`Producer`] and [`Consumer`]; [`Either`] is for
//! those that learn the format when they open a region. Nothing here knows what an opcode means.

mod either;
pub mod exclusive;
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
pub mod format1;
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
mod handle;
pub(crate) mod join;
#[cfg(not(loom))]
pub mod managed;
mod quickly;
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
pub(crate) mod repair;
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
pub mod shared;
pub mod stamp;
pub mod wake;

pub use either::Either;
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
use handle::{ConcurrentConsumer, ConcurrentProducer, Counted};
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
pub use handle::{Handle, Owned};
pub use quickly::{InBuffer, InPacket, Missed, Operands, Put};

use crate::counters::Event;
use crate::layout::Geometry;
use crate::member::Member;
use crate::position::Position;
use crate::region::{Buffer, Buffers, RingMemory};
use crate::side::End;

/// Why no slot could be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
// Which it is, in a byte where programs have to be small: the compiler would take a word as wide as the
// fields are aligned.
#[cfg_attr(not(target_pointer_width = "64"), repr(u8))]
pub enum Refused {
    /// Full (for a producer) or empty (for a consumer).
    Blocked,
    /// Other members claimed every slot that was tried; there may be room, or a packet.
    Busy,
    /// What comes next holds what no rule leads to. Not every ring tells this at once; see
    /// [`Producer::corruption`] and [`Consumer::corruption`].
    Corrupt(Corruption),
}

/// A packet that was claimed for reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Claimed {
    /// Where it lies.
    pub position: Position,
    /// Its word 0 without a stamp: the opcode in the low byte, zeros above it unless the peer broke
    /// the rules.
    pub header: u64,
    /// Whether a reader that died may have read it before (at-least-once regions only).
    pub in_doubt: bool,
    /// How many of its messages a consumer took that has left.
    pub taken: u16,
}

/// A stamp, or in format 1 a sequence, that belongs to no state the ring can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Corruption {
    /// The position that cannot go on.
    pub position: Position,
    /// The stamp or sequence that lies in its slot.
    pub stamp: u64,
}

/// What a member that has claimed a slot keeps others from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Obstacle {
    /// The position that is claimed.
    pub position: Position,
    /// Whose it is: of the producing side where it is being written, of the consuming side where it
    /// is being read.
    pub member: Member,
    /// Whether it is being written.
    pub writing: bool,
}

mod sealed {
    pub trait Sealed {}
}
pub(crate) use sealed::Sealed;

/// The producing side of a ring, as a link uses it. Sealed: implemented by the sides of this crate.
pub trait Producer: Sealed {
    /// The geometry of the ring.
    type Geometry: Geometry;

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

    /// Claims a position whose buffer has room for `len` bytes, lets `fill` write them there (or know the position) and
    /// publishes a packet with this opcode and the operands that `fill` gives: in very few steps and without a call
    /// that comes back.
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
        fill: impl FnOnce(Buffer<'_>, Position) -> O,
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

    /// Whether [`Consumer::take_quickly`] ever does anything.
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

    /// Undoes [`Consumer::try_claim`] where that is possible, except for the first `taken` messages
    /// of the packet: an exclusive side can, one that others share releases.
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

/// Messages of format 2 are numbered by position, so that senders that share a side need no other
/// counter.
#[inline]
pub(crate) const fn copy_id(position: Position) -> u64 {
    position.plus(1).get()
}

/// The word `taken` that says that the first messages of the packet at `position` were received.
#[inline]
const fn taken_word(position: Position, taken: u16) -> u32 {
    position.low() << 16 | taken as u32
}

/// How many messages of the packet at `position` the word `taken` says were received.
#[inline]
fn taken_of<G: Geometry>(memory: &RingMemory<G>, position: Position) -> u16 {
    // Relaxed: it was written before the side was left, and leaving and joining are ordered.
    let word = memory
        .taken()
        .load(crate::sync::ordering::Ordering::Relaxed);
    let [a, b, ..] = word.to_le_bytes();
    if word >> 16 == position.low() & 0xffff {
        u16::from_le_bytes([a, b])
    } else {
        0
    }
}

/// Makes the word `taken` say nothing, once its packet is claimed.
fn clear_taken<G: Geometry>(memory: &RingMemory<G>) {
    // Relaxed: as above.
    memory
        .taken()
        .store(0, crate::sync::ordering::Ordering::Relaxed);
}

/// Whether a producer that comes to `position` next would find room.
fn has_room<G: Geometry>(memory: &RingMemory<G>, position: Position) -> bool {
    // Pairs with the Release of T5x.
    let released = memory
        .released()
        .load(crate::sync::ordering::see_released());
    // Pairs with the Release of T5.
    let stamp = memory
        .slot(position)
        .stamp()
        .load(crate::sync::ordering::see_free());
    match stamp::for_writing(stamp, position, memory.count()) {
        stamp::ForWriting::Claim => true,
        stamp::ForWriting::ClaimIfReleased => {
            stamp::is_released(position, released, memory.count())
        }
        stamp::ForWriting::Help | stamp::ForWriting::Wait => false,
    }
}

/// Whether a consumer that comes to `position` next would find a packet.
fn has_packet<G: Geometry>(memory: &RingMemory<G>, position: Position) -> bool {
    // Pairs with the Release of T3 and T3x.
    let stamp = memory
        .slot(position)
        .stamp()
        .load(crate::sync::ordering::see_published());
    matches!(
        stamp::for_reading(stamp, position, memory.count()),
        stamp::ForReading::Claim(_)
    )
}

/// Who has claimed the slot of `position`.
fn obstacle<G: Geometry>(memory: &RingMemory<G>, position: Position) -> Option<Obstacle> {
    // Pairs with the Release stores of T3 and T5, as every look at a stamp does.
    let stamp = memory
        .slot(position)
        .stamp()
        .load(crate::sync::ordering::see_published());
    let (position, member, writing) = match stamp::State::of(stamp) {
        stamp::State::Writing(position, member) => (position, member, true),
        stamp::State::Reading(position, member, _) => (position, member, false),
        _ => return None,
    };
    Some(Obstacle {
        position,
        member,
        writing,
    })
}

/// The stamp at the position that `next` says, where no rule explains it and others of a shared
/// side have not got on meanwhile, which would explain it.
fn corruption<G: Geometry>(
    memory: &RingMemory<G>,
    next: impl Fn() -> Position,
) -> Option<Corruption> {
    let found = unexplained(memory, next())?;
    (next() == found.position).then_some(found)
}

/// The stamp in the slot of `position`, where no rule explains it.
fn unexplained<G: Geometry>(memory: &RingMemory<G>, position: Position) -> Option<Corruption> {
    // Pairs with the Release stores of T3 and T5, as every look at a stamp does.
    let stamp = memory
        .slot(position)
        .stamp()
        .load(crate::sync::ordering::see_published());
    (!stamp::is_expected(stamp, position, memory.count())).then_some(Corruption { position, stamp })
}

/// `released` is moved on whenever a multiple of this is released by stamp, so that its low 32
/// bits never come round to a position they were not meant for.
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
const RELEASED_STEP: u64 = 1 << 30;

/// Before a shared side releases `position` by its stamp: moves `released` on where it is time.
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
#[inline]
pub(crate) fn step_released<G: Geometry>(memory: &RingMemory<G>, position: Position) {
    if position.get().is_multiple_of(RELEASED_STEP) {
        // Everything this far back was read long ago. Pairs with the Acquire of T1 and T3x.
        let long_ago = Position::new(position.get().wrapping_sub(RELEASED_STEP));
        memory
            .released()
            .store(long_ago.low(), crate::sync::ordering::release_counter());
    }
}

/// How many packets no consumer has finished with, among the last N before `end`: those that
/// wait, and those of shared consumers that are being read.
pub(crate) fn unread<G: Geometry>(memory: &RingMemory<G>, end: Position) -> usize {
    use crate::sync::ordering::{see_published, see_received, see_released};
    let count = memory.count();
    // Pairs with the Release of `r` in T4x: an exclusive consumer has been handed all before it.
    let received = Position::new(memory.r().load(see_received()));
    // Pairs with the Release of `released` in T5x.
    let released = memory.released().load(see_released());
    (1..=count)
        .map(|back| end.minus(back))
        .filter(|position| {
            // Pairs with the Release of T5.
            let stamp = memory.slot(*position).stamp().load(see_published());
            match stamp::State::of(stamp) {
                stamp::State::Published(at, _) => {
                    at == *position
                        && at.since(received) >= 0
                        && !stamp::is_released(at.plus(count), released, count)
                }
                stamp::State::Writing(at, _) | stamp::State::Reading(at, ..) => at == *position,
                _ => false,
            }
        })
        .count()
}
