//! What an exclusive consumer has read: counted, told to the producers, and where it goes on from there.

use super::ExclusiveConsumer;
use crate::layout::Geometry;
use crate::region::WALKS;
use crate::ring::stamp::Turn;
use crate::sync::ordering;

impl<G: Geometry> ExclusiveConsumer<G> {
    /// Where the positions end that were read and may be released.
    #[inline]
    pub(super) fn finished(&self) -> Turn {
        self.reading.unwrap_or(self.turn)
    }

    /// T5x: tells producers how far this side has read.
    #[inline]
    pub(in crate::ring) fn flush(&mut self) {
        let finished = self.finished();
        if self.flushed != finished {
            self.flushed = finished;
            let finished = finished.position();
            self.flush_at = Turn::new(finished.plus(self.lag));
            // Pairs with the Acquire of T1 and T3x.
            self.memory
                .released()
                .store(finished.low(), ordering::release_counter());
            if WALKS {
                self.set_out();
            }
            self.alarm.check(&self.memory, false);
        }
    }

    /// Tells producers how far this side has read, and people what it has counted.
    #[inline(never)]
    pub(super) fn tell(&mut self) {
        self.flush();
        self.record();
    }

    /// As `flush`, where nobody has what was claimed: a packet that was left is given back, too. One in doubt is
    /// not before it is released.
    #[inline]
    pub(in crate::ring) fn flush_all(&mut self) {
        if WALKS && self.special.is_none() {
            self.reading = None;
        }
        self.flush();
    }

    /// Begins a new way, where nothing is special.
    #[cold]
    #[inline(never)]
    pub(super) fn set_out(&mut self) {
        let (turn, flush_at) = (self.turn.position(), self.flush_at.position());
        // To release the last before `flush_at` takes more than a quick step.
        let steps = usize::try_from(flush_at.since(turn) - 1).unwrap_or(0);
        if self.special.is_some() || self.reading.is_some() {
            self.memory.stop();
        } else {
            self.memory.go_to(turn, steps);
        }
    }

    /// Goes on at `turn`, counting those messages that only their positions count so far.
    #[inline]
    pub(super) fn turn_to(&mut self, turn: Turn) {
        self.settle();
        self.turn = turn;
        self.counted = turn;
    }

    #[inline]
    pub(super) fn settle(&mut self) {
        if WALKS {
            let quick = self.turn.since(self.counted);
            self.counters.messages = self.counters.messages.wrapping_add(quick);
            self.counted = self.turn;
        }
    }

    pub(super) fn record(&mut self) {
        self.settle();
        self.side.record(&self.counters);
    }

    /// The packet before, at whose release the producers would have been told, was left: they are told now.
    #[cold]
    #[inline(never)]
    pub(super) fn give_back_left(&mut self) {
        self.reading = None;
        self.flush();
    }

    /// Everything that was claimed is released, and the producers are told where they should have been.
    #[cold]
    #[inline(never)]
    pub(super) fn release_all(&mut self) {
        if self.special.is_none() {
            self.reading = None;
            if WALKS {
                self.set_out();
            }
        }
        if self.finished().position().since(self.flush_at.position()) >= 0 {
            self.flush();
        }
    }
}
