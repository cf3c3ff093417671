//! A handle of a consuming side.

use super::{Handle, SideRef};
use crate::counters::{Counters, Event};
use crate::member::Member;
use crate::position::Position;
use crate::region::Buffer;
use crate::region::Buffers;
use crate::ring::concurrent::ConcurrentConsumer;
use crate::ring::{Claimed, Consumer, Corruption, Missed, Obstacle, Operands, Refused};
use crate::side::End;

use super::AHEAD;

#[allow(
    private_interfaces,
    private_bounds,
    reason = "sealed, for this crate only"
)]
impl<T> Consumer for Handle<T>
where
    T: SideRef,
    T::Side: ConcurrentConsumer,
{
    type Geometry = <T::Side as ConcurrentConsumer>::Geometry;

    #[inline]
    fn buffers(&self) -> &Buffers<Self::Geometry> {
        self.target().buffers()
    }

    #[inline]
    fn try_claim(&mut self) -> Result<Claimed, Refused> {
        let (claimed, position) = self.target().try_claim(self.at());
        // Those in doubt are of before.
        let is_next = claimed.as_ref().is_ok_and(|claimed| !claimed.in_doubt);
        self.came_to(position, is_next);
        claimed
    }

    #[inline]
    fn take_quickly<O: Operands, U>(
        &mut self,
        opcode: u8,
        take: impl FnOnce(Buffer<'_>, &O) -> Option<U>,
    ) -> Result<U, Missed<O>> {
        let position = self.next;
        if !self.in_a_row {
            return Err(Missed::Unclaimed);
        }
        let taken = self.target().take_quickly(position, opcode, take);
        if matches!(taken, Err(Missed::Unclaimed)) {
            return taken;
        }
        self.next = position.plus(1);
        if taken.is_ok() && self.goes_on() {
            self.target().prefetch_after(position, AHEAD);
        }
        taken
    }

    fn last_claimed(&self) -> Position {
        self.next.minus(1)
    }

    #[inline]
    fn operands<const FROM: usize>(&self, position: Position) -> [u64; 7] {
        self.target().operands::<FROM>(position)
    }

    #[inline]
    fn operand(&self, position: Position, index: usize) -> u64 {
        self.target().operand(position, index)
    }

    #[inline]
    fn release(&mut self, position: Position) {
        self.target().release(position);
        if self.goes_on() {
            self.target().prefetch_after(position, AHEAD);
        }
    }

    fn unclaim(&mut self, position: Position, taken: u16) {
        if taken == 0 {
            self.target().let_go(position);
        } else {
            self.target().release(position);
        }
    }

    #[inline]
    fn carries_inline(&self) -> bool {
        self.target().carries_inline()
    }

    fn end(&mut self) -> Option<End> {
        self.target().end()
    }

    fn take_over(&mut self, is_dead: &mut dyn FnMut(Member) -> bool) -> Option<Claimed> {
        self.target().take_over(is_dead)
    }

    fn obstacle(&self) -> Option<Obstacle> {
        self.target().obstacle()
    }

    fn is_peer_open(&self) -> bool {
        self.target().is_peer_open()
    }

    fn has_packet(&self) -> bool {
        self.target().has_packet()
    }

    fn corruption(&self) -> Option<Corruption> {
        self.target().corruption()
    }

    #[inline]
    fn count(&mut self, event: Event) {
        self.add(event);
    }

    fn counters(&self) -> Counters {
        self.totals()
    }
}
