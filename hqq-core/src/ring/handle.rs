//! How a link uses a side that many threads use at once: each through a handle of its own.

mod consumer;
mod side_ref;

use super::concurrent::{ConcurrentProducer, Counted};
use super::{Corruption, Obstacle, Operands, Producer, Put, Refused, Sealed};
use crate::counters::{Counters, Event};
use crate::position::Position;
use crate::region::{Buffer, Buffers};

pub use side_ref::Owned;
pub(crate) use side_ref::SideRef;

/// A thread's way to a side that many use at once: `T` is a reference to it, an `Arc` (which is
/// [`StableDeref`](stable_deref_trait::StableDeref) with the features `alloc` or `std` of that crate, `stable_deref_trait`), or the
/// side itself as [`Owned`]; it always leads to the same side.
///
/// Its messages are added to the side's totals some at a time, as threads that count in the same place
/// wait for each other there: when it finds nothing to do, every 64 messages, and when it is dropped.
pub struct Handle<T: SideRef<Side: Counted>> {
    side: T,
    /// Messages since there was nothing to do, something else to count, or a look that saw no stream.
    streak: u64,
    /// When there are so many, the side's totals get the last [`TOGETHER`] of them.
    due: u64,
    /// Bytes in the messages that the totals do not have yet.
    bytes: u64,
    /// The position after the one that was claimed last.
    next: Position,
    /// That one followed the one that was claimed before it, and nobody else is known to have claimed any since.
    in_a_row: bool,
}

/// Messages that a handle adds to the totals at once.
const TOGETHER: u64 = 64;
/// After so many messages since there was nothing to do, the next ones are taken to be possible, too: their
/// lines are asked for in advance. Earlier that would take lines from the peer that it is about to write.
const STREAK: u64 = 8;
/// How far in advance.
const AHEAD: usize = 4;

impl<T: SideRef<Side: Counted>> Handle<T> {
    /// A handle to the side that `side` points to.
    pub const fn new(side: T) -> Self {
        Self {
            side,
            streak: 0,
            due: TOGETHER,
            bytes: 0,
            next: Position::new(0),
            in_a_row: false,
        }
    }

    #[inline]
    fn target(&self) -> &T::Side {
        self.side.side()
    }

    #[inline]
    fn goes_on(&self) -> bool {
        !T::ALONE && self.streak >= STREAK
    }

    /// Where to go on, if nobody else has claimed that.
    #[inline]
    fn at(&self) -> Option<Position> {
        self.in_a_row.then_some(self.next)
    }

    /// An attempt to claim came to this position.
    #[inline]
    fn came_to(&mut self, position: Position, claimed: bool) {
        if !T::Side::IN_ROWS {
            return;
        }
        // One that was claimed first is no row, but nothing is lost by taking it for one.
        self.in_a_row = position == self.next && (claimed || self.in_a_row);
        if claimed {
            self.next = position.plus(1);
        }
    }

    /// Messages that the totals do not have yet.
    #[inline]
    const fn untold(&self) -> u64 {
        self.streak.wrapping_add(TOGETHER).wrapping_sub(self.due)
    }

    #[inline]
    fn add(&mut self, event: Event) {
        if T::ALONE {
            self.add_to_side(event);
            return;
        }
        let (Event::Message(bytes) | Event::Quick(bytes)) = event else {
            self.begin_anew();
            self.add_to_side(event);
            return;
        };
        self.streak = self.streak.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(bytes as u64);
        if self.streak == self.due {
            self.settle_and_look();
        }
    }

    /// When so many messages are due for the totals.
    #[cold]
    #[inline(never)]
    fn settle_and_look(&mut self) {
        if self.target().is_streaming(self.next.minus(1)) {
            self.settle();
        } else {
            self.begin_anew();
        }
    }

    fn begin_anew(&mut self) {
        self.settle();
        (self.streak, self.due) = (0, TOGETHER);
    }

    /// Adds what the totals do not have yet.
    #[cold]
    fn settle(&mut self) {
        let messages = self.untold();
        self.due = self.streak.wrapping_add(TOGETHER);
        let bytes = core::mem::take(&mut self.bytes);
        let side = self.target();
        if messages > 0
            && side
                .shared_counters()
                .add_messages(messages, bytes, T::ALONE)
        {
            side.record();
        }
    }

