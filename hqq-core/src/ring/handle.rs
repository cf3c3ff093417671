//! How a link uses a side that many threads use at once: each through a handle of its own.

use stable_deref_trait::StableDeref;

use super::{Claimed, Consumer, Corruption, Obstacle, Producer, Refused, Sealed};
use crate::counters::{Counters, Event, SharedCounters};
use crate::layout::Geometry;
use crate::member::Member;
use crate::position::Position;
use crate::region::{Buffer, Buffers};
use crate::side::End;

/// As [`Producer`], for a side that many threads use at once. Sealed.
#[doc(hidden)]
#[allow(private_interfaces, reason = "sealed, for this crate only")]
pub trait ConcurrentProducer: Sealed {
    type Geometry: Geometry;
    fn buffers(&self) -> &Buffers<Self::Geometry>;
    fn try_claim(&self) -> Result<Position, Refused>;
    fn publish(&self, position: Position, opcode: u8, operands: &[u64; 7]);
    fn publish_short(&self, position: Position, opcode: u8, operand: u64);
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
    fn shared_counters(&self) -> &SharedCounters;
    /// Records the totals in the region, where there is room for them.
    fn record(&self) {}
    /// As [`Producer::record_latency`].
    fn record_latency(&self, latency: [u32; 2]) {
        let _ = latency;
    }
}

/// As [`Consumer`], for a side that many threads use at once. Sealed.
#[doc(hidden)]
#[allow(private_interfaces, reason = "sealed, for this crate only")]
pub trait ConcurrentConsumer: Sealed {
    type Geometry: Geometry;
    fn buffers(&self) -> &Buffers<Self::Geometry>;
    fn try_claim(&self) -> Result<Claimed, Refused>;
    fn operands<const FROM: usize>(&self, position: Position) -> [u64; 7];
    fn bytes<const FROM: usize>(&self, position: Position) -> Buffer<'_>;
    fn first_operand(&self, position: Position) -> u64;
    fn release(&self, position: Position);
    fn carries_inline(&self) -> bool;
    fn end(&self) -> Option<End>;
    fn take_over(&self, is_dead: &mut dyn FnMut(Member) -> bool) -> Option<Claimed>;
    fn obstacle(&self) -> Option<Obstacle>;
    fn is_peer_open(&self) -> bool;
    fn has_packet(&self) -> bool;
    fn corruption(&self) -> Option<Corruption>;
    fn shared_counters(&self) -> &SharedCounters;
    /// Records the totals in the region, where there is room for them.
    fn record(&self) {}
}

/// What leads to a side, always the same one: a reference, an `Arc`, or [`Owned`]. Sealed by what
/// it leads to.
#[doc(hidden)]
pub trait SideRef {
    type Side;
    /// No other thread uses the side.
    const ALONE: bool;
    fn side(&self) -> &Self::Side;
}

impl<T> SideRef for T
where
    T: StableDeref,
    T::Target: Sized,
{
    type Side = T::Target;
    const ALONE: bool = false;

    #[inline]
    fn side(&self) -> &T::Target {
        self
    }
}

/// A side that could be shared, owned by the one handle that uses it.
pub struct Owned<S>(S);

impl<S> SideRef for Owned<S> {
    type Side = S;
    const ALONE: bool = true;

    #[inline]
    fn side(&self) -> &S {
        &self.0
    }
}

/// A thread's way to a side that many use at once: `T` is a reference to it, an `Arc` (which is
/// [`StableDeref`] with the features `alloc` or `std` of that crate, `stable_deref_trait`), or the
/// side itself as [`Owned`]; it always leads to the same side.
pub struct Handle<T>(T);

impl<T> Handle<T> {
    /// A handle to the side that `side` points to.
    pub const fn new(side: T) -> Self {
        Self(side)
    }
}

impl<S> Handle<Owned<S>> {
    /// The only handle to `side`.
    pub const fn owned(side: S) -> Self {
        Self(Owned(side))
    }
}

impl<T> Sealed for Handle<T> {}

