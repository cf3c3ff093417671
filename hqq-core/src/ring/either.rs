//! A side of one ring or of another, for links that learn the format when they open a region.

use super::{
    Claimed, Consumer, ConsumerTask, Corruption, Obstacle, Operands, Producer, ProducerTask,
    Refused, Sealed,
};
use crate::counters::{Counters, Event};
use crate::member::Member;
use crate::position::Position;
use crate::region::Buffers;
use crate::side::End;

/// One of two sides of the same geometry.
#[derive(Clone, Copy, Debug)]
pub enum Either<A, B> {
    /// The first kind.
    First(A),
    /// The second kind.
    Second(B),
}

impl<A, B> Sealed for Either<A, B> {}

/// The same call on whichever side it is.
macro_rules! either {
    ($either:expr, $side:ident => $call:expr) => {
        match $either {
            Self::First($side) => $call,
            Self::Second($side) => $call,
        }
    };
}

#[allow(private_interfaces, reason = "sealed, for this crate only")]
impl<A, B> Producer for Either<A, B>
where
    A: Producer,
    B: Producer<Geometry = A::Geometry>,
{
    type Geometry = A::Geometry;
    const WALKS: bool = A::WALKS || B::WALKS;

    #[inline]
    fn buffers(&self) -> &Buffers<A::Geometry> {
        either!(self, side => side.buffers())
    }

    #[inline]
    fn try_claim(&mut self) -> Result<Position, Refused> {
        either!(self, side => side.try_claim())
    }

    #[inline]
    fn publish(&mut self, position: Position, opcode: u8, operands: &[u64; 7]) {
        either!(self, side => side.publish(position, opcode, operands));
    }

    #[inline]
    fn publish_short(&mut self, position: Position, opcode: u8, operand: u64) {
        either!(self, side => side.publish_short(position, opcode, operand));
    }

    fn cancel(&mut self, position: Position, opcode: u8, operands: &[u64; 7]) {
        either!(self, side => side.cancel(position, opcode, operands));
    }

    #[inline(always)]
    fn with<T: ProducerTask>(&mut self, task: T) -> T::Output {
        either!(self, side => side.with(task))
    }

    #[inline]
    fn copy_id(&mut self, position: Position) -> u64 {
        either!(self, side => side.copy_id(position))
    }

    fn wake(&self) {
        either!(self, side => side.wake());
    }

    fn may_send_runs(&self) -> bool {
        either!(self, side => side.may_send_runs())
    }

    #[inline]
    fn carries_inline(&self) -> bool {
        either!(self, side => side.carries_inline())
    }

    fn unread(&self) -> usize {
        either!(self, side => side.unread())
    }

    #[inline]
    fn is_peer_closed(&self) -> bool {
        either!(self, side => side.is_peer_closed())
    }

    fn is_peer_dead(&self) -> bool {
        either!(self, side => side.is_peer_dead())
    }

    fn is_peer_open(&self) -> bool {
        either!(self, side => side.is_peer_open())
    }

    fn obstacle(&self) -> Option<Obstacle> {
        either!(self, side => side.obstacle())
    }

    fn retract(&mut self, retraction: &mut dyn FnMut(u8, &[u64; 7], bool) -> bool) -> usize {
        either!(self, side => side.retract(retraction))
    }

    fn has_room(&self) -> bool {
        either!(self, side => side.has_room())
    }

    fn corruption(&self) -> Option<Corruption> {
        either!(self, side => side.corruption())
    }

    #[inline]
    fn count(&mut self, event: Event) {
        either!(self, side => side.count(event));
    }

    fn counters(&self) -> Counters {
        either!(self, side => side.counters())
    }

    fn record_latency(&self, latency: [u32; 2]) {
        either!(self, side => side.record_latency(latency));
    }
}

#[allow(private_interfaces, reason = "sealed, for this crate only")]
impl<A, B> Consumer for Either<A, B>
where
    A: Consumer,
    B: Consumer<Geometry = A::Geometry>,
{
    type Geometry = A::Geometry;
    const WALKS: bool = A::WALKS || B::WALKS;

    #[inline]
    fn buffers(&self) -> &Buffers<A::Geometry> {
        either!(self, side => side.buffers())
    }

    #[inline]
    fn try_claim(&mut self) -> Result<Claimed, Refused> {
        either!(self, side => side.try_claim())
    }

    #[inline(always)]
    fn claim_quickly<O: Operands>(&mut self, opcode: u8) -> Option<(Position, O)> {
        either!(self, side => side.claim_quickly(opcode))
    }

    #[inline]
    fn catch_up(&mut self) -> bool {
        either!(self, side => side.catch_up())
    }

    fn last_claimed(&self) -> Position {
        either!(self, side => side.last_claimed())
    }

    fn is_claimed(&self, position: Position) -> bool {
        either!(self, side => side.is_claimed(position))
    }

    #[inline]
    fn operands<const FROM: usize>(&self, position: Position) -> [u64; 7] {
        either!(self, side => side.operands::<FROM>(position))
    }

    #[inline(always)]
    fn with<T: ConsumerTask>(&mut self, task: T) -> T::Output {
        either!(self, side => side.with(task))
    }

    #[inline]
    fn operand(&self, position: Position, index: usize) -> u64 {
        either!(self, side => side.operand(position, index))
    }

    #[inline]
    fn release(&mut self, position: Position) {
        either!(self, side => side.release(position));
    }

    fn recover(&mut self) {
        either!(self, side => side.recover());
    }

    #[inline]
    fn look_ahead(&self, position: Position, len: usize) {
        either!(self, side => side.look_ahead(position, len));
    }

    fn unclaim(&mut self, position: Position, taken: u16) {
        either!(self, side => side.unclaim(position, taken));
    }

    #[inline]
    fn carries_inline(&self) -> bool {
        either!(self, side => side.carries_inline())
    }

    fn end(&mut self) -> Option<End> {
        either!(self, side => side.end())
    }

    fn take_over(&mut self, is_dead: &mut dyn FnMut(Member) -> bool) -> Option<Claimed> {
        either!(self, side => side.take_over(is_dead))
    }

    fn obstacle(&self) -> Option<Obstacle> {
        either!(self, side => side.obstacle())
    }

    fn is_peer_open(&self) -> bool {
        either!(self, side => side.is_peer_open())
    }

    fn has_packet(&self) -> bool {
        either!(self, side => side.has_packet())
    }

    fn corruption(&self) -> Option<Corruption> {
        either!(self, side => side.corruption())
    }

    #[inline]
    fn count(&mut self, event: Event) {
        either!(self, side => side.count(event));
    }

    fn counters(&self) -> Counters {
        either!(self, side => side.counters())
    }
}
