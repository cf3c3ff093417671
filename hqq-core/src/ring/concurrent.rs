//! What a side that many threads use at once does for the handles to it.

use super::{Claimed, Corruption, Missed, Obstacle, Operands, Put, Refused, Sealed};
use crate::counters::SharedCounters;
use crate::layout::Geometry;
use crate::member::Member;
use crate::position::Position;
use crate::region::{Buffer, Buffers};
use crate::side::End;

/// A side that many threads use at once, and what it counts. Sealed.
#[doc(hidden)]
#[allow(private_interfaces, reason = "sealed, for this crate only")]
pub trait Counted: Sealed {
    /// Whether a handle may go on after what it claimed last (PROTOCOL.md, "Rows").
    const IN_ROWS: bool = true;
    fn shared_counters(&self) -> &SharedCounters;
    /// Whether messages stream through this side, as far as a handle does not notice by itself; a hint. `last` is the
    /// position that it claimed last.
    fn is_streaming(&self, last: Position) -> bool {
        let _ = last;
        false
    }
    /// Records the totals in the region, where there is room for them.
    fn record(&self) {}
}

/// As [`Producer`](super::Producer), for a side that many threads use at once. Sealed.
#[doc(hidden)]
#[allow(
    private_interfaces,
    private_bounds,
    reason = "sealed, for this crate only"
)]
pub trait ConcurrentProducer: Counted {
    type Geometry: Geometry;
    fn buffers(&self) -> &Buffers<Self::Geometry>;
    /// As [`Producer::try_claim`](super::Producer::try_claim), and which position it looked at last. `at`: the one after
    /// the last that this handle claimed, where nobody else claimed any between its last two.
    fn try_claim(&self, at: Option<Position>) -> (Result<Position, Refused>, Position);
    fn publish(&self, position: Position, opcode: u8, operands: &[u64; 7]);
    fn publish_short(&self, position: Position, opcode: u8, operand: u64);
    /// As [`Producer::put_quickly`](super::Producer::put_quickly), at this position, if nobody else has claimed it.
    #[inline]
    fn put_quickly<O: Operands>(
        &self,
        position: Position,
        opcode: u8,
        len: usize,
        fill: impl FnOnce(Buffer<'_>, u64) -> O,
    ) -> Put
    where
        Self: Sized,
    {
        let _ = (position, opcode, len, fill);
        Put::Not
    }
    /// As `try_claim`, where that has just found a full ring at `at` after messages that came one after the other: leaves
    /// the ring to consumers for a moment before, if that helps them.
    fn try_claim_after_rest(&self, at: Position) -> (Result<Position, Refused>, Position) {
        (Err(Refused::Blocked), at)
    }
    /// As [`Producer::wake`](super::Producer::wake).
    fn wake(&self) {}
    /// Asks for the lines of the position `count` after this one, which may be claimed soon.
    fn prefetch_after(&self, position: Position, count: usize) {
        let _ = (position, count);
    }
    /// `alone`: no other thread uses this side now.
    fn copy_id(&self, position: Position, alone: bool) -> u64;
    fn carries_inline(&self) -> bool;
    fn may_send_runs(&self) -> bool;
    fn unread(&self) -> usize;
    fn is_peer_closed(&self) -> bool;
    fn is_peer_dead(&self) -> bool;
    fn is_peer_open(&self) -> bool;
    fn obstacle(&self) -> Option<Obstacle>;
    fn has_room(&self) -> bool;
    fn corruption(&self) -> Option<Corruption>;
    /// As [`Producer::record_latency`](super::Producer::record_latency).
    fn record_latency(&self, latency: [u32; 2]) {
        let _ = latency;
    }
}

/// As [`Consumer`](super::Consumer), for a side that many threads use at once. Sealed.
#[doc(hidden)]
#[allow(
    private_interfaces,
    private_bounds,
    reason = "sealed, for this crate only"
)]
pub trait ConcurrentConsumer: Counted {
    type Geometry: Geometry;
    fn buffers(&self) -> &Buffers<Self::Geometry>;
    /// As [`Consumer::try_claim`](super::Consumer::try_claim); the rest as in [`ConcurrentProducer::try_claim`].
    fn try_claim(&self, at: Option<Position>) -> (Result<Claimed, Refused>, Position);
    fn operands<const FROM: usize>(&self, position: Position) -> [u64; 7];
    fn operand(&self, position: Position, index: usize) -> u64;
    fn release(&self, position: Position);
    /// Nothing of a claimed packet was handed out, and its handle goes.
    fn let_go(&self, position: Position) {
        self.release(position);
    }
    /// As [`Consumer::take_quickly`](super::Consumer::take_quickly), at this position, which comes after one that the same
    /// handle has claimed, if nobody else has claimed it.
    #[inline]
    fn take_quickly<O: Operands, T>(
        &self,
        position: Position,
        opcode: u8,
        take: impl FnOnce(Buffer<'_>, &O) -> Option<T>,
    ) -> Result<T, Missed<O>>
    where
        Self: Sized,
    {
        let _ = (position, opcode, take);
        Err(Missed::Unclaimed)
    }
    /// Asks for the lines of the position `count` after this one, which may be claimed soon.
    fn prefetch_after(&self, position: Position, count: usize) {
        let _ = (position, count);
    }
    fn carries_inline(&self) -> bool;
    fn end(&self) -> Option<End>;
    fn take_over(&self, is_dead: &mut dyn FnMut(Member) -> bool) -> Option<Claimed>;
    fn obstacle(&self) -> Option<Obstacle>;
    fn is_peer_open(&self) -> bool;
    fn has_packet(&self) -> bool;
    fn corruption(&self) -> Option<Corruption>;
}
