//! A ring, and the place in it that a side which is alone has come to: the next slot and buffer are found
//! by a step from the ones before, not from a position.

use core::ops::Deref;

#[cfg(target_pointer_width = "64")]
use super::Rover;
use super::{Buffer, RingMemory, Slot};
use crate::layout::Geometry;
#[cfg(target_pointer_width = "64")]
use crate::layout::LINE;
use crate::position::Position;

/// A ring and a place in it.
pub(crate) struct Walk<G> {
    memory: RingMemory<G>,
    steps: Steps,
}

/// Whether places are kept: where registers are many, they make messages cheaper; elsewhere they only make
/// programs longer.
pub(crate) const WALKS: bool = cfg!(target_pointer_width = "64");

/// A slot, as an offset from the first, and its buffer; and where the way ends.
///
/// # Invariants
/// Where `slot` is less than `end`, it is that of a slot of the ring, and `buffer` is where its buffer starts.
/// `line_end` is `end`, or 0 where buffers are shorter than a cache line.
// What is moved on is not side by side, where the compiler makes one vector of it, in twice the instructions.
#[cfg(target_pointer_width = "64")]
#[repr(C)]
struct Steps {
    slot: usize,
    end: usize,
    buffer: Rover,
    /// Where the way ends once it goes on again.
    goal: usize,
    line_end: usize,
}

#[cfg(not(target_pointer_width = "64"))]
struct Steps;

impl<G: Geometry> Walk<G> {
    /// At no place.
    pub(crate) fn new(memory: RingMemory<G>) -> Self {
        #[cfg(target_pointer_width = "64")]
        let steps = Steps {
            slot: 0,
            end: 0,
            buffer: memory.buffers().part.rover(0),
            goal: 0,
            line_end: 0,
        };
        #[cfg(not(target_pointer_width = "64"))]
        let steps = Steps;
        Self { memory, steps }
    }
}

#[cfg(target_pointer_width = "64")]
impl<G: Geometry> Walk<G> {
    /// Goes to the slot of `position`: a way of `count` slots from there on, at most up to the ring's end.
    pub(crate) fn go_to(&mut self, position: Position, count: usize) {
        let buffers = self.memory.buffers();
        let (index, size) = (buffers.index(position), buffers.size());
        let end = count.saturating_add(index).min(buffers.count()) * LINE;
        self.steps = Steps {
            slot: index * LINE,
            end,
            buffer: buffers.part.rover(index * size),
            goal: end,
            line_end: self.line_end(end),
        };
    }

    /// What `line_end` is beside this `end`.
    #[inline]
    fn line_end(&self, end: usize) -> usize {
        if self.memory.buffers().size() < LINE {
            0
        } else {
            end
        }
    }

    /// Whether `position` is the ring's first slot and the way has ended, as it does there.
    #[inline]
    pub(crate) fn is_at_start(&self, position: Position) -> bool {
        self.memory.buffers().index(position) == 0 && !self.goes_on()
    }

    /// Ends the way here.
    pub(crate) fn stop(&mut self) {
        self.steps.end = 0;
        self.steps.line_end = 0;
        self.steps.goal = 0;
    }

    /// Ends the way here until [`Walk::resume`]; for good, where that is so already.
    #[inline]
    pub(crate) fn pause(&mut self) {
        self.steps.goal = self.steps.end;
        self.steps.end = 0;
        self.steps.line_end = 0;
    }

    /// One slot further, from where the way was left.
    #[inline]
    pub(crate) fn resume(&mut self) {
        self.steps.end = self.steps.goal;
        self.steps.line_end = self.line_end(self.steps.goal);
        self.step();
    }

    /// Whether the way goes on.
    #[inline]
    fn goes_on(&self) -> bool {
        self.steps.slot < self.steps.end
    }

    /// The slot here and its buffer; `None` where the way has ended.
    #[inline]
    pub(crate) fn here(&self) -> Option<(Slot<'_>, Buffer<'_>)> {
        let slot = self.slot_here()?;
        let len = self.memory.buffers().size();
        // SAFETY: the way goes on, so that this is where a buffer starts, which has as many bytes.
        let part = unsafe { self.steps.buffer.view(len) };
        let offset = 0;
        Some((slot, Buffer { part, offset, len }))
    }

    /// The slot here; `None` where the way has ended.
    #[inline]
    pub(crate) fn slot_here(&self) -> Option<Slot<'_>> {
        self.goes_on().then(|| self.memory.slot_at(self.steps.slot))
    }

    /// As [`Walk::here`], of the buffer only the first cache line; `None` also where buffers are shorter.
    // A length that the compiler knows: whoever checks against it as well does so for nothing.
    #[inline]
    pub(crate) fn line_here(&self) -> Option<(Slot<'_>, Buffer<'_>)> {
        if self.steps.slot >= self.steps.line_end {
            return None;
        }
        let (offset, len) = (0, LINE);
        // SAFETY: the way goes on, as where it ends is no less than this; so this is where a buffer starts, which
        // has a line at least.
        let part = unsafe { self.steps.buffer.view(len) };
        let slot = self.memory.slot_at(self.steps.slot);
        Some((slot, Buffer { part, offset, len }))
    }

    /// One slot further.
    // Past the end this does no harm, as whoever looks finds that there is no way.
    #[inline]
    pub(crate) fn step(&mut self) {
        self.steps.slot = self.steps.slot.wrapping_add(LINE);
        self.steps.buffer.step(self.memory.buffers().size());
    }
}

#[cfg(not(target_pointer_width = "64"))]
impl<G: Geometry> Walk<G> {
    pub(crate) fn go_to(&mut self, _: Position, _: usize) {
        let _ = &self.steps;
    }

    pub(crate) fn stop(&mut self) {}

    #[inline]
    pub(crate) fn pause(&mut self) {}

    #[inline]
    pub(crate) fn resume(&mut self) {}

    #[inline]
    pub(crate) fn is_at_start(&self, _: Position) -> bool {
        false
    }

    #[inline]
    pub(crate) fn here(&self) -> Option<(Slot<'_>, Buffer<'_>)> {
        None
    }

    #[inline]
    pub(crate) fn slot_here(&self) -> Option<Slot<'_>> {
        None
    }

    #[inline]
    pub(crate) fn line_here(&self) -> Option<(Slot<'_>, Buffer<'_>)> {
        None
    }

    #[inline]
    pub(crate) fn step(&mut self) {}
}

impl<G> Deref for Walk<G> {
    type Target = RingMemory<G>;

    #[inline]
    fn deref(&self) -> &RingMemory<G> {
        &self.memory
    }
}