#[allow(private_interfaces, reason = "sealed, for this crate only")]
impl<T> Producer for Handle<T>
where
    T: SideRef,
    T::Side: ConcurrentProducer,
{
    type Geometry = <T::Side as ConcurrentProducer>::Geometry;

    #[inline]
    fn buffers(&self) -> &Buffers<Self::Geometry> {
        self.0.side().buffers()
    }

    #[inline]
    fn try_claim(&mut self) -> Result<Position, Refused> {
        self.0.side().try_claim()
    }

    #[inline]
    fn publish(&mut self, position: Position, opcode: u8, operands: &[u64; 7]) {
        self.0.side().publish(position, opcode, operands);
    }

    #[inline]
    fn publish_short(&mut self, position: Position, opcode: u8, operand: u64) {
        self.0.side().publish_short(position, opcode, operand);
    }

    fn cancel(&mut self, position: Position, opcode: u8, operands: &[u64; 7]) {
        self.publish(position, opcode, operands);
        self.count(Event::Tombstone);
    }

    #[inline]
    fn copy_id(&mut self, position: Position) -> u64 {
        self.0.side().copy_id(position, T::ALONE)
    }

    #[inline]
    fn carries_inline(&self) -> bool {
        self.0.side().carries_inline()
    }

    fn may_send_runs(&self) -> bool {
        self.0.side().may_send_runs()
    }

    fn unread(&self) -> usize {
        self.0.side().unread()
    }

    #[inline]
    fn is_peer_closed(&self) -> bool {
        self.0.side().is_peer_closed()
    }

    fn is_peer_dead(&self) -> bool {
        self.0.side().is_peer_dead()
    }

    fn is_peer_open(&self) -> bool {
        self.0.side().is_peer_open()
    }

    fn obstacle(&self) -> Option<Obstacle> {
        self.0.side().obstacle()
    }

    fn has_room(&self) -> bool {
        self.0.side().has_room()
    }

    fn corruption(&self) -> Option<Corruption> {
        self.0.side().corruption()
    }

    #[inline]
    fn count(&mut self, event: Event) {
        let side = self.0.side();
        if side.shared_counters().add(event, T::ALONE) {
            side.record();
        }
    }

    fn counters(&self) -> Counters {
        self.0.side().shared_counters().read()
    }

    fn record_latency(&self, latency: [u32; 2]) {
        self.0.side().record_latency(latency);
    }
}

#[allow(private_interfaces, reason = "sealed, for this crate only")]
impl<T> Consumer for Handle<T>
where
    T: SideRef,
    T::Side: ConcurrentConsumer,
{
    type Geometry = <T::Side as ConcurrentConsumer>::Geometry;

    #[inline]
    fn buffers(&self) -> &Buffers<Self::Geometry> {
        self.0.side().buffers()
    }

    #[inline]
    fn try_claim(&mut self) -> Result<Claimed, Refused> {
        self.0.side().try_claim()
    }

    #[inline]
    fn operands<const FROM: usize>(&self, position: Position) -> [u64; 7] {
        self.0.side().operands::<FROM>(position)
    }

    #[inline]
    fn bytes<const FROM: usize>(&self, position: Position) -> Buffer<'_> {
        self.0.side().bytes::<FROM>(position)
    }

    #[inline]
    fn first_operand(&self, position: Position) -> u64 {
        self.0.side().first_operand(position)
    }

    #[inline]
    fn release(&mut self, position: Position) {
        self.0.side().release(position);
    }

    fn unclaim(&mut self, position: Position, _: u16) {
        self.0.side().release(position);
    }

    #[inline]
    fn carries_inline(&self) -> bool {
        self.0.side().carries_inline()
    }

    fn end(&mut self) -> Option<End> {
        self.0.side().end()
    }

    fn take_over(&mut self, is_dead: &mut dyn FnMut(Member) -> bool) -> Option<Claimed> {
        self.0.side().take_over(is_dead)
    }

    fn obstacle(&self) -> Option<Obstacle> {
        self.0.side().obstacle()
    }

    fn is_peer_open(&self) -> bool {
        self.0.side().is_peer_open()
    }

    fn has_packet(&self) -> bool {
        self.0.side().has_packet()
    }

    fn corruption(&self) -> Option<Corruption> {
        self.0.side().corruption()
    }

    #[inline]
    fn count(&mut self, event: Event) {
        let side = self.0.side();
        if side.shared_counters().add(event, T::ALONE) {
            side.record();
        }
    }

    fn counters(&self) -> Counters {
        self.0.side().shared_counters().read()
    }
}