    #[inline]
    fn add_to_side(&self, event: Event) {
        let side = self.target();
        if side.shared_counters().add(event, T::ALONE) {
            side.record();
        }
    }

    /// The side's totals and what this handle has yet to add to them.
    fn totals(&self) -> Counters {
        let mut totals = self.target().shared_counters().read();
        totals.messages = totals.messages.wrapping_add(self.untold());
        totals.bytes = totals.bytes.wrapping_add(self.bytes);
        totals
    }
}

impl<T: SideRef<Side: Counted>> Drop for Handle<T> {
    fn drop(&mut self) {
        self.settle();
    }
}

impl<S: Counted> Handle<Owned<S>> {
    /// The only handle to `side`.
    pub const fn owned(side: S) -> Self {
        Self::new(Owned(side))
    }
}

impl<T: SideRef<Side: Counted>> Sealed for Handle<T> {}

#[allow(
    private_interfaces,
    private_bounds,
    reason = "sealed, for this crate only"
)]
impl<T> Producer for Handle<T>
where
    T: SideRef,
    T::Side: ConcurrentProducer,
{
    type Geometry = <T::Side as ConcurrentProducer>::Geometry;

    #[inline]
    fn buffers(&self) -> &Buffers<Self::Geometry> {
        self.target().buffers()
    }

    #[inline]
    fn try_claim(&mut self) -> Result<Position, Refused> {
        let (mut claimed, mut position) = self.target().try_claim(self.at());
        if claimed == Err(Refused::Blocked) && self.goes_on() {
            (claimed, position) = self.target().try_claim_after_rest(position);
        }
        self.came_to(position, claimed.is_ok());
        claimed
    }

    #[inline]
    fn put_quickly<O: Operands>(
        &mut self,
        opcode: u8,
        len: usize,
        fill: impl FnOnce(Buffer<'_>, u64) -> O,
    ) -> Put {
        let position = self.next;
        if !self.in_a_row {
            return Put::Not;
        }
        let put = self.target().put_quickly(position, opcode, len, fill);
        if put != Put::Not {
            self.next = position.plus(1);
            if self.goes_on() {
                self.target().prefetch_after(position, AHEAD);
            }
        }
        put
    }

    fn wake(&self) {
        self.target().wake();
    }

    #[inline]
    fn publish(&mut self, position: Position, opcode: u8, operands: &[u64; 7]) {
        self.target().publish(position, opcode, operands);
        if self.goes_on() {
            self.target().prefetch_after(position, AHEAD);
        }
    }

    #[inline]
    fn publish_short(&mut self, position: Position, opcode: u8, operand: u64) {
        self.target().publish_short(position, opcode, operand);
        if self.goes_on() {
            self.target().prefetch_after(position, AHEAD);
        }
    }

    fn cancel(&mut self, position: Position, opcode: u8, operands: &[u64; 7]) {
        self.publish(position, opcode, operands);
        self.count(Event::Tombstone);
    }

    #[inline]
    fn copy_id(&mut self, position: Position) -> u64 {
        self.target().copy_id(position, T::ALONE)
    }

    #[inline]
    fn carries_inline(&self) -> bool {
        self.target().carries_inline()
    }

    fn may_send_runs(&self) -> bool {
        self.target().may_send_runs()
    }

    fn unread(&self) -> usize {
        self.target().unread()
    }

    #[inline]
    fn is_peer_closed(&self) -> bool {
        self.target().is_peer_closed()
    }

    fn is_peer_dead(&self) -> bool {
        self.target().is_peer_dead()
    }

    fn is_peer_open(&self) -> bool {
        self.target().is_peer_open()
    }

    fn obstacle(&self) -> Option<Obstacle> {
        self.target().obstacle()
    }

    fn has_room(&self) -> bool {
        self.target().has_room()
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

    fn record_latency(&self, latency: [u32; 2]) {
        self.target().record_latency(latency);
    }
}
