//! Where an exclusive consumer begins, and where it is.

use super::ExclusiveConsumer;
use crate::counters::Counters;
use crate::layout::Geometry;
use crate::position::Position;
use crate::region::{RingMemory, Walk};
use crate::ring::join::Resume;
use crate::ring::stamp::Turn;
use crate::ring::wake::Alarm;
use crate::ring::{Consumer as _, taken_of};
use crate::side::Attached;
use crate::superblock::Delivery;

impl<G: Geometry> ExclusiveConsumer<G> {
    /// The side of a ring that was initialised just now, from position 0 on.
    #[cfg(not(loom))]
    pub(crate) fn first(memory: RingMemory<G>, side: Attached) -> Self {
        let start = Position::new(0);
        Self::starting(memory, start, Delivery::AtMostOnce, side, Alarm::none())
    }

    /// A side that goes on where `resume` says.
    pub(crate) fn new(
        memory: RingMemory<G>,
        resume: Resume,
        delivery: Delivery,
        side: Attached,
        alarm: Alarm,
    ) -> Self {
        let mut consumer = Self::starting(memory, resume.start, delivery, side, alarm);
        consumer.settled = resume.settled;
        consumer.taken = taken_of(&consumer.memory, resume.settled);
        if resume.start != resume.settled || consumer.taken != 0 {
            consumer.special = Some(&Self::SPECIAL);
        }
        if resume.start != resume.settled || consumer.has_packet() {
            consumer.side.heed_earlier_close();
        }
        consumer
    }

    fn starting(
        memory: RingMemory<G>,
        start: Position,
        delivery: Delivery,
        side: Attached,
        alarm: Alarm,
    ) -> Self {
        let lag = match delivery {
            Delivery::AtMostOnce => memory.count() / 2,
            Delivery::AtLeastOnce => 1,
        };
        Self {
            lag,
            memory: Walk::new(memory),
            turn: Turn::new(start),
            reading: None,
            flushed: Turn::new(start),
            flush_at: Turn::new(start.plus(lag)),
            counted: Turn::new(start),
            settled: start,
            taken: 0,
            special: None,
            counters: Counters::default(),
            side,
            alarm,
        }
    }
}

#[cfg(not(loom))]
impl<G: Geometry> ExclusiveConsumer<G> {
    /// The ring, and the position that comes next.
    pub(in crate::ring) fn place(&self) -> (&RingMemory<G>, Position) {
        (&self.memory, self.turn.position())
    }

    /// The positions that the next look may be at: the one that comes next, or those in doubt and the one after
    /// them, N + 1 at most.
    pub(in crate::ring) fn places(&self) -> impl Iterator<Item = Position> + use<G> {
        let turn = self.turn.position();
        let in_doubt = self.special.map_or(0, |_| self.settled.since(turn));
        let in_doubt = usize::try_from(in_doubt).unwrap_or(0);
        (0..=in_doubt).map(move |ahead| turn.plus(ahead))
    }
}
